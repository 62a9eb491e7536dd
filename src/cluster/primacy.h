// SPDX-License-Identifier: PostgreSQL
// Who the primary is: system identifier, timeline, fencing, rival claims. The rules are in
// cluster.h. What it concludes once is never taken back: the identity and the highest timeline.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cluster/node_state.h"
#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/cluster_view.h"

namespace pgweir::cluster {

class Primacy {
 public:
    // Looks at all that the nodes told. Call after each change, and when next_change() comes.
    void conclude(std::span<NodeState> nodes, Duration evidence_age_max, Instant now);
    // When evidence gets old enough to change the answer.
    Instant next_change() const { return next_change_; }

    NodeId primary() const { return primary_; }
    bool has_conflict() const { return rivals_.size() > 1; }
    bool is_rival(NodeId node) const;
    bool is_stranger(const NodeState& node) const;
    std::uint64_t system_id() const { return system_id_; }
    bool is_undecided() const { return is_undecided_; }
    std::uint32_t timeline() const { return timeline_; }
    const std::vector<TimelineFork>& forks() const { return forks_; }
    Lsn timeline_began_at() const;
    // Whether nothing was ever seen that could have led a standby astray.
    bool is_single_history(std::span<const NodeState> nodes) const;
    // After a reload: an identity that no node has any more is nobody's.
    void forget_identity_unless_held(std::span<const NodeState> nodes);

 private:
    void identify(std::span<const NodeState> nodes);
    void raise_timeline(std::span<const NodeState> nodes);
    void note_fork(std::span<const NodeState> nodes);
    TimelineFork& fork_of_timeline();
    void fence(std::span<NodeState> nodes) const;
    void choose(std::span<const NodeState> nodes, Duration evidence_age_max, Instant now);
    bool claims(const NodeState& node) const;

    std::uint64_t system_id_ = 0;
    bool is_pinned_ = false;     // Most nodes have it: the identity stands.
    bool is_undecided_ = false;  // Nodes that could say otherwise have not been looked at.
    std::uint32_t timeline_ = 0;
    std::uint32_t timeline_before_ = 0;  // The highest until then; 0: that was none.
    std::vector<TimelineFork> forks_;
    NodeId primary_;
    std::vector<NodeId> rivals_;  // All that claim the timeline and are not known to have given up.
    Instant next_change_ = Instant::never();
};

}  // namespace pgweir::cluster
