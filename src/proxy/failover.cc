// SPDX-License-Identifier: PostgreSQL
// Another primary. What could still write elsewhere is closed by every worker before the first
// write goes to it; units of which nothing was sent wait for it in a line, and the line moves in
// batches, each twice as large as the one before. Nodes that the operator drains are emptied.
//
//   worker                          observer
//   view with another primary   ←   ViewChanged
//   close_old_writers()
//   WritersClosed               →   counts, until all workers have said so
//   writer_changed()            ←   WriterChanged
#include <algorithm>
#include <utility>

#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

// A node that was just promoted is not met with everybody at once.
constexpr std::size_t kBatchFirst = 16;
constexpr Duration kBatchPause = Duration::milliseconds(5);
// While a switchover is under way, it is asked so often whether it has ended.
constexpr Duration kSwitchoverPause = Duration::seconds(1);

// A server of the node that believes it can write must go. While there is no primary at all, one
// that can't be reached may still be it.
bool is_deposed(const cluster::ClusterView& view, const cluster::NodeView& node) {
    if (view.is_blind || node.id == view.primary) return false;
    return cluster::is_fenced(node.trouble) || view.primary;
}

// Its servers go as soon as they are free.
bool must_be_empty(const cluster::NodeView& node) {
    return node.is_drained || node.is_stopping;
}

bool has_changed(const cluster::NodeView& node, const cluster::ClusterView& before) {
    const cluster::NodeView* was = before.find(node.id);
    return was == nullptr || was->role != node.role || was->trouble != node.trouble;
}

}  // namespace

// --- Who may be written to ----------------------------------------------------------------------

bool Core::has_writer(const ClusterEntry& entry) const {
    return entry.view != nullptr && entry.view->primary && entry.view->primary == entry.writer;
}

// A view has come. Most of them say of the roles what the one before said.
void Core::follow_primary(ClusterEntry& entry, const cluster::ClusterView* before) {
    const cluster::ClusterView& view = *entry.view;
    expect_writer(entry);
    if (entry.observed != nullptr) watch_primary(entry);
    const bool is_news =
        before == nullptr || before->primary != view.primary ||
        std::any_of(view.nodes.begin(), view.nodes.end(),
                    [before](const cluster::NodeView& node) { return has_changed(node, *before); });
    if (is_news) {
        close_old_writers(entry);
        for (auto& [name, tenant] : tenants_) {
            if (tenant->cluster == &entry) warm_up(*tenant);
        }
    }
    if (!view.primary) return;
    if (view.primary == entry.writer) return begin_line(entry);
    if (parts_.worker == kObserver) {
        return writers_closed(entry, kObserver, view.version, view.primary);
    }
    auto closed = std::make_unique<WritersClosed>();
    closed->cluster = entry.key;
    closed->version = view.version;
    closed->primary = view.primary;
    post(kObserver, std::move(closed));
}

// The observer counts who has closed what could write elsewhere than on the new primary.
void Core::expect_writer(ClusterEntry& entry) {
    if (entry.observed == nullptr) return;
    const cluster::ClusterView& view = *entry.view;
    if (!view.primary || view.primary == entry.writer) {
        entry.next_writer = NodeId{};
        return;
    }
    if (view.primary == entry.next_writer) return;
    entry.next_writer = view.primary;
    entry.next_writer_version = view.version;
    entry.workers_to_close =
        parts_.workers >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << parts_.workers) - 1;
}

void Core::close_old_writers(ClusterEntry& entry) {
    const cluster::ClusterView& view = *entry.view;
    std::vector<ServerId> old;
    servers_.for_each([&](ServerId id, const Server& server) {
        if (server.pool->tenant.cluster != &entry || server.session == nullptr) return;
        // One that was opened while its node was a standby tells of a promotion with its next
        // answer only.
        const bool could_write = !server.session->is_standby() || server.pool->node == entry.writer;
        if (!could_write) return;
        const cluster::NodeView* node = view.find(server.pool->node);
        if (node != nullptr && is_deposed(view, *node)) old.push_back(id);
    });
    for (ServerId id : old) {
        // The end of one may have been the end of another.
        if (Server* server = servers_.find(id)) {
            drop_server(*server, "its node is not the primary any more", CloseMode::Abort);
        }
    }
}

// At the observer. Version and primary tell which view the worker speaks of: what it says of an
// earlier primary counts for nothing.
void Core::writers_closed(ClusterEntry& entry, WorkerIndex worker, std::uint64_t version,
                          NodeId primary) {
    if (!entry.next_writer || primary != entry.next_writer) return;
    if (version < entry.next_writer_version) return;
    entry.workers_to_close &= ~(std::uint64_t{1} << worker);
    if (entry.workers_to_close != 0) return;
    for (WorkerIndex other = 0; other < parts_.workers; ++other) {
        if (other == parts_.worker) continue;
        auto changed = std::make_unique<WriterChanged>();
        changed->cluster = entry.key;
        changed->writer = primary;
        post(other, std::move(changed));
    }
    entry.next_writer = NodeId{};
    writer_changed(entry, primary);
}

