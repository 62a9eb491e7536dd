// SPDX-License-Identifier: PostgreSQL
// Clients in session: their messages, their leases, their good-byes, their timeouts.
#include <algorithm>
#include <utility>

#include "pgweir/wire/backend_messages.h"
#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

// Half a megabyte of spare memory at most.
constexpr std::size_t kSpareBytesMax = 512;
constexpr std::size_t kSparesMax = 1024;

}  // namespace

void Core::client_bytes(ClientId id, ByteView bytes) {
    Client* found = clients_.find(id);
    if (found == nullptr) return;
    Client& client = *found;
    client.request_at = now_;
    switch (client.phase) {
        case Client::Phase::Session:
            return session_bytes(client, bytes);
        case Client::Phase::Login:
            return login_bytes(client, bytes);
        case Client::Phase::UserLookup:
            return login_bytes(client, bytes);
        case Client::Phase::Greeting:
            client.login->input().append(bytes);
            if (client.login->input().size() > session::ClientSession::kInputBytesMax) {
                pause_client(client, true);
            }
            return;
        case Client::Phase::Console:
            return console_bytes(client, bytes);
        case Client::Phase::Raw:
            return effects_->send(client.server, bytes);
        case Client::Phase::Closing:
            return;
    }
}

void Core::session_bytes(Client& client, ByteView bytes) {
    client.tenant->stats.received_bytes += bytes.size();
    ByteQueue& input = client.session->input();
    if (client.is_waiting || !input.empty() || must_hold(client)) {
        hold(input, bytes);
        if (client.is_waiting || must_hold(client)) return check_input(client);
        return pump_held(client);
    }
    std::size_t used = 0;
    if (!pump(client, bytes, session::Source::Event, used)) return;
    if (used < bytes.size()) {
        hold(input, bytes.subspan(used));
        check_input(client);
    }
    arm(client);
}

// A client that waits for a server needs memory for as long as that takes: it goes from one to the
// next, so that waiting allocates nothing in steady state.
void Core::hold(ByteQueue& input, ByteView bytes) {
    if (input.capacity() == 0 && !spare_inputs_.empty()) {
        input = std::move(spare_inputs_.back());
        spare_inputs_.pop_back();
    }
    input.append(bytes);
}

void Core::release(ByteQueue& input, std::size_t used) {
    if (used < input.size() || input.capacity() > kSpareBytesMax ||
        spare_inputs_.size() >= kSparesMax) {
        return input.consume(used);
    }
    input.rewind();
    spare_inputs_.push_back(std::move(input));
}

// Nothing new may be asked of a server while a cancel request for it is on its way: it would hit
// that instead.
bool Core::must_hold(Client& client) {
    if (!client.server) return false;
    const Server* server = servers_.find(client.server);
    return server->cancels > 0 && server->session->answers().empty();
}

bool Core::pump(Client& client, ByteView bytes, session::Source source, std::size_t& used) {
    for (;;) {
        Server* server = client.server ? servers_.find(client.server) : nullptr;
        const ClientId id = client.id;
        if (server == nullptr && client.session->wants_lease(bytes.subspan(used))) {
            if (!acquire(client)) return clients_.find(id) != nullptr;
            continue;
        }
        const bool owed_nothing = server != nullptr && server->session->answers().empty();
        session::Step step =
            client.session->consume(bytes.subspan(used), source,
                                    server != nullptr ? server->session.get() : nullptr, *effects_);
        used += step.consumed;
        admin::StatsCounters& stats = client.tenant->stats;
        stats.client_parses += step.client_parses;
        stats.server_parses += step.server_parses;
        stats.binds += step.binds;
        if (owed_nothing && !server->session->answers().empty()) {
            client.query_at = now_;
            if (server->pool->node) watch_node();
        }
        switch (step.need) {
            case session::Need::More:
                return true;
            case session::Need::Lease:
                if (!acquire(client)) return clients_.find(id) != nullptr;
                continue;
            case session::Need::Own: {
                const std::size_t taken = carry_out_own(client, bytes.subspan(used));
                if (taken == 0) return clients_.find(id) != nullptr;
                used += taken;
                continue;
            }
            case session::Need::Terminate:
                close_client(client, CloseMode::Flush, "client said good-bye");
                return false;
            case session::Need::Close:
                dismiss(client, std::move(*step.refusal));
                return false;
        }
    }
}

