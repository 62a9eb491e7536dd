// SPDX-License-Identifier: PostgreSQL
// The console: its messages, and what it shows and orders, over all workers together.
#include <algorithm>
#include <utility>

#include "pgweir/config/describe.h"
#include "proxy/core.h"

namespace pgweir::proxy {

namespace {

constexpr std::size_t kHeaderBytes = 5;

std::string mode_name(config::PoolMode mode) {
    switch (mode) {
        case config::PoolMode::Session:
            return "session";
        case config::PoolMode::Statement:
            return "statement";
        case config::PoolMode::Transaction:
            break;
    }
    return "transaction";
}

}  // namespace

void Core::console_bytes(Client& client, ByteView bytes) {
    client.console->input.append(bytes);
    Bytes out;
    std::optional<wire::Refusal> broken;
    for (;;) {
        const ByteView input = client.console->input.view();
        if (client.console->session.is_closed() || input.size() < kHeaderBytes) break;
        const auto tag = static_cast<wire::FrontendTag>(input[0]);
        const std::uint32_t length = load_u32(input.data() + 1);
        if (!wire::is_known(tag)) {
            broken = wire::Refusal{.reason = wire::RefusalReason::InvalidMessageType,
                                   .subject = std::to_string(input[0])};
            break;
        }
        if (length < 4 || length - 4 > admin::ConsoleSession::kBodyBytesMax) {
            broken = wire::Refusal{.reason = wire::RefusalReason::InvalidMessageLength,
                                   .subject = std::string(wire::name_of(tag)),
                                   .value = std::to_string(static_cast<std::int32_t>(length))};
            break;
        }
        const std::size_t size = 1 + std::size_t{length};
        if (input.size() < size) break;
        client.console->session.take(tag, input.subspan(kHeaderBytes, size - kHeaderBytes), out);
        client.console->input.consume(size);
    }
    if (broken) {
        if (!out.empty()) send(client.id, out);
        return dismiss(client, std::move(*broken));
    }
    console_work(client, out);
}

// Sends the replies, and sees to what the console waits for, until it waits for others.
void Core::console_work(Client& client, Bytes& out) {
    if (!out.empty()) send(client.id, out);
    out.clear();
    if (client.console->session.is_closed()) {
        return close_client(client, CloseMode::Flush, "client said good-bye");
    }
    if (client.console->session.request() && !client.console->is_waiting) {
        client.console->is_waiting = true;
        const admin::AdminCommand command = *client.console->session.request();
        carry_out_for({.client = client.id}, command);
    }
}

void Core::console_done(Client& client, const std::vector<std::string>& notices) {
    Bytes out;
    client.console->is_waiting = false;
    client.console->session.done(notices, out);
    console_work(client, out);
}

void Core::console_failed(Client& client, const wire::Refusal& refusal) {
    Bytes out;
    client.console->is_waiting = false;
    client.console->session.fail(refusal, out);
    console_work(client, out);
}

void Core::console_shown(Client& client, const admin::ShowData& data) {
    Bytes out;
    client.console->is_waiting = false;
    client.console->session.answer(data, out);
    console_work(client, out);
}

// --- SHOW -------------------------------------------------------------------------------------

void Core::show(const Asker& asker, const admin::AdminCommand& asked) {
    admin::AdminCommand command = asked;
    const admin::ShowParts parts = admin::parts_of(command.table);
    if (parts.route) {
        const auto database = explained_database(command);
        if (!database) return failed(asker, database.error());
        command.database = *database;
    }
    const std::uint64_t ticket = ++last_ticket_;
    PendingShow& pending = shows_[ticket];
    pending.asker = asker;
    pending.data = show_data(command);
    if (parts.config) {
        for (const config::ConfigRow& row : config::config_rows(*settings_)) {
            pending.data.config.push_back({.key = row.key,
                                           .value = row.value,
                                           .fallback = row.fallback,
                                           .changeable = row.changeable == "yes"});
        }
    }
    if (parts.any()) {
        for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
            if (worker == parts_.worker) continue;
            auto wanted = std::make_unique<ShowWanted>();
            wanted->ticket = ticket;
            wanted->command = command;
            post(worker, std::move(wanted));
            ++pending.replies_left;
        }
    }
    if (pending.replies_left == 0) show_finished(ticket);
}

void Core::show_finished(std::uint64_t ticket) {
    auto found = shows_.find(ticket);
    const PendingShow pending = std::move(found->second);
    shows_.erase(found);
    shown(pending.asker, pending.data);
}

