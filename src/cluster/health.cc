// SPDX-License-Identifier: PostgreSQL
#include "cluster/health.h"

#include <algorithm>
#include <array>

namespace pgweir::cluster {

namespace {

// A standby is ejected for being slow above the first pair, and comes back below the second one.
constexpr std::int64_t kSlowFactor = 10;
constexpr Duration kSlowMin = Duration::milliseconds(100);
constexpr std::int64_t kQuickFactor = 3;
constexpr Duration kQuickMax = Duration::milliseconds(50);

struct Judge {
    std::span<NodeState> nodes;
    const Primacy& primacy;
    const LagHistory& history;
    const ClusterRules& rules;
    Instant now;

    const NodeState* primary() const {
        for (const NodeState& node : nodes) {
            if (node.config.id == primacy.primary()) return &node;
        }
        return nullptr;
    }

    bool is_unreachable(const NodeState& node) const {
        if (node.is_evidence_old(now, rules.evidence_age_max)) return true;
        // The primary serves until Primacy gives it up; another claimant never does.
        if (node.config.id == primacy.primary()) return false;
        return node.failures > 0 || node.refuses_new;
    }

    // What a node is no matter how far behind or how slow it is.
    Trouble standing(const NodeState& node) const {
        if (!node.has_answered()) {
            return node.failures > 0 ? Trouble::Unreachable : Trouble::NotSeenYet;
        }
        if (primacy.is_stranger(node)) return Trouble::Stranger;
        // Whose cluster this is, the others have a say in.
        if (primacy.is_undecided()) return Trouble::NotSeenYet;
        if (node.is_fenced) return Trouble::OldTimeline;
        if (primacy.is_rival(node.config.id)) return Trouble::TwoPrimaries;
        if (is_unreachable(node)) return Trouble::Unreachable;
        if (node.is_stopping) return Trouble::Stopping;
        return node.is_drained || node.is_switched_away ? Trouble::Drained : Trouble::None;
    }

    // Without a primary nobody falls behind: a standby is as far behind as when the primary was
    // last heard of, less what it has replayed since.
    void measure_lag(NodeState& node) const {
        node.lag_time = {};
        node.lag_bytes = 0;
        if (node.role != Role::Standby || !node.lsn) return;
        const NodeState* writer = primary();
        Instant at = node.evidence_end;
        if (writer == nullptr) at = std::min(at, last_heard_of_primary());
        node.lag_time = history.lag_time(node.lsn, at);
        node.lag_bytes = history.lag_bytes(node.lsn, at);
    }

    Instant last_heard_of_primary() const {
        Instant latest{};
        for (const NodeState& node : nodes) {
            if (node.role == Role::Primary) latest = std::max(latest, node.evidence_end);
        }
        return latest;
    }

    Trouble lag_trouble(const NodeState& node) const {
        const bool is_bounded = rules.max_replica_lag || rules.max_replica_lag_bytes != 0;
        if (node.role != Role::Standby || !is_bounded) return Trouble::None;
        const NodeState* writer = primary();
        if (writer != nullptr && (!node.lsn || !writer->lsn)) return Trouble::LagUnknown;
        if (rules.max_replica_lag && node.lag_time > rules.max_replica_lag) {
            return Trouble::LagTime;
        }
        if (rules.max_replica_lag_bytes != 0 && node.lag_bytes > rules.max_replica_lag_bytes) {
            return Trouble::LagBytes;
        }
        return Trouble::None;
    }

    // Of the nodes but this one that answer.
    Duration usual_round_trip(const NodeState& except) const {
        std::array<Duration, kNodesMax> others;
        std::size_t count = 0;
        for (const NodeState& node : nodes) {
            const bool counts = &node != &except && node.has_answered() && node.failures == 0;
            if (counts && count < others.size()) others[count++] = node.round_trips.smoothed();
        }
        if (count == 0) return {};
        const auto middle = others.begin() + static_cast<std::ptrdiff_t>(count / 2);
        std::nth_element(others.begin(), middle,
                         others.begin() + static_cast<std::ptrdiff_t>(count));
        return *middle;
    }

    void judge_slowness() const {
        std::size_t standbys = 0;
        std::size_t slow = 0;
        for (const NodeState& node : nodes) standbys += node.role == Role::Standby ? 1 : 0;
        for (NodeState& node : nodes) {
            const Duration usual = usual_round_trip(node);
            const Duration own = node.round_trips.smoothed();
            const bool is_clearly = own > kSlowMin && usual && own > usual * kSlowFactor;
            const bool is_still =
                node.is_slow && own > kQuickMax && usual && own > usual * kQuickFactor;
            const bool may = node.role == Role::Standby && 2 * (slow + 1) <= standbys;
            node.is_slow = may && (is_clearly || is_still);
            slow += node.is_slow ? 1 : 0;
        }
    }

    void judge(NodeState& node) const {
        measure_lag(node);
        Trouble trouble = standing(node);
        if (trouble == Trouble::None) trouble = lag_trouble(node);
        if (trouble == Trouble::None && node.is_slow) trouble = Trouble::Slow;
        if (trouble == Trouble::None && node.trouble != Trouble::None) node.usable_since = now;
        node.trouble = trouble;
    }
};

}  // namespace

void judge_health(std::span<NodeState> nodes, const Primacy& primacy, const LagHistory& history,
                  const ClusterRules& rules, Instant now) {
    const Judge judge{nodes, primacy, history, rules, now};
    judge.judge_slowness();
    for (NodeState& node : nodes) judge.judge(node);
}

}  // namespace pgweir::cluster
