// SPDX-License-Identifier: PostgreSQL
// The nodes of a database: looks at them, views of them, and who waits for another view. The first
// worker observes all clusters and tells the others what it saw.
#include <algorithm>
#include <utility>

#include "proxy/core.h"

namespace pgweir::proxy {

namespace {

// What SHOW EVENTS shows of each cluster.
constexpr std::size_t kEventsKept = 200;

cluster::ClusterRules rules_of(const config::Settings& settings, const MonitorLogin& login) {
    return {.max_replica_lag = settings.routing.max_replica_lag(),
            .max_replica_lag_bytes = settings.routing.max_replica_lag_bytes().bytes,
            .probe_interval = settings.cluster.probe_interval(),
            .probe_interval_suspicious = settings.cluster.probe_interval_suspicious(),
            .probe_timeout = settings.cluster.probe_timeout(),
            .evidence_age_max = settings.cluster.evidence_age_max(),
            .switchover_timeout = settings.cluster.switchover_timeout(),
            .is_blind = login.user.empty()};
}

Instant newest_sample(const cluster::NodeView& node) {
    return node.samples.empty() ? Instant{} : node.samples.back().started_at;
}

}  // namespace

// --- Which cluster ------------------------------------------------------------------------------

std::string Core::cluster_key(const std::vector<NodeAddress>& nodes) {
    std::vector<std::string> names;
    for (const NodeAddress& node : nodes)
        names.push_back(node.host + ":" + std::to_string(node.port));
    // The order in which they are configured says nothing.
    std::sort(names.begin(), names.end());
    std::string key;
    for (const std::string& name : names) key += name + ",";
    return key;
}

bool Core::is_split(const config::EffectivePool& config) {
    return config.split != config::Split::Off && config.pool_mode != config::PoolMode::Session &&
           config.route != config::DatabaseRoute::Primary;
}

// REQUIRES: the settings outlive them (a view of the zone).
route::RouteRules Core::route_rules_of(const config::EffectivePool& config) const {
    route::RouteRules rules{.slow_start = settings_->routing.slow_start(),
                            .evidence_age_max = settings_->cluster.evidence_age_max(),
                            .zone = settings_->routing.zone(),
                            .replica_wait = config.replica_wait};
    switch (config.reads_on_primary) {
        case config::ReadsOnPrimary::Never:
            rules.primary_reads = route::PrimaryReads::Never;
            break;
        case config::ReadsOnPrimary::Fallback:
            rules.primary_reads = route::PrimaryReads::Fallback;
            break;
        case config::ReadsOnPrimary::Share:
            rules.primary_reads = route::PrimaryReads::Share;
            break;
    }
    return rules;
}

void Core::configure_cluster(Tenant& tenant) {
    tenant.node_pools.clear();
    tenant.cluster = nullptr;
    const config::EffectivePool& config = tenant.config;
    if (config.nodes.size() < 2) return;
    tenant.cluster = &cluster_of(tenant.database, config);
    tenant.route_rules = route_rules_of(config);
    if (!is_split(config)) return;
    auto& catalog = catalogs_[tenant.database];
    if (catalog == nullptr) catalog = std::make_unique<CatalogEntry>();
    tenant.catalog = catalog.get();
    tenant.rules.split = {.judge = &judge_,
                          .catalog = catalog->catalog,
                          .consistency = static_cast<sql::Consistency>(config.consistency),
                          .all_to_standbys = config.route == config::DatabaseRoute::Replica,
                          .defers_begin = config.pool_mode == config::PoolMode::Transaction &&
                                          config.route == config::DatabaseRoute::Auto &&
                                          config.split == config::Split::On};
}

ClusterEntry& Core::cluster_of(const std::string& database, const config::EffectivePool& config) {
    const std::string key = cluster_key(config.nodes);
    auto& entry = clusters_[key];
    if (entry == nullptr) {
        entry = std::make_unique<ClusterEntry>();
        entry->key = key;
        // The observer starts with the settings; a worker that comes later is told the view with
        // the next change, or at once if it asks.
        if (parts_.worker == kObserver) {
            observe(*entry, database, config.nodes);
        } else if (effects_ != nullptr) {
            auto wanted = std::make_unique<LookWanted>();
            wanted->cluster = key;
            post(kObserver, std::move(wanted));
        }
    }
    return *entry;
}

// REQUIRES: this worker observes.
void Core::observe(ClusterEntry& entry, const std::string& database,
                   const std::vector<NodeAddress>& nodes) {
    auto login = std::make_shared<MonitorLogin>(settings_->monitor_login(database));
    std::vector<cluster::NodeConfig> configs;
    for (const NodeAddress& address : nodes) {
        const config::NodeSettings* own = settings_->find_node(address);
        // A node that is known already keeps its id.
        NodeId id;
        if (entry.view != nullptr) {
            for (const cluster::NodeView& known : entry.view->nodes) {
                if (known.address == address) id = known.id;
            }
        }
        if (!id) id = NodeId{++last_node_};
        configs.push_back({.id = id,
                           .address = address,
                           .zone = own != nullptr ? own->zone() : std::string(),
                           .weight = own != nullptr ? own->weight() : 1});
    }
    const cluster::ClusterRules rules = rules_of(*settings_, *login);
    if (entry.observed == nullptr) {
        entry.observed =
            std::make_unique<cluster::Cluster>(std::move(configs), rules, random_.next(), now_);
    } else {
        entry.observed->configure(std::move(configs), rules, now_);
    }
    entry.login = std::move(login);
    // The looks themselves are ordered by the next event.
    clusters_deadline_ = now_;
}

// After a reload: databases may have other nodes, or be observed otherwise.
void Core::configure_clusters() {
    std::map<std::string, std::unique_ptr<ClusterEntry>> before = std::exchange(clusters_, {});
    for (const auto& [name, database] : settings_->databases()) {
        const config::EffectivePool config = settings_->pool_for(name, {});
        if (config.nodes.size() < 2) continue;
        auto known = before.find(cluster_key(config.nodes));
        if (known == before.end()) {
            cluster_of(name, config);
            continue;
        }
        ClusterEntry& entry = *known->second;
        clusters_.insert(before.extract(known));
        if (entry.observed != nullptr) observe(entry, name, config.nodes);
    }
    for (auto& [key, gone] : before) {
        if (gone->observed == nullptr || gone->view == nullptr) continue;
        for (const cluster::NodeView& node : gone->view->nodes) effects_->push(ForgetNode{node.id});
    }
    gone_clusters_ = std::move(before);
}

// Nobody refers to them any more; who waited for them goes on.
void Core::forget_gone_clusters() {
    for (auto& [key, gone] : std::exchange(gone_clusters_, {})) {
        for (ClientId id : gone->waiting) view_waiter_goes_on(id);
        for (ClientId id : gone->held) view_waiter_goes_on(id);
    }
}

std::size_t Core::place_of(const ClusterEntry& entry, NodeId node) const {
    if (entry.view == nullptr) return 0;  // As are its tables: empty.
    std::size_t place = 0;
    while (place < entry.view->nodes.size() && entry.view->nodes[place].id != node) ++place;
    return place;
}

// --- Looks --------------------------------------------------------------------------------------

void Core::node_observed(NodeObserved& event) {
    for (auto& [key, entry] : clusters_) {
        if (entry->observed == nullptr || entry->view == nullptr) continue;
        if (entry->view->find(event.node) == nullptr) continue;
        entry->observed->observe(event.node, event.seen, now_);
        return look(*entry);
    }
}

// Orders the looks that are due, and tells everybody what has changed.
void Core::look(ClusterEntry& entry) {
    std::vector<cluster::ProbeOrder> orders;
    entry.observed->due(now_, orders);
    const cluster::ClusterViewRef view = entry.observed->view(now_);
    for (const cluster::ProbeOrder& order : orders) {
        const cluster::NodeView* node = view->find(order.node);
        effects_->push(LookAtNode{order.node, node->address, order.over == cluster::ProbeOver::New,
                                  order.timeout, entry.login});
    }
    for (cluster::ClusterEvent& event : entry.observed->take_events()) {
        log(event.is_alarm ? LogLevel::Error : LogLevel::Warning, event.text);
        ++(event.is_alarm ? entry.counts.alarms : entry.counts.changes);
        if (entry.events.size() == kEventsKept) entry.events.pop_front();
        entry.events.push_back(std::move(event));
    }
    clusters_deadline_ = std::min(clusters_deadline_, entry.observed->next_deadline());
    if (view == entry.view) return;
    let_nodes_stop(entry, *view);
    // Not where observing begins: settings are taken before there is a log.
    if (view->is_blind && (entry.view == nullptr || !entry.view->is_blind)) {
        log(LogLevel::Warning, "nodes of database " + databases_of(entry) +
                                   " can't be observed: there is no monitor_user; the first one "
                                   "is used for everything");
    }
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker == parts_.worker) continue;
        auto changed = std::make_unique<ViewChanged>();
        changed->cluster = entry.key;
        changed->view = view;
        post(worker, std::move(changed));
    }
    take_view(entry, view);
}