admin::ShowData Core::show_data(const admin::AdminCommand& command) {
    const admin::ShowParts parts = admin::parts_of(command.table);
    admin::ShowData data;
    data.origin_unix_us = parts_.origin_unix_us;
    if (parts.databases) show_databases(data);
    if (parts.pools) show_pools(data);
    if (parts.clients) show_clients(data);
    if (parts.servers) show_servers(data);
    if (parts.stats) show_stats(data);
    if (parts.users) show_users(data);
    if (parts.nodes) show_nodes(data);
    if (parts.clusters) show_clusters(data);
    if (parts.events) show_events(data);
    if (parts.routes) show_routes(data);
    if (parts.route) data.route = explain_route(command.database, command.statement);
    if (parts.counts) {
        data.counts.clients = clients_.size();
        clients_.for_each([&data](ClientId, const Client& client) {
            if (client.login != nullptr) ++data.counts.clients_at_login;
        });
        data.counts.servers = servers_.size();
    }
    data.paused = paused_.contains("");
    data.is_stopping = life_ != Life::Running;
    return data;
}

void Core::show_stats(admin::ShowData& data) {
    note_stats();
    for (const auto& [database, total] : stats_totals()) {
        const auto window = stats_windows_.try_emplace(database, now_).first;
        data.stats.push_back({.database = database,
                              .total = total,
                              .period_start = window->second.start(),
                              .period = window->second.length(now_)});
    }
}

std::map<std::string, admin::StatsCounters> Core::stats_totals() const {
    std::map<std::string, admin::StatsCounters> totals;
    for (const auto& [name, tenant] : tenants_) totals[tenant->database] += tenant->stats;
    return totals;
}

// Averages are over the last period or two, so the counters are noted once in each.
void Core::note_stats() {
    const Duration period = settings_->general.stats_period();
    for (const auto& [database, total] : stats_totals()) {
        stats_windows_.try_emplace(database, now_).first->second.note(total, now_, period);
    }
    stats_deadline_ = tenants_.empty() ? Instant::never() : now_ + period;
}

void Core::log_stats() {
    if (!settings_->general.log_stats() || !logs(LogLevel::Info)) return;
    admin::StatsCounters change;
    Duration period;
    for (const auto& [database, total] : stats_totals()) {
        const auto window = stats_windows_.find(database);
        if (window == stats_windows_.end()) continue;
        admin::StatsCounters since = total;
        since -= window->second.start();
        change += since;
        period = std::max(period, window->second.length(now_));
    }
    // A worker that did nothing has nothing to say.
    if (change.queries == 0 || period.us <= 0) return;
    const auto per_second = [period](std::uint64_t n) {
        return std::to_string(n * 1'000'000 / static_cast<std::uint64_t>(period.us));
    };
    log(LogLevel::Info,
        "stats: " + per_second(change.transactions) + " transactions/s, " +
            per_second(change.queries) + " queries/s, in " + per_second(change.received_bytes) +
            " B/s, out " + per_second(change.sent_bytes) + " B/s, " +
            std::to_string(change.query_us / change.queries) + " us/query, " +
            std::to_string(change.wait_us / std::max<std::uint64_t>(change.server_assignments, 1)) +
            " us waited/lease");
}

void Core::show_users(admin::ShowData& data) {
    std::map<std::string, admin::UserRow> rows;
    for (const auto& [name, user] : settings_->users()) rows[name].name = name;
    for (const auto& [names, tenant] : tenants_) {
        admin::UserRow& row = rows[tenant->user];
        row.name = tenant->user;
        row.clients += tenant->clients;
        row.clients_max = tenant->config.max_user_client_connections;
        row.servers_max = tenant->config.max_user_connections;
    }
    for (const auto& [key, entry] : pools_) rows[entry->tenant.user].servers += entry->pool.size();
    for (auto& [name, row] : rows) data.users.push_back(std::move(row));
}

