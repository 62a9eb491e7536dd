// SPDX-License-Identifier: PostgreSQL
// Servers until they are ready: opening, login, and what a failure means for those who wait.
#include <algorithm>
#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

namespace {

constexpr std::string_view kTooManyConnections = "53300";

// What the server said of this user and database, and would say again to everybody who asks.
bool is_refusal_of_tenant(const session::ServerLoginFailure& failure) {
    if (failure.is_refused_by_us) return true;
    const std::string& sqlstate = failure.sqlstate;
    if (sqlstate.empty()) return false;
    // 57P03: starting up or shutting down; 53300: full. Both pass by themselves, as does a
    // shutdown that overtakes the login.
    return !sqlstate.starts_with("57P") && !sqlstate.starts_with("53") &&
           !sqlstate.starts_with("08");
}

// A server's own words are for the log: it has not proved yet who it is, and it may name what
// clients must not know.
std::string words_for_clients(const session::ServerLoginFailure& failure) {
    if (!failure.is_from_server) return failure.message;
    const bool is_code = failure.sqlstate.size() == 5 &&
                         std::all_of(failure.sqlstate.begin(), failure.sqlstate.end(), [](char c) {
                             return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                         });
    return "the server refused the login" +
           (is_code ? " with SQLSTATE " + failure.sqlstate : std::string());
}

// A Unix socket speaks no TLS, whatever the settings prefer.
TlsMode wanted_tls(const PoolEntry& entry) {
    const TlsMode configured = entry.tenant.config.tls_mode;
    return session::wants_tls(entry.address, configured) ? configured : TlsMode::Disable;
}

}  // namespace

Server& Core::open_server(PoolEntry& entry, pool::Permit permit) {
    auto record = std::make_unique<Server>();
    record->id = server_ids_.allocate();
    record->pool = &entry;
    record->permit = std::move(permit);
    record->generation = entry.generation;
    record->opened_at = record->used_at = now_;
    const ServerId id = record->id;
    Server& server = servers_.insert(id, std::move(record));
    effects_->push(OpenServer{id, entry.address});
    server_timers_.set(id.value, now_ + settings_->timeouts.server_connect_timeout());
    return server;
}

void Core::server_opened(ServerId id) {
    if (CancelLink* link = cancels_.find(id)) return cancel_opened(*link);
    Server* server = servers_.find(id);
    if (server == nullptr || server->phase != Server::Phase::Connecting) return;
    server->phase = Server::Phase::LoggingIn;
    server->tls_mode = server->pool->tls.mode_for(wanted_tls(*server->pool));
    const Tenant& tenant = server->pool->tenant;
    const config::EffectivePool& config = tenant.config;
    wire::Parameters parameters{{"database", config.server_database}};
    if (server->is_one_use) {
        const Client* client = clients_.find(server->client);
        const std::string replication(client != nullptr ? client->login->startup().replication()
                                                        : "database");
        parameters.emplace_back("replication", replication);
    }
    auth::LoginSecret secret = tenant.secret;
    if (!config.server_password.empty()) {
        secret = auth::PlainPassword{auth::SecretText(config.server_password)};
    }
    server->login = std::make_unique<session::ServerLogin>(
        id,
        session::ServerLoginRequest{.address = server->pool->address,
                                    .tls_mode = server->tls_mode,
                                    .direct_tls = settings_->tls.server_tls_direct(),
                                    .user = config.server_user,
                                    .parameters = std::move(parameters),
                                    .secret = std::move(secret),
                                    .policy = {.require_auth = config.require_auth,
                                               .cleartext = config.cleartext_password,
                                               .channel_binding = config.channel_binding},
                                    .max_protocol_version = config.max_protocol_version},
        parts_.entropy, scram_keys_);
    server_timers_.set(id.value, now_ + settings_->timeouts.server_login_timeout());
    server->login->start(*effects_);
}

void Core::server_open_failed(ServerId id, const std::string& reason) {
    gone_ = id;
    if (CancelLink* link = cancels_.find(id)) return cancel_ended(*link, true);
    Server* server = servers_.find(id);
    if (server == nullptr) return;
    login_failed(*server, {.sqlstate = {}, .message = reason});
}

void Core::server_secured(ServerId id, TlsPeer& tls) {
    if (CancelLink* link = cancels_.find(id)) return cancel_send(*link);
    Server* server = servers_.find(id);
    if (server == nullptr || server->login == nullptr) return;
    server->is_tls = true;
    server->login->on_secured(std::move(tls), *effects_);
}

// PostgreSQL before version 14 does not report its role.
void Core::note_role(Server& server) {
    const ClusterEntry* cluster = server.pool->tenant.cluster;
    if (cluster == nullptr || cluster->view == nullptr) return;
    if (server.session->parameters()->find("in_hot_standby") != nullptr) return;
    const cluster::NodeView* node = cluster->view->find(server.pool->node);
    if (node != nullptr && node->role == cluster::Role::Standby) server.session->note_standby();
}

