// SPDX-License-Identifier: PostgreSQL
// Where a client's unit runs, if its database has several nodes, and the reads that run again
// elsewhere. What a unit is, session says; which node may serve it, route says.
#include <algorithm>
#include <utility>

#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

// A weight for the newest of the times that make a node's latency; a longer one counts at once.
constexpr double kLatencyShare = 0.1;
// What is left of it after a while.
constexpr Duration kLatencyPeriod = Duration::milliseconds(100);
constexpr double kLatencyKept = 0.9;
// Reads that run again are paid from a budget: a share of all reads, and so many each second.
constexpr Duration kRetryPeriod = Duration::seconds(1);
constexpr std::uint64_t kRetriesAlways = 10;
// Between complaints about hints.
constexpr Duration kHintPause = Duration::seconds(1);
// Reads that the primary serves in a row before one waits to move to a standby. It waits for so
// many looks at the primary (one may be under way that began too early), within these bounds.
constexpr std::uint8_t kFallbacksInRow = 3;
constexpr std::int64_t kMoveLooks = 3;
constexpr Duration kMoveWaitMin = Duration::milliseconds(5);
constexpr Duration kMoveWaitMax = Duration::milliseconds(100);
// How long a token waits for its sample.
constexpr Duration kSampleWait = Duration::seconds(1);

// On a busy machine looks take long, and a session whose wait is shorter never gets away from the
// primary.
Duration move_wait(const cluster::ClusterView& view) {
    const cluster::NodeView* primary = view.find(view.primary);
    const Duration usual = primary != nullptr ? primary->round_trip : Duration{};
    return std::clamp(usual * kMoveLooks, kMoveWaitMin, kMoveWaitMax);
}

}  // namespace

// --- Which node ---------------------------------------------------------------------------------

route::Request Core::request_of(const Client& client) const {
    const config::EffectivePool& config = client.tenant->config;
    route::Request request{
        .arrived_at = client.routed_at, .avoid = client.avoid, .avoid_since = client.avoid_since};
    const bool is_alias = config.route == config::DatabaseRoute::Replica;
    if (client.session == nullptr || !client.session->is_split()) {
        request.is_read = is_alias;
        request.hint = is_alias ? sql::RouteHint::Replica : sql::RouteHint::None;
        request.consistency = sql::Consistency::Eventual;
        return request;
    }
    const session::UnitRoute& unit = client.session->route();
    request.is_read = unit.is_read && config.split == config::Split::On;
    request.hint = is_alias ? sql::RouteHint::Replica : unit.hint;
    request.consistency = unit.consistency;
    return request;
}

bool Core::acquire_routed(Client& client) {
    Tenant& tenant = *client.tenant;
    ClusterEntry& cluster = *tenant.cluster;
    if (client.routed_at == Instant{}) {
        client.routed_at = now_;
        if (client.session != nullptr && client.session->is_split()) {
            if (tenant.rules.split.catalog == nullptr || tenant.catalog->try_at <= now_) {
                want_catalog(tenant);
            }
            if (client.session->route().hint_is_wrong && now_ >= hint_logged_at_ + kHintPause) {
                hint_logged_at_ = now_;
                log(LogLevel::Warning, "client " + client.host + ":" + std::to_string(client.port) +
                                           ": a pgweir hint is unknown or contradicts another one, "
                                           "and is ignored");
            }
        }
    }
    if (cluster.view == nullptr) {
        return wait_for_node(client, route::Reason::NoPrimary, NodeId{});
    }
    route::Request request = request_of(client);
    if (client.session == nullptr && !cluster.view->primary &&
        tenant.config.pool_mode != config::PoolMode::Session) {
        // Any node can answer a login if there is no primary; a session that keeps its server
        // can't.
        request.is_read = true;
    }
    route::RouteRules rules = tenant.route_rules;
    if (client.has_waited_enough) rules.replica_wait = Duration{};
    if (request.is_read && cluster.retries_left == 0 && !spends_retry(cluster)) {
        request.hint = sql::RouteHint::Primary;
    }
    if (request.is_read) {
        ++cluster.reads_lately;
        client.reads = true;
        forget_latencies(cluster);
    }
    const route::Route route = route::decide(request, *cluster.view, client.freshness,
                                             cluster.loads, rules, now_, random_);
    return follow(client, route, request.is_read);
}