void Core::show_databases(admin::ShowData& data) {
    for (const auto& [name, database] : settings_->databases()) {
        const config::EffectivePool config = settings_->pool_for(name, {});
        admin::DatabaseRow row{
            .name = name,
            .host = config.nodes.empty() ? std::nullopt
                                         : std::optional<std::string>(config.nodes.front().host),
            .port = config.nodes.empty() ? std::uint64_t{0} : config.nodes.front().port,
            .database = config.server_database,
            .user = config.user_is_fixed ? std::optional<std::string>(config.server_user)
                                         : std::nullopt,
            .pool_size = config.pool_size,
            .pool_size_min = config.min_pool_size,
            .reserve_pool_size = config.reserve_pool_size,
            .server_lifetime = config.server_lifetime,
            .pool_mode = mode_name(config.pool_mode),
            .load_balance = std::nullopt,
            .servers_max = config.max_db_connections,
            .servers = 0,
            .clients_max = config.max_db_client_connections,
            .clients = 0,
            .paused = paused_.contains(name) || paused_.contains(""),
            .disabled = false};
        for (const auto& [names, tenant] : tenants_) {
            if (tenant->database == name) row.clients += tenant->clients;
        }
        for (const auto& [key, entry] : pools_) {
            if (key.database == name) row.servers += entry->pool.size();
        }
        note_trouble(row, config);
        data.databases.push_back(std::move(row));
    }
}

void Core::show_pools(admin::ShowData& data) {
    std::map<const Tenant*, admin::PoolRow> rows;
    for (const auto& [key, entry] : pools_) {
        const Tenant& tenant = entry->tenant;
        admin::PoolRow& row = rows[&tenant];
        row.database = tenant.database;
        row.user = tenant.user;
        row.pool_mode = mode_name(tenant.config.pool_mode);
        row.clients_waiting += entry->pool.waiting();
        row.servers_idle += entry->pool.idle().size();
        row.servers_login += entry->pool.opening_count();
        if (const pool::Waiter* first = entry->pool.line().front()) {
            row.wait_max = std::max(row.wait_max, now_ - first->since);
        }
    }
    servers_.for_each([&rows](ServerId, const Server& server) {
        admin::PoolRow& row = rows[&server.pool->tenant];
        if (server.phase == Server::Phase::Cleaning) ++row.servers_tested;
        if (server.phase != Server::Phase::Leased) return;
        ++(server.cancels > 0 ? row.servers_being_cancelled : row.servers_active);
    });
    cancels_.for_each([&](ServerId, const CancelLink& link) {
        if (const Server* server = servers_.find(link.target)) {
            ++rows[&server->pool->tenant].servers_cancelling;
            if (link.requester) ++rows[&server->pool->tenant].cancels_active;
        }
    });
    for (auto& [tenant, row] : rows) {
        row.clients_active =
            tenant->clients - std::min<std::uint64_t>(tenant->clients, row.clients_waiting);
        data.pools.push_back(std::move(row));
    }
}

void Core::show_clients(admin::ShowData& data) {
    clients_.for_each([&](ClientId id, const Client& client) {
        admin::ConnectionRow row{.state = "login",
                                 .address = client.is_unix ? "unix" : client.host,
                                 .port = client.port,
                                 .connected_at = client.connected_at,
                                 .request_at = client.request_at,
                                 .link = client.server.value,
                                 .id = id.value};
        if (client.tenant != nullptr) {
            row.user = client.tenant->user;
            row.database = client.tenant->database;
            row.state = client.is_waiting ? "waiting" : client.server ? "active" : "idle";
        } else if (client.phase == Client::Phase::Console) {
            row.user = client.console->user;
            row.database = "pgweir";
            row.state = "active";
        }
        if (client.is_waiting) row.wait = now_ - client.request_at;
        if (client.is_tls) row.tls = "TLS";
        if (client.session != nullptr) {
            row.prepared_statements = client.session->statement_count();
            if (const auto* name = client.session->wanted()->find("application_name")) {
                row.application_name = name->value;
            }
        }
        data.clients.push_back(std::move(row));
    });
}

void Core::show_servers(admin::ShowData& data) {
    servers_.for_each([&](ServerId id, Server& server) {
        const Tenant& tenant = server.pool->tenant;
        static constexpr std::array<std::string_view, 6> kStates = {"login",  "login",  "idle",
                                                                    "active", "tested", "closing"};
        admin::ConnectionRow row{
            .user = tenant.user,
            .database = tenant.database,
            .state = std::string(kStates[static_cast<std::size_t>(server.phase)]),
            .address = server.pool->address.host,
            .port = server.pool->address.port,
            .connected_at = server.opened_at,
            .request_at = server.used_at,
            .close_needed = server.closes_when_free || server.generation != server.pool->generation,
            .link = server.client.value,
            .id = id.value};
        if (server.is_tls) row.tls = "TLS";
        if (server.session != nullptr) {
            row.process_id = server.session->process_id();
            row.prepared_statements = server.session->statements().size();
            if (const auto* name = server.session->parameters()->find("application_name")) {
                row.application_name = name->value;
            }
        }
        data.servers.push_back(std::move(row));
    });
}

}  // namespace pgweir::proxy
