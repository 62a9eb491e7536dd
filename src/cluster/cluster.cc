// SPDX-License-Identifier: PostgreSQL
#include "pgweir/cluster/cluster.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "cluster/events.h"
#include "cluster/health.h"
#include "cluster/lag.h"
#include "cluster/node_state.h"
#include "cluster/primacy.h"
#include "cluster/probe_schedule.h"
#include "pgweir/base/assert.h"

namespace pgweir::cluster {

namespace {

// A look is late above this part of what is usual, if it took at least so long.
constexpr std::int64_t kLateFactor = 3;
constexpr Duration kLateMin = Duration::milliseconds(10);

std::string_view words(Suspicion why) {
    switch (why) {
        case Suspicion::ConnectionLost:
            return "a connection was lost";
        case Suspicion::ConnectRefused:
            return "a connection was refused";
        case Suspicion::ReadOnlyRefusal:
            return "it refused to write";
        case Suspicion::RoleReport:
            return "a server told another role";
        case Suspicion::LateProbe:
            return "a look took long";
        case Suspicion::Hint:
            return "a hint";
    }
    return "";
}

}  // namespace

struct Cluster::Impl {
    Impl(const ClusterRules& given, std::uint64_t seed)
        : rules(given), schedule(given, seed), history(given.max_replica_lag) {}

    void configure(std::vector<NodeConfig> configs, const ClusterRules& given, Instant now);
    void due(Instant now, std::vector<ProbeOrder>& orders);
    void observe(NodeId id, const Observation& seen, Instant now);
    void suspect(NodeId id, Suspicion why, Instant now);
    void drain(NodeId id, bool is_drained, Instant now);
    bool begin_switchover(Instant now);
    void end_switchover(std::string text, bool is_alarm, Instant now);
    const ClusterViewRef& view(Instant now);
    Instant next_deadline() const;

    NodeState* find(NodeId id);
    void give_up_overdue(Instant now);
    void learn(NodeState& node, const Observation& seen, Instant now);
    void begin_suspicion(const NodeState& node, std::string_view why, Instant now);
    void conclude(Instant now);
    void conclude_if_aged(Instant now);
    void look_after_primary(Instant now);
    void look_after_switchover(Instant now);
    bool is_known_as_unreachable(const NodeState& node) const { return node.failures > 1; }

    std::shared_ptr<const ClusterView> build() const;
    NodeView view_of(const NodeState& node, Instant now) const;
    void make_blind(ClusterView& built) const;