bool Core::follow(Client& client, const route::Route& route, bool is_read) {
    Tenant& tenant = *client.tenant;
    ClusterEntry& cluster = *tenant.cluster;
    if (route.sample) want_look(cluster, route.sample);
    NodeId node = route.node;
    switch (route.verdict) {
        case route::Route::Verdict::Node:
            if (must_stand_in_line(client, route)) return hold_for_writer(client);
            if (should_wait_to_move(client, route)) {
                return wait_for_node(client, route.reason, route.node);
            }
            break;
        case route::Route::Verdict::Wait:
            if (route.reason == route::Reason::NoPrimary && !is_read) {
                return hold_for_writer(client);
            }
            if (!client.has_waited_enough || !route.otherwise)
                return wait_for_node(client, route.reason, route.otherwise);
            node = route.otherwise;
            break;
        case route::Route::Verdict::Fail: {
            const bool is_lost = route.reason == route::Reason::LostHistory;
            if (is_lost) client.freshness.reset();
            refuse_routed(client, {.reason = is_lost ? wire::RefusalReason::HistoryLost
                                                     : wire::RefusalReason::UnknownDatabase,
                                   .subject = tenant.database});
            return false;
        }
    }
    client.is_next = false;
    client.leases_for_read = node != cluster.view->primary;
    return acquire_from(client, pool_on(tenant, *cluster.view->find(node)));
}

// The primary serves a read whose place is not known yet; that moves the place on. A session that
// reads without a pause would stay there for ever: now and then its read waits for the look that is
// on its way.
bool Core::should_wait_to_move(Client& client, const route::Route& route) {
    const bool is_fallback =
        client.session != nullptr && client.session->route().is_read &&
        route.node == client.tenant->cluster->view->primary &&
        (route.reason == route::Reason::NoSample || route.reason == route::Reason::NotFresh);
    client.waits_to_move = false;
    if (!is_fallback || client.has_waited_enough) {
        client.fallbacks = 0;
        return false;
    }
    if (client.fallbacks < kFallbacksInRow) {
        ++client.fallbacks;
        return false;
    }
    client.waits_to_move = true;
    return true;
}

// Until the nodes are seen in another light; not for ever.
bool Core::wait_for_node(Client& client, route::Reason reason, NodeId otherwise) {
    const Tenant& tenant = *client.tenant;
    const bool lacks_primary = reason == route::Reason::NoPrimary;
    const Duration wait_max =
        lacks_primary ? settings_->cluster.failover_timeout() : tenant.config.query_wait_timeout;
    Instant deadline = deadline_after(client.routed_at, wait_max);
    if (otherwise) {
        Duration patience =
            reason == route::Reason::NoSample ? kSampleWait : tenant.config.replica_wait;
        if (client.waits_to_move) {
            patience = std::max(tenant.config.replica_wait, move_wait(*tenant.cluster->view));
        }
        deadline = std::min(deadline, client.routed_at + patience);
    }
    if (deadline <= now_ && otherwise) {
        client.has_waited_enough = true;
        return acquire_routed(client);
    }
    if (deadline <= now_) {
        refuse_late(client, lacks_primary ? "failover_timeout" : "query_wait_timeout", wait_max);
        return false;
    }
    client.is_waiting = true;
    client.waits_in = nullptr;
    if (client.session != nullptr) client.session->wait();
    wait_for_view(*tenant.cluster, client.id);
    if (!deadline.is_never()) route_timers_.set(client.id.value, deadline);
    return false;
}

std::string Core::why_no_node(const Tenant& tenant) const {
    if (tenant.cluster->view == nullptr) return "no node has been seen yet";
    std::string why;
    for (const cluster::NodeView& node : tenant.cluster->view->nodes) {
        if (!why.empty()) why += "; ";
        why += node.address.host + ":" + std::to_string(node.address.port) + ": ";
        why += node.trouble == cluster::Trouble::None && node.role == cluster::Role::Standby
                   ? std::string_view("a standby")
                   : words(node.trouble);
        if (!node.detail.empty()) why += " (" + node.detail + ")";
    }
    return why;
}

