// SPDX-License-Identifier: PostgreSQL
#include "cluster/primacy.h"

#include <algorithm>

namespace pgweir::cluster {

namespace {

constexpr std::size_t kForksMax = 8;
// A look that fails may have bad luck; two in a row do not.
constexpr int kFailuresThatCount = 2;

// How many nodes tell this identifier.
std::ptrdiff_t holders(std::span<const NodeState> nodes, std::uint64_t system_id) {
    return std::count_if(nodes.begin(), nodes.end(), [system_id](const NodeState& node) {
        return node.system_id == system_id;
    });
}

}  // namespace

void Primacy::conclude(std::span<NodeState> nodes, Duration evidence_age_max, Instant now) {
    const std::uint64_t before = system_id_;
    identify(nodes);
    // Timelines are those of one system identifier: another one's count for nothing.
    if (system_id_ != before) {
        timeline_ = timeline_before_ = 0;
        forks_.clear();
        for (NodeState& node : nodes) node.is_fenced = false;
    }
    raise_timeline(nodes);
    note_fork(nodes);
    fence(nodes);
    choose(nodes, evidence_age_max, now);
}

// A node of another cluster may be the first to answer: its word alone is not taken before the
// others have had theirs.
void Primacy::identify(std::span<const NodeState> nodes) {
    if (is_pinned_) return;
    std::uint64_t chosen = 0;
    std::ptrdiff_t most = 0;
    for (const NodeState& node : nodes) {
        if (node.system_id == 0) continue;
        const std::ptrdiff_t count = holders(nodes, node.system_id);
        if (count <= most) continue;
        most = count;
        chosen = node.system_id;
    }
    system_id_ = chosen;
    is_pinned_ = most * 2 > static_cast<std::ptrdiff_t>(nodes.size());
    is_undecided_ = chosen != 0 && !is_pinned_ &&
                    std::any_of(nodes.begin(), nodes.end(), [](const NodeState& node) {
                        return !node.has_answered() && node.failures == 0;
                    });
}

bool Primacy::is_stranger(const NodeState& node) const {
    return node.system_id != 0 && system_id_ != 0 && node.system_id != system_id_;
}

void Primacy::raise_timeline(std::span<const NodeState> nodes) {
    for (const NodeState& node : nodes) {
        if (is_stranger(node) || node.timeline <= timeline_) continue;
        timeline_before_ = timeline_;
        timeline_ = node.timeline;
    }
}

TimelineFork& Primacy::fork_of_timeline() {
    if (forks_.empty() || forks_.back().timeline != timeline_) {
        if (forks_.size() == kForksMax) forks_.erase(forks_.begin());
        forks_.push_back({timeline_, 0, {}, {}});
    }
    return forks_.back();
}

// Where the promoted node's recovery ended, the new timeline left the one before. If it does not
// tell, then what it was seen to have replayed is part of the new one, and the new one left it no
// later than where the node was first seen to write.
void Primacy::note_fork(std::span<const NodeState> nodes) {
    for (const NodeState& node : nodes) {
        if (!claims(node)) continue;
        if (const Position began = node.timeline_began_at; began.lsn) {
            TimelineFork& fork = fork_of_timeline();
            fork.parent = began.timeline;
            fork.began_after = fork.began_before = began.lsn;
        } else if (timeline_before_ != 0 &&
                   (forks_.empty() || forks_.back().timeline != timeline_)) {
            TimelineFork& fork = fork_of_timeline();
            const Lsn exact = node.recovery_ended_at;
            fork.began_before = exact ? exact : node.lsn;
            if (node.promoted_at.timeline != timeline_before_) continue;
            fork.parent = timeline_before_;
            fork.began_after = exact ? exact : node.promoted_at.lsn;
        }
    }
}

Lsn Primacy::timeline_began_at() const {
    if (forks_.empty() || forks_.back().timeline != timeline_) return {};
    return forks_.back().began_after;
}

bool Primacy::is_single_history(std::span<const NodeState> nodes) const {
    return timeline_before_ == 0 &&
           std::none_of(nodes.begin(), nodes.end(),
                        [](const NodeState& node) { return node.is_fenced; });
}

// A primary that tells no timeline proves nothing where others tell theirs; a standby that tells
// none may only be too poor in privileges.
void Primacy::fence(std::span<NodeState> nodes) const {
    for (NodeState& node : nodes) {
        if (is_stranger(node) || !node.has_answered()) continue;
        if (node.timeline >= timeline_) {
            node.is_fenced = false;
        } else if (node.timeline != 0 || node.role == Role::Primary) {
            node.is_fenced = true;
        }
    }
}

bool Primacy::claims(const NodeState& node) const {
    return !is_undecided_ && node.role == Role::Primary && node.timeline == timeline_ &&
           !is_stranger(node);
}

void Primacy::choose(std::span<const NodeState> nodes, Duration evidence_age_max, Instant now) {
    primary_ = {};
    rivals_.clear();
    next_change_ = Instant::never();
    const NodeState* candidate = nullptr;
    for (const NodeState& node : nodes) {
        const bool is_old = node.is_evidence_old(now, evidence_age_max);
        if (!is_old && evidence_age_max && node.has_answered()) {
            const Instant expires = node.evidence_at + evidence_age_max;
            next_change_ = std::min(next_change_, expires + Duration::microseconds(1));
        }
        if (!claims(node)) continue;
        const bool has_given_up =
            node.failures > 0 && (evidence_age_max ? is_old : node.failures >= kFailuresThatCount);
        if (has_given_up) continue;
        rivals_.push_back(node.config.id);
        const bool is_certain = node.failures < kFailuresThatCount && !is_old;
        if (is_certain) candidate = &node;
    }
    if (candidate != nullptr && !has_conflict()) primary_ = candidate->config.id;
}

bool Primacy::is_rival(NodeId node) const {
    return has_conflict() && std::find(rivals_.begin(), rivals_.end(), node) != rivals_.end();
}

void Primacy::forget_identity_unless_held(std::span<const NodeState> nodes) {
    if (system_id_ == 0 || holders(nodes, system_id_) > 0) return;
    *this = Primacy();
}

}  // namespace pgweir::cluster