void Core::pump_held(Client& client) {
    if (client.phase != Client::Phase::Session || client.is_waiting) return;
    ByteQueue& input = client.session->input();
    if (!input.empty() && !must_hold(client)) {
        std::size_t used = 0;
        if (!pump(client, input.view(), session::Source::Held, used)) return;
        release(input, used);
    }
    check_input(client);
    arm(client);
}

// Reading goes on while a client waits, so that no system call is spent on a short wait; one that
// sends more than a buffer's worth meanwhile is not read.
void Core::check_input(Client& client) {
    const bool is_stuck = client.is_waiting || client.session->is_stalled() || must_hold(client);
    const bool is_full = client.session->input().size() > session::ClientSession::kInputBytesMax;
    const Server* server = client.server ? servers_.find(client.server) : nullptr;
    const bool server_is_full = server != nullptr && server->is_output_blocked;
    pause_client(client, (is_stuck && is_full) || server_is_full);
}

void Core::pause_client(Client& client, bool pause) {
    if (client.is_paused == pause) return;
    client.is_paused = pause;
    if (pause) {
        effects_->push(PauseClient{client.id});
    } else {
        effects_->push(ResumeClient{client.id});
    }
}

void Core::client_blocked(ClientId id, bool blocked) {
    Client* client = clients_.find(id);
    if (client == nullptr) return;
    client->is_blocked = blocked;
    client->blocked_at = now_;
    if (client->server) {
        if (Server* server = servers_.find(client->server)) pause_server(*server, blocked);
    }
    arm(*client);
}

// --- Leases -----------------------------------------------------------------------------------

bool Core::acquire(Client& client) {
    if (client.tenant->cluster != nullptr) return acquire_routed(client);
    if (PoolEntry* entry = pool_of(*client.tenant)) return acquire_from(client, *entry);
    dismiss(client,
            {.reason = wire::RefusalReason::UnknownDatabase, .subject = client.tenant->database});
    return false;
}

bool Core::acquire_from(Client& client, PoolEntry& entry) {
    if (entry.node) begin_load(client, entry.node);
    if (const auto id = entry.pool.acquire()) {
        Server& server = *servers_.find(*id);
        if (!may_serve(client, server)) {
            decline(client, server);
            return false;
        }
        begin_lease(client, server, now_);
        return true;
    }
    if (entry.gate.is_failing() && !entry.gate.may_try(now_) && entry.pool.size() == 0) {
        // The servers refuse this tenant: nobody waits for a trial that is not due yet.
        to_fail_.push_back(&entry);
    }
    client.is_waiting = true;
    client.waits_in = &entry;
    client.ticket = entry.pool.wait(client.id, now_);
    if (client.session != nullptr) client.session->wait();
    open_servers(entry);
    // Behind the first in line everything is due later.
    if (entry.pool.waiting() == 1) arm(entry);
    return false;
}

void Core::begin_lease(Client& client, Server& server, Instant waited_since) {
    server.phase = Server::Phase::Leased;
    server.client = client.id;
    client.server = server.id;
    client.leased_at = now_;
    client.query_at = now_;
    admin::StatsCounters& stats = client.tenant->stats;
    ++stats.server_assignments;
    stats.wait_us += static_cast<std::uint64_t>((now_ - waited_since).us);
    if (client.tenant->config.pool_mode == config::PoolMode::Session) server.must_reset = true;
    if (client.is_blocked) pause_server(server, true);
    if (server.pool->node) begin_routed_lease(client, server);
    if (client.session != nullptr) client.session->begin_lease(*server.session, *effects_);
}