// A node that waits for its sessions to end waits for ours, too. The orders of this event came
// before: they go over new connections from now on.
void Core::let_nodes_stop(const ClusterEntry& entry, const cluster::ClusterView& view) {
    for (const cluster::NodeView& node : view.nodes) {
        const cluster::NodeView* was = entry.view != nullptr ? entry.view->find(node.id) : nullptr;
        const bool was_stopping = was != nullptr && was->is_stopping;
        if (node.is_stopping && !was_stopping) effects_->push(ForgetNode{node.id});
    }
}

void Core::clusters_timer() {
    if (now_ < clusters_deadline_) return;
    clusters_deadline_ = Instant::never();
    for (auto& [key, entry] : clusters_) {
        if (entry->observed != nullptr) look(*entry);
    }
}

// --- Views --------------------------------------------------------------------------------------

void Core::take_view(ClusterEntry& entry, cluster::ClusterViewRef view) {
    const cluster::ClusterViewRef before = std::exchange(entry.view, std::move(view));
    const auto& nodes = entry.view->nodes;
    std::vector<route::NodeLoad> loads(nodes.size());
    std::vector<NodeStats> stats(nodes.size());
    for (std::size_t i = 0; before != nullptr && i < before->nodes.size(); ++i) {
        const std::size_t place = place_of(entry, before->nodes[i].id);
        if (place == nodes.size()) continue;
        loads[place] = entry.loads[i];
        stats[place] = entry.stats[i];
    }
    entry.loads = std::move(loads);
    entry.stats = std::move(stats);
    ask_looks_again(entry);
    for (ClientId id : std::exchange(entry.waiting, {})) view_waiter_goes_on(id);
    for (auto& [key, pool] : pools_) {
        if (pool->tenant.cluster == &entry) take_node(entry, *pool, before.get());
    }
    empty_nodes(entry);
    follow_primary(entry, before.get());
}

