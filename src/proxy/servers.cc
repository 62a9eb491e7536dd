// SPDX-License-Identifier: PostgreSQL
// Servers after their login: their bytes, their loss, and how they become clean again.
#include <algorithm>
#include <utility>

#include "pgweir/wire/frontend_messages.h"
#include "proxy/core.h"

namespace pgweir::proxy {

namespace {

// How long a server that was told good-bye may take to close its connection.
constexpr Duration kGoodbyeTimeout = Duration::seconds(5);
// A stalled client goes on when its server owes no more than this.
constexpr std::size_t kAnswersResume = 1024;

}  // namespace

// --- Bytes ------------------------------------------------------------------------------------

void Core::server_bytes(ServerId id, ByteView bytes) {
    Server* server = servers_.find(id);
    if (server == nullptr) {
        if (CancelLink* link = cancels_.find(id)) cancel_bytes(*link, bytes);
        return;
    }
    switch (server->phase) {
        case Server::Phase::LoggingIn: {
            const auto step = server->login->on_bytes(bytes, *effects_);
            if (step == session::ServerLogin::Step::Ready) return login_succeeded(*server);
            if (step == session::ServerLogin::Step::Failed) {
                const session::ServerLoginFailure failure = server->login->failure();
                return login_failed(*server, failure);
            }
            return;
        }
        case Server::Phase::Connecting:
            return login_failed(*server, {.sqlstate = {}, .message = "it spoke before its turn"});
        case Server::Phase::Closing:
            return;
        case Server::Phase::Idle:
        case Server::Phase::Leased:
        case Server::Phase::Cleaning:
            return leased_bytes(*server, bytes);
    }
}

void Core::leased_bytes(Server& server, ByteView bytes) {
    server.heard_at = now_;
    Client* client = server.client ? clients_.find(server.client) : nullptr;
    if (server.session->is_raw()) {
        if (client != nullptr) effects_->send(client->id, bytes);
        return;
    }
    if (server.errand) {
        if (Errand* errand = find_errand(server.errand)) errand->on_bytes(bytes);
    }
    session::ClientSession* session = client != nullptr ? client->session.get() : nullptr;
    if (client != nullptr) client->tenant->stats.sent_bytes += bytes.size();
    session::ServerNews news = server.session->on_bytes(bytes, session, *effects_);
    const ServerId id = server.id;
    const bool may_release = server.cancels > 0;
    after_bytes(server, client, news);
    if (may_release) release_cancel(id);
}

void Core::after_bytes(Server& server, Client* client, session::ServerNews& news) {
    if (!news.violation.empty()) {
        log(LogLevel::Warning, "server of pool " + server.pool->pool.key().text() +
                                   " broke the protocol: " + news.violation);
        if (client != nullptr) {
            abandon(server, *client,
                    {.reason = wire::RefusalReason::ServerProtocolViolation,
                     .subject = server.pool->pool.key().text(),
                     .detail = news.violation});
        }
        return drop_server(server, news.violation, CloseMode::Abort);
    }
    if (client != nullptr && news.queries > 0) {
        admin::StatsCounters& stats = client->tenant->stats;
        stats.queries += news.queries;
        stats.transactions += news.transactions;
        stats.query_us += static_cast<std::uint64_t>((now_ - client->query_at).us);
        client->ready_at = client->query_at = now_;
    }
    if (news.definitions_changed) definitions_changed();
    if (news.role_reported) suspect(*server.pool, cluster::Suspicion::RoleReport);
    if (news.refused_unit && client != nullptr) return unit_refused(server, *client, news);
    if (news.closes_client && client != nullptr) {
        return close_client(*client, CloseMode::Flush, "the server ended the session");
    }
    if (news.opened_transaction && client != nullptr) {
        return dismiss(*client, {.reason = wire::RefusalReason::TransactionInStatementMode,
                                 .subject = client->tenant->database});
    }
    if (news.settings_failed) return settings_failed(server, client);
    if (server.session->said_fatal()) {
        return drop_server(server, server.session->fatal_message(), CloseMode::Flush);
    }
    if (server.errand) {
        if (!server.session->is_ready()) return;
        if (Errand* errand = find_errand(server.errand)) errand_ended(*errand, &server, {});
        return;
    }
    if (server.phase == Server::Phase::Idle && !server.session->is_ready()) {
        // It has begun to say something: nobody gets it before it has ended.
        server.pool->pool.hold(server.id);
        server.phase = Server::Phase::Cleaning;
        server.clean_step = Server::CleanStep::Done;
        server_timers_.set(server.id.value, now_ + settings_->timeouts.server_clean_timeout());
        return;
    }
    if (server.phase == Server::Phase::Cleaning) return clean(server);
    if (client == nullptr) return;
    if (client->phase == Client::Phase::Greeting) {
        if (server.session->is_ready()) parameters_tried(*client, server, false);
        return;
    }
    const config::PoolMode mode = client->tenant->config.pool_mode;
    // A server that has begun to say something unasked keeps nobody waiting: see park().
    if (server.session->is_idle()) {
        if (mode != config::PoolMode::Session) {
            // The other half of its message must not meet another server, nor another client's
            // message this one (COPY data, after the COPY has failed).
            if (is_sending(*client)) {
                late_leases_.push_back(client->id);
                return arm(*client);
            }
            // It may not have read all that it was sent (a COPY that failed early): from now on
            // that is nothing the client has to wait for.
            if (server.is_output_blocked) pause_client(*client, false);
            return end_lease(*client, server);
        }
    }
    if (client->session->is_stalled() && server.session->answers().size() <= kAnswersResume) {
        to_pump_.push_back(client->id);
    }
    arm(*client);
}

// Part of a message was passed on. What is held back until it is whole is in the session's input.
bool Core::is_sending(const Client& client) {
    return client.session->is_mid_frame() && client.session->input().empty();
}

// Clients whose servers were ready before they had sent the whole of a message.
void Core::end_late_leases() {
    for (ClientId id : std::exchange(late_leases_, {})) {
        Client* client = clients_.find(id);
        if (client == nullptr || !client->server || client->session == nullptr) continue;
        Server& server = *servers_.find(client->server);
        if (!server.session->is_idle()) continue;
        if (is_sending(*client)) {
            late_leases_.push_back(id);
        } else {
            if (server.is_output_blocked) pause_client(*client, false);
            end_lease(*client, server);
        }
    }
}

// What pgweir put in front of the client's messages failed: they may have run with settings that
// are not theirs. Nothing on this server can be trusted, and what is owed is as if it was lost.
void Core::settings_failed(Server& server, Client* client) {
    if (client != nullptr && client->phase == Client::Phase::Greeting) {
        // ReadyForQuery follows; the client is told why now.
        return parameters_tried(*client, server, true);
    }
    drop_server(server, server.session->fatal_message(), CloseMode::Abort);
}

// The client is told and closed; the server is nobody's, and the caller's to drop.
void Core::abandon(Server& server, Client& client, wire::Refusal refusal) {
    const bool mid_frame = server.session->is_mid_frame();
    server.client = ClientId{};
    client.server = ServerId{};
    if (mid_frame) return close_client(client, CloseMode::Abort, "its server was lost");
    dismiss(client, std::move(refusal));
}

void Core::pause_server(Server& server, bool pause) {
    if (server.is_paused == pause) return;
    server.is_paused = pause;
    if (pause) {
        effects_->push(PauseServer{server.id});
    } else {
        effects_->push(ResumeServer{server.id});
    }
}

void Core::server_blocked(ServerId id, bool blocked) {
    Server* server = servers_.find(id);
    if (server == nullptr) return;
    server->is_output_blocked = blocked;
    if (server->phase == Server::Phase::Cleaning) return clean(*server);
    Client* client = server->client ? clients_.find(server->client) : nullptr;
    if (client == nullptr) return;
    if (client->session != nullptr) return check_input(*client);
    pause_client(*client, blocked);
}

// --- Cleaning ---------------------------------------------------------------------------------

void Core::orphan(Server& server, const Client& client) {
    const bool mid_frame = client.session != nullptr && client.session->is_mid_frame();
    const bool said_goodbye = client.session != nullptr && client.session->said_goodbye();
    if (server.session == nullptr || server.is_one_use) {
        return drop_server(server, {}, CloseMode::Flush);
    }
    pause_server(server, false);
    session::ServerSession& session = *server.session;
    if (session.said_fatal() || mid_frame || session.is_in_copy()) {
        return drop_server(server, "its client left in the middle of a message", CloseMode::Abort);
    }
    session.disown_answers();
    // What was kept for its client is of no use to the next one.
    session.replay().drop_held();
    session.replay().forget();
    server.phase = Server::Phase::Cleaning;
    server.clean_step = Server::CleanStep::Drain;
    // PostgreSQL does what it was asked before a good-bye, however long that takes; nobody waits
    // for the rest any more.
    if (!session.answers().empty() && !said_goodbye)
        start_cancel(server, ClientId{}, ClientId{}, 0);
    // Half a batch: its answers would never come, and a Sync alone would commit it.
    if (session.is_unsynced()) session.fail_transaction(*effects_);
    const Duration patience = said_goodbye ? server.pool->tenant.config.query_timeout
                                           : settings_->timeouts.server_clean_timeout();
    const Instant deadline = deadline_after(now_, patience);
    if (!deadline.is_never()) server_timers_.set(server.id.value, deadline);
    clean(server);
}

void Core::clean(Server& server) {
    session::ServerSession& session = *server.session;
    if (!session.is_quiet() || server.cancels > 0 || server.is_output_blocked) return;
    switch (server.clean_step) {
        case Server::CleanStep::Drain:
            server_timers_.set(server.id.value, now_ + settings_->timeouts.server_clean_timeout());
            server.clean_step = Server::CleanStep::Rollback;
            if (session.status() != wire::TransactionStatus::Idle) {
                return session.send_query("ROLLBACK", session::Asker::Settings, *effects_);
            }
            [[fallthrough]];
        case Server::CleanStep::Rollback: {
            if (session.status() != wire::TransactionStatus::Idle) {
                return drop_server(server, "it could not be rolled back", CloseMode::Abort);
            }
            server.clean_step = Server::CleanStep::Reset;
            const std::string& reset = settings_->general.server_reset_query();
            const bool wants_reset =
                server.must_reset || settings_->general.server_reset_query_always();
            server.must_reset = false;
            if (wants_reset && !reset.empty()) {
                session::ParameterSet doubtful = *session.parameters();
                doubtful.doubt_own();
                session.set_parameters(parameters_.intern(std::move(doubtful)));
                return session.send_query(reset, session::Asker::Settings, *effects_);
            }
            [[fallthrough]];
        }
        case Server::CleanStep::Reset:
            if (!session.is_ready()) {
                return drop_server(server, "it could not be reset", CloseMode::Abort);
            }
            server.clean_step = Server::CleanStep::Done;
            [[fallthrough]];
        case Server::CleanStep::Done:
            server_timers_.clear(server.id.value);
            return park(server);
    }
}

bool Core::must_close(const Server& server) const {
    // Who waits when shutdown begins is served before the end.
    const bool is_superfluous =
        life_ == Life::Ending || (life_ != Life::Running && server.pool->pool.waiting() == 0);
    return server.closes_when_free || server.pool->is_shut ||
           server.generation != server.pool->generation || now_ >= server.expires ||
           is_superfluous || server.pool->pool.is_paused() || server.session->is_foreign();
}

// A server of this pool became free; should it go, so that others can have one in its place?
bool Core::is_wanted_elsewhere(const PoolEntry& entry) {
    if (parts_.workers > 1 && entry.pool.should_yield(now_, parts_.workers)) return true;
    return !unmet_needs_.empty() && entry.pool.waiting() == 0 &&
           is_needed_elsewhere(entry.pool.key());
}

// REQUIRES: leased or cleaning, and nobody's any more.
void Core::park(Server& server) {
    PoolEntry& entry = *server.pool;
    if (server.cancels > 0) {
        server.phase = Server::Phase::Cleaning;
        server.clean_step = Server::CleanStep::Done;
        return;
    }
    // What it has not read yet would be in the way of the next client's messages.
    if (!server.session->is_quiet() || server.is_output_blocked) {
        server.phase = Server::Phase::Cleaning;
        server.clean_step = Server::CleanStep::Done;
        server_timers_.set(server.id.value, now_ + settings_->timeouts.server_clean_timeout());
        return;
    }
    if (server.phase == Server::Phase::Leased && settings_->general.server_reset_query_always() &&
        !settings_->general.server_reset_query().empty()) {
        server.phase = Server::Phase::Cleaning;
        server.clean_step = Server::CleanStep::Drain;
        server_timers_.set(server.id.value, now_ + settings_->timeouts.server_clean_timeout());
        return clean(server);
    }
    if (must_close(server)) {
        entry.pool.lost_leased();
        close_server(server, "no longer wanted");
        return open_servers(entry);
    }
    if (is_wanted_elsewhere(entry)) {
        entry.pool.lost_leased();
        // Whoever needs it is told when it has gone, and comes first.
        entry.yields_until = now_ + kYieldTime;
        arm(entry);
        return close_server(server, "others need it more");
    }
    server.phase = Server::Phase::Idle;
    server.used_at = now_;
    if (const auto granted = entry.pool.give_back(server.id, now_)) {
        grant(*granted);
    } else if (entry.timer.is_never()) {
        arm(entry);
    }
}

// --- Ends -------------------------------------------------------------------------------------

void Core::close_server(Server& server, const std::string& reason) {
    Bytes out;
    wire::terminate(out);
    send(server.id, out);
    server.phase = Server::Phase::Closing;
    log(LogLevel::Debug, "server of pool " + server.pool->pool.key().text() + " closed: " + reason);
    server_timers_.set(server.id.value, now_ + kGoodbyeTimeout);
}

void Core::server_closed(ServerId id, const std::string& reason) {
    gone_ = id;
    if (CancelLink* link = cancels_.find(id)) return cancel_ended(*link, true);
    Server* server = servers_.find(id);
    if (server == nullptr) return;
    if (server->phase == Server::Phase::Connecting || server->phase == Server::Phase::LoggingIn) {
        return login_failed(*server, {.sqlstate = {}, .message = "connection closed: " + reason});
    }
    if (server->phase == Server::Phase::Closing) return forget_server(*server, {});
    const std::string why =
        server->session->said_fatal() ? server->session->fatal_message() : reason;
    drop_server(*server, why, CloseMode::Abort);
}

void Core::drop_server(Server& server, const std::string& reason, CloseMode mode) {
    if (server.id != gone_) effects_->push(CloseServer{server.id, mode});
    forget_server(server, reason);
}

// Takes the server out of all tables; a client that leases it hears of it. The connection is gone
// or told to go.
void Core::forget_server(Server& server, const std::string& reason) {
    PoolEntry& entry = *server.pool;
    Client* client = server.client ? clients_.find(server.client) : nullptr;
    Errand* errand = server.errand ? find_errand(server.errand) : nullptr;
    if (server.phase != Server::Phase::Closing && !reason.empty()) {
        suspect(entry, cluster::Suspicion::ConnectionLost);
    }
    switch (server.phase) {
        case Server::Phase::Idle:
            entry.pool.lost_idle(server.id);
            break;
        case Server::Phase::Leased:
        case Server::Phase::Cleaning:
            if (!server.is_one_use) entry.pool.lost_leased();
            break;
        default:
            break;
    }
    if (!reason.empty()) {
        log(LogLevel::Warning, "server of pool " + entry.pool.key().text() + " is gone: " + reason);
    }
    server_timers_.clear(server.id.value);
    std::unique_ptr<Server> record = servers_.remove(server.id);
    freed_server_ids_.push_back(record->id);
    record->permit.give_back();
    if (record->session != nullptr) entry.node_gate->room_made(now_);
    permit_freed();
    if (record->cancels > 0) release_cancel(record->id);
    if (errand != nullptr) errand_ended(*errand, nullptr, "the server was lost");
    if (client != nullptr) {
        client->server = ServerId{};
        if (client->phase == Client::Phase::Raw) {
            close_client(*client, CloseMode::Flush, "its server has gone");
        } else if (client->phase == Client::Phase::Greeting) {
            pause_client(*client, false);
            begin_greeting(*client);
        } else if (client->session != nullptr) {
            // Units before the one that is lost were answered on this node.
            if (entry.node) end_routed_lease(*client, *record);
            client->routed_at = Instant{};
            if (record->session->replay().survives_loss()) {
                note_retry(*client, *record);
                // One that brings down whatever runs it must not go through all nodes.
                if (++client->losses > kLossesMax) record->session->replay().pass_on();
            }
            if (!client->session->server_lost(*record->session, entry.pool.key().text(),
                                              *effects_)) {
                close_client(*client, CloseMode::Abort, "its server was lost in a message");
            } else {
                client->ready_at = now_;
                pause_client(*client, false);
                to_pump_.push_back(client->id);
                if (client->tenant->config.pool_mode == config::PoolMode::Session) {
                    // What the session kept on its server can't be had again.
                    dismiss(*client, {.reason = wire::RefusalReason::ServerLost,
                                      .subject = entry.pool.key().text(),
                                      .detail = reason,
                                      .moment = wire::RefusalMoment::Login});
                }
            }
        }
    }
    open_servers(entry);
}

void Core::server_timer(Server& server) {
    switch (server.phase) {
        case Server::Phase::Connecting:
            return login_failed(server, {.sqlstate = {}, .message = "server_connect_timeout"});
        case Server::Phase::LoggingIn:
            return login_failed(server, {.sqlstate = {}, .message = "server_login_timeout"});
        case Server::Phase::Closing:
            return drop_server(server, {}, CloseMode::Abort);
        case Server::Phase::Cleaning:
            return drop_server(server, "it was not clean within server_clean_timeout",
                               CloseMode::Abort);
        case Server::Phase::Idle:
        case Server::Phase::Leased:
            return;
    }
}

}  // namespace pgweir::proxy