void Core::refuse_late(Client& client, std::string option, Duration waited) {
    const Tenant& tenant = *client.tenant;
    refuse_routed(client, {.reason = wire::RefusalReason::NoNode,
                           .subject = tenant.database,
                           .option = std::move(option),
                           .limit = text(waited),
                           .detail = why_no_node(tenant)});
}

// At the end of the event: the unit may stand in the bytes that are being handed on just now.
void Core::refuse_routed(Client& client, wire::Refusal refusal) {
    if (client.session == nullptr) return refuse(client, std::move(refusal));
    client.is_waiting = true;
    client.waits_in = nullptr;
    client.session->wait();
    to_refuse_.emplace_back(client.id, std::move(refusal));
}

// The node of a server may have changed its role since its pool was chosen. And a server that
// logged in after the last look at its node may be one of a standby that has restarted, and is
// further behind than was seen.
bool Core::may_serve(const Client& client, const Server& server) {
    ClusterEntry* cluster = client.tenant->cluster;
    if (cluster == nullptr || cluster->view == nullptr || cluster->view->is_blind) return true;
    const cluster::NodeView* node = cluster->view->find(server.pool->node);
    if (!client.leases_for_read) {
        if (!server.session->is_standby()) return true;
        // A promotion is told with the next answer only; a look has seen it since.
        if (node != nullptr && node->role == cluster::Role::Primary &&
            node->evidence_at > server.used_at && node->incarnation_since <= server.logged_in_at) {
            return true;
        }
        suspect(*server.pool, cluster::Suspicion::RoleReport);
        return false;
    }
    if (client.session == nullptr || !client.session->is_split() ||
        client.session->route().consistency == sql::Consistency::Eventual) {
        return true;
    }
    if (node == nullptr || node->evidence_at >= server.logged_in_at) return node != nullptr;
    want_look(*cluster, node->id);
    return false;
}

// The server that the client was given does not serve it: both are free again.
void Core::decline(Client& client, Server& server) {
    PoolEntry& entry = *server.pool;
    end_load(client);
    if (client.leases_for_read) {
        server.phase = Server::Phase::Idle;
        // Those who wait there want the same, and find the same: they follow the view, too.
        entry.pool.lost_leased();
        entry.pool.add_idle(server.id, now_);
        if (client.avoid) {
            // Nothing else can: until the node has been looked at.
            wait_for_node(client, route::Reason::NoSample, NodeId{});
            return;
        }
        client.avoid = entry.node;
        client.avoid_since = now_;
        return to_pump_.push_back(client.id);
    }
    entry.pool.lost_leased();
    close_server(server, "its node is not the primary any more");
    hold_for_writer(client);
}

void Core::begin_routed_lease(Client& client, Server& server) {
    ClusterEntry& cluster = *client.tenant->cluster;
    const std::size_t place = place_of(cluster, server.pool->node);
    if (place == cluster.stats.size()) return;
    // PostgreSQL before version 14 does not report its role.
    if (cluster.view->nodes[place].role == cluster::Role::Standby) server.session->note_standby();
    client.load_since = now_;  // Waiting in line says nothing about the node.
    NodeStats& stats = cluster.stats[place];
    ++(client.leases_for_read ? stats.reads : stats.writes);
}

// What the unit has seen or written must be seen from now on.
void Core::end_routed_lease(Client& client, Server& server) {
    end_load(client);
    client.routed_at = Instant{};
    client.avoid = NodeId{};
    client.has_waited_enough = false;
    if (client.session == nullptr || !client.session->is_split()) return;
    ClusterEntry& cluster = *client.tenant->cluster;
    if (client.session->take_schema_change()) schema_changed(client.tenant->database);
    if (client.tenant->config.split != config::Split::On) return;
    const bool is_eventual_read =
        client.leases_for_read && client.session->route().consistency == sql::Consistency::Eventual;
    if (is_eventual_read) return;
    client.freshness.unit_ended(server.pool->node, now_);
    // The next read can move to a standby as soon as the place is known.
    const bool may_move = client.session->route().consistency == sql::Consistency::Session &&
                          !client.session->is_bound_to_primary();
    // Who has never read outside of a transaction is not waited for.
    if (!client.leases_for_read && may_move && client.reads) want_look(cluster, server.pool->node);
}