// What the node's standing means for new servers of its pools.
void Core::take_standing(PoolEntry& pool, const cluster::NodeView& node) {
    pool.is_shut = node.is_drained || node.is_stopping || is_fenced(node.trouble);
    pool.is_warm = node.role == cluster::Role::Standby && node.trouble == cluster::Trouble::None;
}

void Core::take_node(ClusterEntry& entry, PoolEntry& pool, const cluster::ClusterView* before) {
    const cluster::NodeView* node = entry.view->find(pool.node);
    const cluster::NodeView* was = before != nullptr ? before->find(pool.node) : nullptr;
    if (node != nullptr) take_standing(pool, *node);
    if (node != nullptr && node->failures > 1) take_back_reads(entry, pool.node);
    if (pool.pool.waiting() == 0) return;
    // Who waits for a server of a node that has come into trouble finds another one.
    const bool has_changed = node == nullptr || was == nullptr || node->trouble != was->trouble ||
                             node->role != was->role;
    if (has_changed) reroute_waiters(pool);
    // Servers that nobody took, as they were younger than the last look (see decline).
    while (const auto granted = pool.pool.grant_idle()) grant(*granted);
}

void Core::wait_for_view(ClusterEntry& entry, ClientId id) {
    entry.waiting.push_back(id);
}

void Core::stop_waiting_for_view(ClientId id) {
    for (auto& [key, entry] : clusters_) std::erase(entry->waiting, id);
}

void Core::view_waiter_goes_on(ClientId id) {
    if (Errand* errand = find_errand(id)) {
        auto* lookup = dynamic_cast<UserLookup*>(errand);
        if (lookup == nullptr) return;
        const config::EffectivePool config =
            settings_->pool_for(lookup->database(), lookup->user());
        const std::string& database =
            config.auth_database.empty() ? lookup->database() : config.auth_database;
        Tenant& tenant = tenant_of(database, config.auth_user);
        if (!run_errand(*errand, tenant) && tenant.cluster != nullptr) {
            wait_for_view(*tenant.cluster, id);
        }
        return;
    }
    Client* client = clients_.find(id);
    if (client == nullptr || !client->is_waiting || client->waits_in != nullptr) return;
    client->is_waiting = client->is_held = false;
    route_timers_.clear(id.value);
    if (client->phase == Client::Phase::Greeting) return begin_greeting(*client);
    to_pump_.push_back(id);
}