void Core::end_lease(Client& client, Server& server) {
    client.tenant->stats.transaction_us += static_cast<std::uint64_t>((now_ - client.leased_at).us);
    client.server = ServerId{};
    client.ready_at = now_;
    server.client = ClientId{};
    if (server.pool->node) end_routed_lease(client, server);
    pause_server(server, false);
    client.losses = 0;
    if (client.session != nullptr) {
        client.session->end_lease();
        if (!client.session->input().empty()) to_pump_.push_back(client.id);
        arm(client);
    }
    park(server);
}

// --- Ends -------------------------------------------------------------------------------------

void Core::client_closed(ClientId id, const std::string& reason) {
    Client* client = clients_.find(id);
    if (client == nullptr) return;
    forget_client(*client, reason);
}

void Core::close_client(Client& client, CloseMode mode, const std::string& reason) {
    effects_->push(CloseClient{client.id, mode});
    forget_client(client, reason);
}

void Core::dismiss(Client& client, wire::Refusal refusal) {
    Bytes out;
    // The connection ends behind it, and clients that know PostgreSQL are told so by FATAL.
    refusal.moment = wire::RefusalMoment::Login;
    // In the middle of a message an error would be taken for a part of it.
    const Server* server = client.server ? servers_.find(client.server) : nullptr;
    const bool mid_frame =
        server != nullptr && server->session != nullptr && server->session->is_mid_frame();
    if (!mid_frame) {
        wire::append(out, refusal);
        send(client.id, out);
    }
    const std::string why = wire::describe(refusal).message;
    if (settings_->general.log_pooler_errors()) {
        log(LogLevel::Warning, "client " + client.host + ":" + std::to_string(client.port) + ": " +
                                   std::string(wire::name_of(refusal.reason)) + ": " + why);
    }
    close_client(client, mid_frame ? CloseMode::Abort : CloseMode::Flush, why);
}

void Core::leave_line(Client& client) {
    if (!client.is_waiting) return;
    if (client.waits_in != nullptr) {
        client.waits_in->pool.leave(client.ticket);
    } else {
        client.is_held ? leave_held(client) : stop_waiting_for_view(client.id);
        route_timers_.clear(client.id.value);
    }
    client.is_waiting = false;
    client.waits_in = nullptr;
    end_load(client);
}

void Core::forget_client(Client& client, const std::string& reason) {
    leave_line(client);
    if (client.phase == Client::Phase::UserLookup) {
        for (auto& [id, errand] : errands_) {
            if (auto* lookup = dynamic_cast<UserLookup*>(errand.get())) {
                std::erase(lookup->askers, client.id);
            }
        }
    }
    if (client.phase == Client::Phase::Console) --console_clients_;
    if (client.server) {
        Server& server = *servers_.find(client.server);
        server.client = ClientId{};
        client.server = ServerId{};
        orphan(server, client);
    }
    end_load(client);
    if (client.tenant != nullptr) {
        --client.tenant->clients;
        if (settings_->general.log_disconnections() && logs(LogLevel::Info)) {
            log(LogLevel::Info, "client " + client.host + ":" + std::to_string(client.port) +
                                    " of " + client.tenant->database + "/" + client.tenant->user +
                                    " has gone: " + reason);
        }
    }
    if (client.key.secret_bytes > 0) {
        cancel_keys_.erase((std::uint64_t{client.key.process_id} << 32) |
                           load_u32(client.key.secret.data()));
    }
    client_timers_.clear(client.id.value);
    clients_.remove(client.id);
}

// --- Timeouts ---------------------------------------------------------------------------------