PoolEntry* Core::primary_pool(Tenant& tenant) {
    const cluster::ClusterViewRef& view = tenant.cluster->view;
    if (view == nullptr) return nullptr;
    if (view->primary) return &pool_on(tenant, *view->find(view->primary));
    for (const cluster::NodeView& node : view->nodes) {
        if (node.trouble == cluster::Trouble::None) return &pool_on(tenant, node);
    }
    return nullptr;
}

// --- Loads --------------------------------------------------------------------------------------

void Core::begin_load(Client& client, NodeId node) {
    end_load(client);
    ClusterEntry& cluster = *client.tenant->cluster;
    if (cluster.view == nullptr) return;
    const std::size_t place = place_of(cluster, node);
    if (place == cluster.loads.size()) return;
    ++cluster.loads[place].outstanding;
    client.load_node = node;
    client.load_since = now_;
}

void Core::end_load(Client& client) {
    if (!client.load_node) return;
    const NodeId node = std::exchange(client.load_node, NodeId{});
    if (client.tenant->cluster == nullptr) return;  // A reload took the other nodes away.
    ClusterEntry& cluster = *client.tenant->cluster;
    const std::size_t place = place_of(cluster, node);
    if (place == cluster.loads.size()) return;
    route::NodeLoad& load = cluster.loads[place];
    if (load.outstanding > 0) --load.outstanding;
    if (!client.leases_for_read || !client.server) return;
    const auto took = static_cast<double>((now_ - client.load_since).us);
    // A bad moment counts at once, and is forgotten little by little.
    load.latency_us = std::max(took, load.latency_us + (took - load.latency_us) * kLatencyShare);
}

// Only time clears the name of a node that nobody chooses any more.
void Core::forget_latencies(ClusterEntry& cluster) {
    while (now_ - cluster.latencies_at >= kLatencyPeriod) {
        if (now_ - cluster.latencies_at >= kLatencyPeriod * 64) cluster.latencies_at = now_;
        for (route::NodeLoad& load : cluster.loads) load.latency_us *= kLatencyKept;
        cluster.latencies_at = std::min(cluster.latencies_at + kLatencyPeriod, now_);
    }
}

// --- Again elsewhere ----------------------------------------------------------------------------

void Core::unit_refused(Server& server, Client& client, const session::ServerNews& news) {
    const std::string& sqlstate = news.refusal_sqlstate;
    client.session->take_back(*server.session, session::Replay::From::Front);
    if (sqlstate == "25006" || sqlstate == "0A000" || sqlstate == "55000") {
        client.session->learn_write();
    }
    note_retry(client, server);
    client.server = ServerId{};
    server.client = ClientId{};
    end_load(client);
    pause_server(server, false);
    server.phase = Server::Phase::Cleaning;
    server.clean_step = Server::CleanStep::Drain;
    server_timers_.set(server.id.value, now_ + settings_->timeouts.server_clean_timeout());
    to_pump_.push_back(client.id);
    clean(server);
}

void Core::note_retry(Client& client, const Server& server) {
    ClusterEntry* cluster = client.tenant->cluster;
    client.routed_at = Instant{};
    if (cluster == nullptr || cluster->view == nullptr) return;
    client.avoid = server.pool->node;
    client.avoid_since = now_;
    if (cluster->retries_left > 0) --cluster->retries_left;
    const std::size_t place = place_of(*cluster, server.pool->node);
    if (place < cluster->stats.size()) ++cluster->stats[place].retries;
}

// False while too many reads run twice: then the primary serves them, and nothing is wasted on
// standbys that refuse.
bool Core::spends_retry(ClusterEntry& cluster) {
    if (now_ - cluster.retries_renewed < kRetryPeriod) return cluster.retries_left > 0;
    const std::uint64_t share = settings_->routing.retry_budget();
    cluster.retries_left = kRetriesAlways + cluster.reads_lately * share / 100;
    cluster.reads_lately = 0;
    cluster.retries_renewed = now_;
    return cluster.retries_left > 0;
}

}  // namespace pgweir::proxy