void Core::writer_changed(ClusterEntry& entry, NodeId writer) {
    const bool is_another = entry.writer && entry.writer != writer;
    entry.writer = writer;
    if (!has_writer(entry)) return;
    if (is_another) {
        ++entry.counts.failovers;
        entry.counts.lost_lately = 0;
        count_lost_places(entry);
    }
    // Reads may have waited for it, too.
    for (ClientId id : std::exchange(entry.waiting, {})) view_waiter_goes_on(id);
    begin_line(entry);
}

// Sessions whose last known place is not part of the new primary's history: an asynchronous
// failover has lost commits that they were told of, or that they have read.
void Core::count_lost_places(ClusterEntry& entry) {
    std::uint64_t sessions = 0;
    cluster::Position furthest;
    clients_.for_each([&](ClientId, const Client& client) {
        if (client.tenant == nullptr || client.tenant->cluster != &entry) return;
        const cluster::Position place = client.freshness.acknowledged();
        if (!place.lsn || entry.view->history_of(place) != cluster::History::Lost) return;
        ++sessions;
        if (place.lsn > furthest.lsn) furthest = place;
    });
    if (sessions == 0) return;
    if (entry.observed != nullptr) return places_lost(entry, sessions, furthest);
    auto lost = std::make_unique<PlacesLost>();
    lost->cluster = entry.key;
    lost->sessions = sessions;
    lost->furthest = furthest;
    post(kObserver, std::move(lost));
}

// At the observer.
void Core::places_lost(ClusterEntry& entry, std::uint64_t sessions, cluster::Position furthest) {
    if (entry.observed == nullptr) return;
    entry.observed->note_lost_places(sessions, furthest, now_);
    entry.counts.lost_sessions += sessions;
    // Workers tell one after the other how far their sessions had been: the furthest counts.
    const std::uint64_t bytes = entry.view->bytes_past_fork(furthest);
    if (bytes > entry.counts.lost_lately) {
        entry.counts.lost_bytes += bytes - entry.counts.lost_lately;
        entry.counts.lost_lately = bytes;
    }
    clusters_deadline_ = now_;
}

// --- The line -----------------------------------------------------------------------------------

// Whether the unit may not go to the primary yet: what could write elsewhere is being closed, or
// others came first.
bool Core::must_stand_in_line(const Client& client, const route::Route& route) const {
    const ClusterEntry& entry = *client.tenant->cluster;
    if (route.node != entry.view->primary) return false;
    return !has_writer(entry) || (!entry.held.empty() && !client.is_next);
}

bool Core::hold_for_writer(Client& client) {
    const Tenant& tenant = *client.tenant;
    ClusterEntry& entry = *tenant.cluster;
    const Duration wait_max = settings_->cluster.failover_timeout();
    const Instant deadline = deadline_after(client.routed_at, wait_max);
    client.is_next = false;
    if (deadline <= now_) {
        refuse_late(client, "failover_timeout", wait_max);
        return false;
    }
    const std::uint64_t waiters_max = settings_->cluster.max_failover_waiters();
    if (entry.held.size() >= waiters_max) {
        refuse_routed(client, {.reason = wire::RefusalReason::FailoverLineFull,
                               .subject = tenant.database,
                               .limit = std::to_string(waiters_max)});
        return false;
    }
    client.is_waiting = client.is_held = true;
    client.waits_in = nullptr;
    if (client.session != nullptr) client.session->wait();
    entry.held.push_back(client.id);
    if (!deadline.is_never()) route_timers_.set(client.id.value, deadline);
    return false;
}

void Core::leave_held(Client& client) {
    client.is_held = false;
    if (client.tenant->cluster == nullptr) return;  // A reload took the other nodes away.
    std::deque<ClientId>& held = client.tenant->cluster->held;
    // Who has waited longest leaves first, as a rule.
    const auto found = std::find(held.begin(), held.end(), client.id);
    if (found != held.end()) held.erase(found);
}

// REQUIRES: has_writer().
void Core::begin_line(ClusterEntry& entry) {
    if (entry.held.empty() || entry.batch > 0) return;
    entry.batch = kBatchFirst;
    move_line(entry);
}

void Core::move_line(ClusterEntry& entry) {
    entry.batch_at = Instant::never();
    if (!has_writer(entry) || entry.held.empty()) {
        entry.batch = 0;
        return;
    }
    for (std::size_t n = std::min(entry.batch, entry.held.size()); n > 0; --n) {
        const ClientId id = entry.held.front();
        entry.held.pop_front();
        Client* client = clients_.find(id);
        client->is_next = true;
        view_waiter_goes_on(id);
    }
    entry.batch *= 2;
    entry.batch_at = now_ + kBatchPause;
    failover_deadline_ = std::min(failover_deadline_, entry.batch_at);
}

void Core::failover_timer() {
    failover_deadline_ = Instant::never();
    for (auto& [key, entry] : clusters_) {
        if (now_ >= entry->batch_at) move_line(*entry);
        failover_deadline_ = std::min(failover_deadline_, entry->batch_at);
        close_late(*entry);
        tell_primary_lost(*entry);
    }
}