void Core::reroute_waiters(PoolEntry& entry) {
    std::vector<ClientId> waiting;
    entry.pool.line().for_each(
        [&](const pool::Waiter& waiter) { waiting.push_back(waiter.client); });
    for (ClientId id : waiting) {
        if (Errand* errand = find_errand(id)) {
            entry.pool.leave(errand->ticket);
            errand->waits_in = nullptr;
            if (!run_errand(*errand, entry.tenant)) wait_for_view(*entry.tenant.cluster, id);
            continue;
        }
        Client& client = *clients_.find(id);
        leave_line(client);
        if (client.phase == Client::Phase::Greeting) {
            begin_greeting(client);
        } else {
            to_pump_.push_back(id);
        }
    }
}

void Core::avoid(PoolEntry& entry) {
    entry.pool.line().for_each([&](const pool::Waiter& waiter) {
        if (Client* client = clients_.find(waiter.client)) {
            client->avoid = entry.node;
            client->avoid_since = now_;
        }
    });
    reroute_waiters(entry);
}

// A worker wants a look at a node, or (null) to be told the view.
void Core::look_wanted(const LookWanted& wanted, WorkerIndex from) {
    auto found = clusters_.find(wanted.cluster);
    if (found == clusters_.end() || found->second->observed == nullptr) return;
    ClusterEntry& entry = *found->second;
    if (wanted.node) {
        entry.observed->want_sample(wanted.node, now_);
        clusters_deadline_ = std::min(clusters_deadline_, entry.observed->next_deadline());
    } else if (entry.view != nullptr) {
        auto changed = std::make_unique<ViewChanged>();
        changed->cluster = entry.key;
        changed->view = entry.view;
        post(from, std::move(changed));
        auto writer = std::make_unique<WriterChanged>();
        writer->cluster = entry.key;
        writer->writer = entry.writer;
        post(from, std::move(writer));
    }
}

// --- Wishes and signs ---------------------------------------------------------------------------

// Somebody needs a look at the node that starts now or later. At most one request is under way for
// each node, however many need one.
void Core::want_look(ClusterEntry& entry, NodeId node) {
    auto found = std::find_if(entry.wanted.begin(), entry.wanted.end(),
                              [node](const ClusterEntry::Wanted& w) { return w.node == node; });
    if (found != entry.wanted.end()) {
        found->since = now_;
        return;
    }
    const cluster::NodeView* known = entry.view != nullptr ? entry.view->find(node) : nullptr;
    if (known == nullptr) return;
    entry.wanted.push_back({node, now_, newest_sample(*known)});
    if (entry.observed != nullptr) {
        entry.observed->want_sample(node, now_);
        // Ordered at the end of this event, with whatever else is due.
        clusters_deadline_ = std::min(clusters_deadline_, entry.observed->next_deadline());
        return;
    }
    auto wanted = std::make_unique<LookWanted>();
    wanted->cluster = entry.key;
    wanted->node = node;
    post(kObserver, std::move(wanted));
}

// A look has come that started too early for somebody: another one is asked for.
void Core::ask_looks_again(ClusterEntry& entry) {
    std::vector<NodeId> again;
    std::erase_if(entry.wanted, [&](const ClusterEntry::Wanted& wanted) {
        const cluster::NodeView* node = entry.view->find(wanted.node);
        if (node == nullptr || node->trouble == cluster::Trouble::Unreachable) return true;
        const Instant newest = newest_sample(*node);
        if (newest >= wanted.since) return true;
        if (newest <= wanted.last_seen) return false;  // Not this one's look.
        again.push_back(wanted.node);
        return true;
    });
    for (NodeId node : again) want_look(entry, node);
}

void Core::suspect(const PoolEntry& entry, cluster::Suspicion why) {
    if (entry.tenant.cluster != nullptr && entry.node)
        suspect(*entry.tenant.cluster, entry.node, why);
}

void Core::suspect(ClusterEntry& entry, NodeId node, cluster::Suspicion why) {
    if (entry.observed != nullptr) {
        entry.observed->suspect(node, why, now_);
        clusters_deadline_ = std::min(clusters_deadline_, entry.observed->next_deadline());
        return;
    }
    auto suspected = std::make_unique<NodeSuspected>();
    suspected->cluster = entry.key;
    suspected->node = node;
    suspected->why = why;
    post(kObserver, std::move(suspected));
}

}  // namespace pgweir::proxy