void Core::login_succeeded(Server& server) {
    PoolEntry& entry = *server.pool;
    server.session = std::make_unique<session::ServerSession>(
        server.id, server.login->take_facts(parameters_), parameters_);
    server.login.reset();
    server.used_at = server.logged_in_at = now_;
    note_role(server);
    const Duration lifetime = entry.tenant.config.server_lifetime;
    server.expires = Instant::never();
    if (lifetime) {
        // Servers that were opened together do not all end together.
        const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(lifetime.us / 10, 1));
        server.expires = now_ + lifetime -
                         Duration::microseconds(static_cast<std::int64_t>(random_.below(spread)));
    }
    server_timers_.clear(server.id.value);
    if (entry.tenant.base == nullptr && !server.is_one_use) {
        entry.tenant.base = server.session->parameters();
    }
    entry.last_failure.clear();
    entry.tls.succeeded();
    // The gate of the node is open for other pools, too.
    is_retry_wanted_ = true;
    if (server.is_one_use) {
        entry.node_gate->succeeded();
        server.phase = Server::Phase::Leased;
        Client* client = clients_.find(server.client);
        if (client == nullptr) return drop_server(server, "its client has gone", CloseMode::Flush);
        return begin_raw(*client, server);
    }
    entry.node_gate->succeeded();
    entry.gate.succeeded();
    server.phase = Server::Phase::Idle;
    if (must_close(server)) {
        entry.pool.opening_failed();
        return close_server(server, "no longer wanted");
    }
    if (entry.pool.waiting() == 0 && is_wanted_elsewhere(entry)) {
        entry.pool.opening_failed();
        // Whoever needs it is told when it has gone, and comes first.
        entry.yields_until = now_ + kYieldTime;
        return close_server(server, "others need it more");
    }
    if (const auto granted = entry.pool.opened(server.id, now_)) grant(*granted);
    arm(entry);
}

// The server wants the connection as it is not, in clear or with TLS: nobody hears of this one.
void Core::log_in_again(Server& server) {
    PoolEntry& entry = *server.pool;
    log(LogLevel::Debug, "server of pool " + entry.pool.key().text() + ": login refused " +
                             (server.is_tls ? "with" : "without") + " TLS, tried the other way");
    entry.node_gate->abandoned();
    Client* only_client = server.is_one_use ? clients_.find(server.client) : nullptr;
    if (!server.is_one_use) {
        entry.pool.opening_failed();
        entry.gate.abandoned();
    }
    effects_->push(CloseServer{server.id, CloseMode::Abort});
    server.client = ClientId{};
    forget_server(server, {});
    if (only_client == nullptr) return;
    only_client->server = ServerId{};
    open_replication(*only_client);
}

// The node has no connection to spare, but others may: an idle server on it makes room.
void Core::ask_for_room(PoolEntry& entry) {
    entry.node_gate->want_room();
    make_room(entry.pool.key(), pool::Scope::ServersOfNode, &entry);
    if (parts_.workers == 1) return;
    parts_.limits.mark_starving(parts_.worker);
    ask_for_server(entry, pool::Scope::ServersOfNode);
}

void Core::login_failed(Server& server, const session::ServerLoginFailure& failure) {
    PoolEntry& entry = *server.pool;
    if (entry.tls.goes_on(wanted_tls(entry), server.tls_mode, failure)) return log_in_again(server);
    const bool refuses_tenant = is_refusal_of_tenant(failure);
    log(LogLevel::Warning, "server of pool " + entry.pool.key().text() + ": login failed: " +
                               (failure.sqlstate.empty() ? "" : failure.sqlstate + " ") +
                               failure.message);
    entry.last_failure = words_for_clients(failure);
    pool::LoginGate& gate = *entry.node_gate;
    if (refuses_tenant) {
        gate.abandoned();
        // Why we would not log in to such a server is the operator's to read.
        entry.trouble = failure.is_refused_by_us
                            ? LoginTrouble{"08006", "the login to the server failed"}
                            : LoginTrouble{failure.sqlstate, failure.message};
    } else {
        const bool had_room = gate.has_room();
        gate.failed(now_, random_);
        // Room that was made and did not help is not the room that is missing (a limit of the role,
        // say): more is made only after the next pause.
        if (failure.sqlstate == kTooManyConnections && !had_room) ask_for_room(entry);
    }
    if (!server.is_one_use) {
        entry.pool.opening_failed();
        if (refuses_tenant) {
            entry.gate.failed(now_, random_);
        } else {
            entry.gate.abandoned();
        }
    }
    Client* only_client = server.is_one_use ? clients_.find(server.client) : nullptr;
    drop_server(server, {}, CloseMode::Abort);
    if (only_client != nullptr) {
        only_client->server = ServerId{};
        refuse(*only_client, refuses_tenant
                                 ? trouble_refusal(entry)
                                 : wire::Refusal{.reason = wire::RefusalReason::ServerUnreachable,
                                                 .subject = entry.pool.key().text(),
                                                 .detail = entry.last_failure});
    }
    if (refuses_tenant) fail_waiters(entry, trouble_refusal(entry));
    if (!refuses_tenant && entry.node) {
        suspect(entry, cluster::Suspicion::ConnectRefused);
        // Reads need not wait for this node; the primary's line waits.
        ClusterEntry& cluster = *entry.tenant.cluster;
        if (cluster.view != nullptr && cluster.view->primary != entry.node) avoid(entry);
    }
    arm(entry);
}

}  // namespace pgweir::proxy