    ClusterRules rules;
    std::vector<NodeState> nodes;
    ProbeSchedule schedule;
    Primacy primacy;
    LagHistory history;
    Events events;
    Instant concluded_at{};
    Instant no_primary_since = Instant::never();
    NodeId switched_from;  // Null: there is no switchover under way.
    Instant switchover_at{};
    std::uint64_t version = 0;
    bool is_changed = true;
    ClusterViewRef published;
};

void Cluster::Impl::configure(std::vector<NodeConfig> configs, const ClusterRules& given,
                              Instant now) {
    PGWEIR_ASSERT(configs.size() <= kNodesMax);
    rules = given;
    history.set_span(rules.max_replica_lag);
    schedule.configure(configs, rules, now);
    std::vector<NodeState> kept;
    for (NodeConfig& config : configs) {
        NodeState* known = find(config.id);
        if (known == nullptr || known->config.address != config.address) {
            kept.emplace_back(std::move(config));
            continue;
        }
        kept.push_back(std::move(*known));
        kept.back().config = std::move(config);
    }
    nodes = std::move(kept);
    primacy.forget_identity_unless_held(nodes);
    conclude(now);
}

NodeState* Cluster::Impl::find(NodeId id) {
    const auto node = std::find_if(nodes.begin(), nodes.end(), [id](const NodeState& candidate) {
        return candidate.config.id == id;
    });
    return node == nodes.end() ? nullptr : &*node;
}

void Cluster::Impl::due(Instant now, std::vector<ProbeOrder>& orders) {
    conclude_if_aged(now);
    if (rules.is_blind) return;
    give_up_overdue(now);
    schedule.due(now, orders);
}

void Cluster::Impl::give_up_overdue(Instant now) {
    while (const auto id = schedule.overdue(now)) {
        schedule.gave_up(*id, now);
        Observation nothing;
        nothing.started_at = nothing.ended_at = now;
        nothing.failure = "no answer, not even a failure, within twice probe_timeout";
        if (NodeState* node = find(*id)) learn(*node, nothing, now);
        conclude(now);
    }
}

Instant Cluster::Impl::next_deadline() const {
    if (rules.is_blind) return Instant::never();
    Instant next = std::min(schedule.next_deadline(), primacy.next_change());
    if (switched_from) next = std::min(next, switchover_at + rules.switchover_timeout);
    return next;
}

void Cluster::Impl::observe(NodeId id, const Observation& seen, Instant now) {
    NodeState* node = find(id);
    if (node == nullptr) return;
    schedule.ended(id, seen, now);
    if (seen.started_at < node->looked_at) return;
    const Duration usual = node->round_trips.median();
    learn(*node, seen, now);
    conclude(now);
    const Duration took = seen.ended_at - seen.started_at;
    const bool is_late = seen.answered() && seen.over == ProbeOver::Open && usual &&
                         took > kLateMin && took > usual * kLateFactor;
    if (is_late) suspect(id, Suspicion::LateProbe, now);
}

void Cluster::Impl::learn(NodeState& node, const Observation& seen, Instant now) {
    const bool was_primary = node.config.id == primacy.primary();
    node.learn(seen);
    // The first failed look at the primary may be the first sign of a failover.
    if (was_primary && node.failures == 1) begin_suspicion(node, "a look at it failed", now);
}

void Cluster::Impl::suspect(NodeId id, Suspicion why, Instant now) {
    const NodeState* node = find(id);
    if (node == nullptr || rules.is_blind) return;
    if (why == Suspicion::LateProbe && !schedule.may_doubt_delay(now)) return;
    const bool is_news = why != Suspicion::ConnectionLost && why != Suspicion::ConnectRefused;
    if (!is_news && is_known_as_unreachable(*node)) return;
    if (why == Suspicion::ConnectRefused) schedule.want_new(id, now);
    begin_suspicion(*node, words(why), now);
}

void Cluster::Impl::begin_suspicion(const NodeState& node, std::string_view why, Instant now) {
    if (!schedule.suspect_all(now)) return;
    const std::string text = name_of(node) + " is under suspicion: " + std::string(why);
    events.add({now, node.config.id, text, false});
}

void Cluster::Impl::drain(NodeId id, bool is_drained, Instant now) {
    NodeState* node = find(id);
    if (node == nullptr) return;
    node->is_drained = is_drained;
    conclude(now);
}

void Cluster::Impl::conclude(Instant now) {
    concluded_at = now;
    is_changed = true;
    primacy.conclude(nodes, rules.evidence_age_max, now);
    if (const NodeState* writer = find(primacy.primary())) {
        history.reached(writer->lsn, writer->evidence_end);
    }
    look_after_switchover(now);
    judge_health(nodes, primacy, history, rules, now);
    if (rules.is_blind) return;
    for (const NodeState& node : nodes) schedule.only_new(node.config.id, node.is_stopping);
    events.compare(nodes, primacy, now);
    look_after_primary(now);
}

void Cluster::Impl::conclude_if_aged(Instant now) {
    const bool is_late = switched_from && now >= switchover_at + rules.switchover_timeout;
    if (now >= primacy.next_change() || is_late) conclude(now);
}

bool Cluster::Impl::begin_switchover(Instant now) {
    NodeState* node = find(primacy.primary());
    if (node == nullptr || rules.is_blind) return false;
    node->is_switched_away = true;
    switched_from = node->config.id;
    switchover_at = now;
    events.add({now, switched_from, name_of(*node) + " is drained for a switchover", false});
    conclude(now);
    return true;
}

void Cluster::Impl::end_switchover(std::string text, bool is_alarm, Instant now) {
    if (NodeState* node = find(std::exchange(switched_from, NodeId{}))) {
        node->is_switched_away = false;
        events.add({now, node->config.id, std::move(text), is_alarm});
    }
}

void Cluster::Impl::look_after_switchover(Instant now) {
    if (!switched_from) return;
    const NodeState* before = find(switched_from);
    if (before == nullptr) {
        switched_from = NodeId{};
        return;
    }
    const Duration took = now - switchover_at;
    const NodeState* after = find(primacy.primary());
    if (after != nullptr && after != before) {
        return end_switchover("switchover from " + name_of(*before) + " to " + name_of(*after) +
                                  " took " + std::to_string(took.us / 1000) + " ms",
                              false, now);
    }
    if (took < rules.switchover_timeout) return;
    end_switchover("no other node has become the primary within switchover_timeout: " +
                       name_of(*before) + " gets its work back",
                   true, now);
}

void Cluster::Impl::look_after_primary(Instant now) {
    if (primacy.primary() && !switched_from) {
        no_primary_since = Instant::never();
    } else if (no_primary_since.is_never()) {
        no_primary_since = now;
    }
    schedule.no_primary_since(no_primary_since, now);
}

const ClusterViewRef& Cluster::Impl::view(Instant now) {
    conclude_if_aged(now);
    if (!is_changed && published) return published;
    is_changed = false;
    ++version;
    published = build();
    return published;
}

std::shared_ptr<const ClusterView> Cluster::Impl::build() const {
    auto built = std::make_shared<ClusterView>();
    built->version = version;
    built->primary = primacy.primary();
    built->timeline = primacy.timeline();
    built->timeline_began_at = primacy.timeline_began_at();
    built->forks = primacy.forks();
    built->system_id = primacy.system_id();
    built->nodes.reserve(nodes.size());
    for (const NodeState& node : nodes) built->nodes.push_back(view_of(node, concluded_at));
    if (rules.is_blind) make_blind(*built);
    return built;
}

NodeView Cluster::Impl::view_of(const NodeState& node, Instant now) const {
    NodeView seen;
    seen.id = node.config.id;
    seen.address = node.config.address;
    seen.zone = node.config.zone;
    seen.weight = node.config.weight;
    // Evidence expires where its refresh fails.
    const bool is_expired = node.failures > 0 && node.is_evidence_old(now, rules.evidence_age_max);
    seen.role = is_expired ? Role::Unknown : node.role;
    seen.trouble = node.trouble;
    seen.detail = node.failure;
    seen.is_drained = node.is_drained || node.is_switched_away;
    seen.is_stopping = node.is_stopping;
    seen.failures = node.failures;
    seen.system_id = node.system_id;
    seen.lsn = node.lsn;
    seen.evidence_at = node.evidence_at;
    seen.role_since = node.role_since;
    seen.usable_since = node.usable_since;
    seen.incarnation_since = node.incarnation_since;
    seen.lag_bytes = node.lag_bytes;
    seen.lag_time = node.lag_time;
    seen.round_trip = node.round_trips.smoothed();
    seen.samples = node.samples.all();

    const bool is_presumed = node.role == Role::Standby && !primacy.is_stranger(node) &&
                             primacy.is_single_history(nodes);
    const std::uint32_t otherwise = is_presumed ? primacy.timeline() : 0;
    seen.timeline = node.timeline != 0 ? node.timeline : otherwise;
    for (Sample& sample : seen.samples) {
        if (sample.place.timeline == 0) sample.place.timeline = otherwise;
    }
    return seen;
}

// Nothing is known; the configuration's word has to do.
void Cluster::Impl::make_blind(ClusterView& built) const {
    built.is_blind = true;
    built.primary = {};
    for (NodeView& node : built.nodes) {
        node.role = Role::Unknown;
        node.trouble = Trouble::NotSeenYet;
    }
    if (built.nodes.empty()) return;
    NodeView& first = built.nodes.front();
    built.primary = first.id;
    first.role = Role::Primary;
    first.trouble = nodes.front().is_drained ? Trouble::Drained : Trouble::None;
}

Cluster::Cluster(std::vector<NodeConfig> nodes, ClusterRules rules, std::uint64_t seed, Instant now)
    : impl_(std::make_shared<Impl>(rules, seed)) {
    impl_->configure(std::move(nodes), rules, now);
}

void Cluster::due(Instant now, std::vector<ProbeOrder>& orders) {
    impl_->due(now, orders);
}

Instant Cluster::next_deadline() const {
    return impl_->next_deadline();
}

void Cluster::observe(NodeId node, const Observation& observation, Instant now) {
    impl_->observe(node, observation, now);
}

void Cluster::suspect(NodeId node, Suspicion why, Instant now) {
    impl_->suspect(node, why, now);
}

void Cluster::want_sample(NodeId node, Instant now) {
    impl_->schedule.want(node, now);
}

void Cluster::drain(NodeId node, bool is_drained, Instant now) {
    impl_->drain(node, is_drained, now);
}

bool Cluster::begin_switchover(Instant now) {
    return impl_->begin_switchover(now);
}

void Cluster::end_switchover(Instant now) {
    if (!impl_->switched_from) return;
    impl_->end_switchover("the switchover was called off", false, now);
    impl_->conclude(now);
}

void Cluster::note_lost_places(std::uint64_t sessions, Position furthest, Instant now) {
    impl_->events.add(
        {now, impl_->primacy.primary(),
         std::to_string(sessions) + (sessions == 1 ? " session has" : " sessions have") +
             " seen or written what is not part of timeline " +
             std::to_string(impl_->primacy.timeline()) + ", up to " + text(furthest.lsn) +
             " on timeline " + std::to_string(furthest.timeline) + "; each is told (40001)",
         true});
}

NodeId Cluster::switched_from() const {
    return impl_->switched_from;
}

bool Cluster::is_drained(NodeId id) const {
    const NodeState* node = impl_->find(id);
    return node != nullptr && (node->is_drained || node->is_switched_away);
}

const ClusterViewRef& Cluster::view(Instant now) {
    return impl_->view(now);
}

std::vector<ClusterEvent> Cluster::take_events() {
    return impl_->events.take();
}

void Cluster::configure(std::vector<NodeConfig> nodes, ClusterRules rules, Instant now) {
    impl_->configure(std::move(nodes), rules, now);
}

}  // namespace pgweir::cluster
