// SPDX-License-Identifier: PostgreSQL
// What an operator asks for, over the console or over HTTP: handed to whom it concerns, carried out
// by all workers, and answered when it is done.
#include <algorithm>
#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

void Core::carry_out_for(const Asker& asker, const admin::AdminCommand& command) {
    switch (command.verb) {
        case admin::Verb::Show:
            return show(asker, command);
        case admin::Verb::Reload:
            effects_->push(AskProcess{ProcessRequest::Reload, asker.client});
            return;
        case admin::Verb::Shutdown: {
            const bool is_now = command.shutdown == admin::ShutdownKind::Now;
            effects_->push(AskProcess{
                is_now ? ProcessRequest::ShutdownNow : ProcessRequest::Shutdown, asker.client});
            return done(asker, {});
        }
        default:
            break;
    }
    const bool is_known =
        command.database.empty() || settings_->find_database(command.database) != nullptr ||
        std::any_of(tenants_.begin(), tenants_.end(),
                    [&](const auto& entry) { return entry.first.first == command.database; });
    if (!is_known) {
        return failed(asker, {.reason = wire::RefusalReason::ConsoleUnknownDatabase,
                              .subject = command.database});
    }
    if (auto refusal = why_not_order(command)) return failed(asker, *refusal);
    order(asker, command);
}

// --- Answers ----------------------------------------------------------------------------------

// The client of the console who still waits; null: it has gone.
Client* Core::waiting_client(const Asker& asker) {
    Client* client = asker.client ? clients_.find(asker.client) : nullptr;
    const bool waits =
        client != nullptr && client->console != nullptr && client->console->is_waiting;
    return waits ? client : nullptr;
}

void Core::done(const Asker& asker, const std::vector<std::string>& notices) {
    if (asker.http) return http_done(asker.http);
    if (Client* client = waiting_client(asker)) console_done(*client, notices);
}

void Core::failed(const Asker& asker, const wire::Refusal& refusal) {
    if (asker.http) return http_failed(asker.http, refusal);
    if (Client* client = waiting_client(asker)) console_failed(*client, refusal);
}

void Core::shown(const Asker& asker, const admin::ShowData& data) {
    if (asker.http) return http_shown(asker.http, data);
    if (Client* client = waiting_client(asker)) console_shown(*client, data);
}

void Core::reload_finished(ReloadFinished& event) {
    if (event.failure.empty()) return done({.client = event.client}, event.notices);
    failed({.client = event.client},
           {.reason = wire::RefusalReason::ReloadFailed, .detail = event.failure});
}

// --- Orders -----------------------------------------------------------------------------------

void Core::order(const Asker& asker, const admin::AdminCommand& command) {
    const std::uint64_t ticket = ++last_ticket_;
    PendingOrder& pending = orders_[ticket];
    pending.asker = asker;
    pending.command = command;
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker == parts_.worker) continue;
        auto wanted = std::make_unique<OrderWanted>();
        wanted->ticket = ticket;
        wanted->command = command;
        post(worker, std::move(wanted));
        ++pending.replies_left;
    }
    carry_out(command);
}

void Core::carry_out(const admin::AdminCommand& command) {
    order_nodes(command);
    auto concerns = [&command](const PoolEntry& entry) {
        return command.database.empty() || entry.tenant.database == command.database;
    };
    if (command.verb == admin::Verb::Pause || command.verb == admin::Verb::Kill) {
        paused_[command.database] = 1;
    } else if (command.verb == admin::Verb::Resume) {
        if (command.database.empty()) paused_.clear();
        paused_.erase(command.database);
    }
    for (auto& [key, entry] : pools_) {
        if (!concerns(*entry)) continue;
        switch (command.verb) {
            case admin::Verb::Pause:
            case admin::Verb::Kill:
                entry->pool.pause();
                while (const ServerId id = entry->pool.take_idle()) {
                    close_server(*servers_.find(id), "paused");
                }
                break;
            case admin::Verb::Resume:
                entry->pool.resume();
                while (const auto granted = entry->pool.grant_idle()) grant(*granted);
                open_servers(*entry);
                arm(*entry);
                break;
            case admin::Verb::Reconnect:
                ++entry->generation;
                while (const ServerId id = entry->pool.take_idle()) {
                    close_server(*servers_.find(id), "reconnect");
                }
                break;
            default:
                break;
        }
    }
    if (command.verb != admin::Verb::Kill) return;
    std::vector<ClientId> killed;
    clients_.for_each([&](ClientId id, const Client& client) {
        if (client.tenant == nullptr) return;
        if (command.database.empty() || client.tenant->database == command.database) {
            killed.push_back(id);
        }
    });
    for (ClientId id : killed) {
        if (Client* client = clients_.find(id)) {
            dismiss(*client, {.reason = wire::RefusalReason::Shutdown});
        }
    }
}

// PAUSE and KILL are done when no server is in use any more, SWITCHOVER and DRAIN when the node has
// none; the others at once.
bool Core::is_carried_out(const admin::AdminCommand& command) {
    const bool empties =
        command.verb == admin::Verb::Switchover || command.verb == admin::Verb::Drain;
    if (empties) return are_emptied(command);
    if (command.verb != admin::Verb::Pause && command.verb != admin::Verb::Kill) return true;
    return std::all_of(pools_.begin(), pools_.end(), [&command](const auto& entry) {
        const bool concerns =
            command.database.empty() || entry.second->tenant.database == command.database;
        return !concerns || !entry.second->pool.is_paused() || entry.second->pool.leased() == 0;
    });
}

void Core::order_progress() {
    std::vector<std::uint64_t> finished;
    for (auto& [ticket, order] : orders_) {
        if (!order.is_done_here) order.is_done_here = is_carried_out(order.command);
        if (order.is_done_here && order.replies_left == 0) finished.push_back(ticket);
    }
    for (const std::uint64_t ticket : finished) {
        const PendingOrder order = orders_[ticket];
        orders_.erase(ticket);
        if (order.origin_ticket != 0) {
            auto answer = std::make_unique<OrderDone>();
            answer->ticket = order.origin_ticket;
            post(order.origin, std::move(answer));
        } else {
            done(order.asker, {});
        }
    }
}

}  // namespace pgweir::proxy