// The earliest moment at which this client outstays a limit; `refusal` says which.
Instant Core::client_deadline(const Client& client, wire::Refusal* refusal) const {
    Instant earliest = Instant::never();
    auto consider = [&](Instant since, Duration limit, wire::RefusalReason reason) {
        const Instant deadline = deadline_after(since, limit);
        if (deadline >= earliest) return;
        earliest = deadline;
        if (refusal != nullptr) *refusal = {.reason = reason, .limit = text(limit)};
    };
    const auto& timeouts = settings_->timeouts;
    if (client.phase == Client::Phase::Login || client.phase == Client::Phase::UserLookup) {
        consider(client.connected_at, timeouts.client_login_timeout(),
                 wire::RefusalReason::LoginTimeout);
        return earliest;
    }
    if (client.phase != Client::Phase::Session) return earliest;
    const config::EffectivePool& config = client.tenant->config;
    if (client.is_blocked && client.server) {
        consider(client.blocked_at, timeouts.client_write_timeout(),
                 wire::RefusalReason::ClientWriteTimeout);
    }
    if (client.session->is_mid_frame() && !client.is_paused) {
        consider(client.request_at, timeouts.partial_frame_timeout(),
                 wire::RefusalReason::PartialMessageTimeout);
    }
    if (!client.server) {
        if (client.session->has_deferred_begin()) {
            consider(client.ready_at, config.idle_transaction_timeout,
                     wire::RefusalReason::IdleTransactionTimeout);
        } else if (!client.is_waiting) {
            consider(client.ready_at, config.client_idle_timeout,
                     wire::RefusalReason::ClientIdleTimeout);
        }
        return earliest;
    }
    const session::ServerSession& server = *servers_.find(client.server)->session;
    const bool in_transaction = server.status() != wire::TransactionStatus::Idle;
    if (!server.answers().empty()) {
        consider(client.query_at, config.query_timeout, wire::RefusalReason::QueryTimeout);
    } else if (in_transaction) {
        consider(client.ready_at, config.idle_transaction_timeout,
                 wire::RefusalReason::IdleTransactionTimeout);
    } else {
        consider(client.ready_at, config.client_idle_timeout,
                 wire::RefusalReason::ClientIdleTimeout);
    }
    if (in_transaction || !server.answers().empty()) {
        consider(client.leased_at, config.transaction_timeout,
                 wire::RefusalReason::TransactionTimeout);
    }
    return earliest;
}

// Timers are set only when the new deadline is earlier than the one that is set: a later one is
// found when that expires. So a query costs no timer.
void Core::arm(Client& client) {
    if (client.tenant == nullptr || client.phase != Client::Phase::Session) return;
    if (!client.tenant->has_client_timeouts && !client.is_blocked &&
        !client.session->is_mid_frame()) {
        return;
    }
    const Instant deadline = client_deadline(client, nullptr);
    if (deadline >= client.timer) return;
    client.timer = deadline;
    client_timers_.set(client.id.value, deadline);
}

void Core::client_timer(Client& client) {
    client.timer = Instant::never();
    wire::Refusal refusal{.reason = wire::RefusalReason::ClientIdleTimeout};
    const Instant deadline = client_deadline(client, &refusal);
    if (deadline > now_) {
        if (deadline.is_never()) return;
        client.timer = deadline;
        client_timers_.set(client.id.value, deadline);
        return;
    }
    if (client.login != nullptr) refusal.moment = wire::RefusalMoment::Login;
    // Who reads nothing gets no error either.
    if (refusal.reason == wire::RefusalReason::ClientWriteTimeout) {
        return close_client(client, CloseMode::Abort, "client_write_timeout");
    }
    // Nor does who has not said yet what it speaks, as with PostgreSQL: it may take an error for
    // the answer to its SSLRequest.
    if (client.login != nullptr && client.login->startup().major == 0) {
        log(LogLevel::Info, "client " + client.host + ":" + std::to_string(client.port) +
                                ": no startup within client_login_timeout");
        return close_client(client, CloseMode::Flush, "client_login_timeout");
    }
    dismiss(client, std::move(refusal));
}

}  // namespace pgweir::proxy
