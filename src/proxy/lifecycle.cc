// SPDX-License-Identifier: PostgreSQL
// New settings, and the end.
#include <algorithm>
#include <utility>

#include "pgweir/base/assert.h"
#include "proxy/core.h"

namespace pgweir::proxy {

// Limits, timeouts and rules hold from now on; sessions and answers under way are not disturbed.
void Core::settings_changed(std::shared_ptr<const config::Settings> settings) {
    settings_ = std::move(settings);
    hba_ = compile_hba(*settings_);
    users_.replace(build_users(*settings_),
                   {.found_lifetime = settings_->general.auth_query_cache()});
    statements_.set_bytes_max(settings_->limits.prepared_statements_memory().bytes);
    configure_clusters();
    for (auto& [name, tenant] : tenants_) {
        const config::EffectivePool before = tenant->config;
        configure(*tenant);
        const config::EffectivePool& after = tenant->config;
        const bool other_server = before.server_database != after.server_database ||
                                  before.server_user != after.server_user ||
                                  before.server_password != after.server_password ||
                                  before.tls_mode != after.tls_mode ||
                                  before.require_auth != after.require_auth ||
                                  before.channel_binding != after.channel_binding ||
                                  before.cleartext_password != after.cleartext_password;
        if (before.nodes != after.nodes) tenant->greetings.clear();
        // Servers of nodes that stay know the defaults as well as a new one would.
        const bool no_node_stays =
            std::none_of(after.nodes.begin(), after.nodes.end(), [&](const NodeAddress& node) {
                return std::find(before.nodes.begin(), before.nodes.end(), node) !=
                       before.nodes.end();
            });
        if (other_server || no_node_stays) {
            tenant->base = nullptr;
            tenant->greetings.clear();
        }
        for (auto& [key, entry] : pools_) {
            if (&entry->tenant != tenant.get()) continue;
            // Of several nodes each is; of one, that one.
            const bool is_current = std::find(after.nodes.begin(), after.nodes.end(),
                                              entry->address) != after.nodes.end();
            if (tenant->cluster == nullptr) entry->node = NodeId{};
            if (other_server || !is_current) {
                ++entry->generation;
                entry->tls = {};
                while (const ServerId id = entry->pool.take_idle()) {
                    close_server(*servers_.find(id), "the settings changed");
                }
            }
            entry->is_starving = false;
            if (!is_current) move_waiters(*entry, *tenant);
        }
    }
    forget_gone_clusters();
    for (auto& [key, entry] : pools_) {
        open_servers(*entry);
        // Deadlines may be earlier than the timer that is set.
        entry->timer = Instant::never();
        arm(*entry);
    }
    clients_.for_each([this](ClientId, Client& client) { arm(client); });
}

// Who waits for a node that is no longer the database's waits for the new one.
void Core::move_waiters(PoolEntry& from, Tenant& tenant) {
    if (tenant.cluster != nullptr) return reroute_waiters(from);
    PoolEntry* to = pool_of(tenant);
    std::vector<pool::Waiter> waiting;
    from.pool.line().for_each([&](const pool::Waiter& waiter) { waiting.push_back(waiter); });
    for (const pool::Waiter& waiter : waiting) {
        if (to == nullptr) {
            refuse_waiter(
                from, waiter.client,
                {.reason = wire::RefusalReason::UnknownDatabase, .subject = tenant.database});
            continue;
        }
        if (Errand* errand = find_errand(waiter.client)) {
            from.pool.leave(errand->ticket);
            errand->waits_in = to;
            errand->ticket = to->pool.wait(waiter.client, waiter.since);
            continue;
        }
        Client& client = *clients_.find(waiter.client);
        leave_line(client);
        client.is_waiting = true;
        client.waits_in = to;
        client.ticket = to->pool.wait(client.id, waiter.since);
    }
}

void Core::shutdown(ShutdownMode mode) {
    if (life_ == Life::Stopped) return;
    if (mode == ShutdownMode::Drain && life_ == Life::Running) {
        life_ = Life::Draining;
        drain_deadline_ = deadline_after(now_, settings_->timeouts.shutdown_timeout());
        return;
    }
    if (mode == ShutdownMode::Now) life_ = Life::Ending;
}

// Clients end at the end of their transaction; with the deadline, at once.
void Core::shutdown_progress() {
    if (life_ == Life::Stopped) return;
    const bool is_late = life_ == Life::Draining && now_ >= drain_deadline_;
    if (is_late) life_ = Life::Ending;
    if (life_ == Life::Ending) drain_deadline_ = Instant::never();
    std::vector<ClientId> ending;
    clients_.for_each([&](ClientId id, Client& client) {
        const bool is_busy = client.server || client.is_waiting;
        const bool is_session = client.phase == Client::Phase::Session && client.server &&
                                servers_.find(client.server)->session->is_ready();
        if (life_ == Life::Ending || !is_busy || is_session) ending.push_back(id);
    });
    for (ClientId id : ending) {
        Client* client = clients_.find(id);
        if (client == nullptr) continue;
        if (client->phase == Client::Phase::Closing) {
            close_client(*client, CloseMode::Flush, "shutdown");
        } else if (is_late) {
            dismiss(
                *client,
                {.reason = wire::RefusalReason::ShutdownDeadline,
                 .limit =
                     std::to_string(settings_->timeouts.shutdown_timeout().us / 1'000'000) + "s"});
        } else {
            dismiss(*client, {.reason = wire::RefusalReason::Shutdown});
        }
    }
    std::vector<ServerId> leaving;
    servers_.for_each([&](ServerId id, Server& server) {
        if (server.phase == Server::Phase::Idle || life_ == Life::Ending) leaving.push_back(id);
    });
    for (ServerId id : leaving) {
        Server* server = servers_.find(id);
        if (server == nullptr) continue;
        if (server->phase == Server::Phase::Idle) {
            server->pool->pool.lost_idle(id);
            close_server(*server, "shutdown");
        } else if (server->phase == Server::Phase::Cleaning ||
                   server->phase == Server::Phase::Leased) {
            drop_server(*server, {}, CloseMode::Abort);
        }
    }
    if (clients_.size() > 0) return;
    // What still logs in or says good-bye is of no use to anybody.
    std::vector<ServerId> rest;
    servers_.for_each([&](ServerId id, Server& server) {
        if (server.phase != Server::Phase::Cleaning) rest.push_back(id);
    });
    for (ServerId id : rest) {
        Server& server = *servers_.find(id);
        if (server.phase == Server::Phase::Closing) {
            drop_server(server, {}, CloseMode::Flush);
        } else if (server.login != nullptr || server.phase == Server::Phase::Connecting) {
            effects_->push(CloseServer{server.id, CloseMode::Abort});
            if (!server.is_one_use) server.pool->pool.opening_failed();
            forget_server(server, {});
        }
    }
    if (servers_.size() > 0) return;
    // What a pool still counts now it has counted wrong all the time.
    for (const auto& [key, entry] : pools_) PGWEIR_ASSERT(entry->pool.size() == 0);
    life_ = Life::Stopped;
    drain_deadline_ = Instant::never();
    end_http();
    effects_->push(Stopped{});
}

}  // namespace pgweir::proxy