// A standby's servers can write the moment it is promoted, if they are there.
void Core::warm_up(Tenant& tenant) {
    if (tenant.cluster == nullptr || tenant.cluster->view == nullptr) return;
    const bool is_kept = tenant.clients > 0 || tenant.config.user_is_fixed;
    if (!is_kept || settings_->cluster.warm_servers() == 0) return;
    for (const cluster::NodeView& node : tenant.cluster->view->nodes) {
        if (node.role != cluster::Role::Standby || node.trouble != cluster::Trouble::None) continue;
        PoolEntry& entry = pool_on(tenant, node);
        open_servers(entry);
        if (entry.timer.is_never()) arm(entry);
    }
}

// --- The operator's command ---------------------------------------------------------------------

// At the observer.
void Core::watch_primary(ClusterEntry& entry) {
    if (const cluster::NodeView* primary = entry.view->find(entry.view->primary)) {
        entry.last_primary = primary->address;
        entry.primary_lost_at = Instant::never();
    } else if (entry.primary_lost_at.is_never() && !entry.last_primary.host.empty()) {
        entry.primary_lost_at = now_;
        tell_primary_lost(entry);
    }
}

void Core::tell_primary_lost(ClusterEntry& entry) {
    const std::string& command = settings_->cluster.on_primary_lost();
    if (entry.primary_lost_at.is_never() || command.empty()) return;
    const Duration delay = settings_->cluster.on_primary_lost_delay();
    Instant due = entry.primary_lost_at + delay;
    if (entry.observed->switched_from()) {
        // It goes by order. Whether another one has come is asked again when that has ended.
        entry.primary_lost_at = now_;
        due = now_ + std::max(delay, kSwitchoverPause);
    }
    if (due > now_) {
        failover_deadline_ = std::min(failover_deadline_, due);
        return;
    }
    std::vector<const cluster::NodeView*> standbys;
    for (const cluster::NodeView& node : entry.view->nodes) {
        const bool is_there = node.role == cluster::Role::Standby &&
                              node.trouble != cluster::Trouble::Unreachable &&
                              !is_fenced(node.trouble);
        if (is_there) standbys.push_back(&node);
    }
    std::stable_sort(standbys.begin(), standbys.end(),
                     [](const auto* a, const auto* b) { return a->lsn > b->lsn; });
    std::string names;
    for (const cluster::NodeView* node : standbys) {
        names += (names.empty() ? "" : " ") + text(node->address);
    }
    const std::string lost = text(std::exchange(entry.last_primary, {}));
    entry.primary_lost_at = Instant::never();
    log(LogLevel::Warning, lost + " is lost: command \"" + command + "\" runs");
    effects_->push(RunCommand{command,
                              {{"PGWEIR_DATABASES", databases_of(entry)},
                               {"PGWEIR_PRIMARY", lost},
                               {"PGWEIR_STANDBYS", names}}});
}

// --- Drained nodes ------------------------------------------------------------------------------

// Idle servers go at once, the others when they are free (must_close), or late.
void Core::empty_nodes(ClusterEntry& entry) {
    std::erase_if(entry.emptied, [&entry](const ClusterEntry::Emptied& emptied) {
        const cluster::NodeView* node = entry.view->find(emptied.node);
        return node == nullptr || !must_be_empty(*node);
    });
    for (const cluster::NodeView& node : entry.view->nodes) {
        const bool is_new =
            must_be_empty(node) && std::none_of(entry.emptied.begin(), entry.emptied.end(),
                                                [&node](const ClusterEntry::Emptied& emptied) {
                                                    return emptied.node == node.id;
                                                });
        if (!is_new) continue;
        entry.emptied.push_back({node.id, now_});
        for (auto& [key, pool] : pools_) {
            if (pool->tenant.cluster != &entry || pool->node != node.id) continue;
            while (const ServerId id = pool->pool.take_idle()) {
                close_server(*servers_.find(id), "its node is drained or shuts down");
            }
        }
    }
    close_late(entry);
}

void Core::close_late(ClusterEntry& entry) {
    const Duration limit = settings_->cluster.drain_timeout();
    for (const ClusterEntry::Emptied& emptied : entry.emptied) {
        const Instant deadline = deadline_after(emptied.since, limit);
        if (deadline > now_) {
            failover_deadline_ = std::min(failover_deadline_, deadline);
            continue;
        }
        std::vector<ServerId> late;
        servers_.for_each([&](ServerId id, const Server& server) {
            const bool concerns =
                server.pool->tenant.cluster == &entry && server.pool->node == emptied.node;
            const bool is_busy =
                server.phase == Server::Phase::Leased || server.phase == Server::Phase::Cleaning;
            if (concerns && is_busy) late.push_back(id);
        });
        for (ServerId id : late) {
            if (Server* server = servers_.find(id)) {
                drop_server(*server, "drain_timeout", CloseMode::Abort);
            }
        }
    }
}

}  // namespace pgweir::proxy
