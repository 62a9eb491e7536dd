// SPDX-License-Identifier: PostgreSQL
// What changed from one conclusion to the next, in words for the log and SHOW EVENTS.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cluster/node_state.h"
#include "cluster/primacy.h"

namespace pgweir::cluster {

class Events {
 public:
    // Nobody may take them for long.
    static constexpr std::size_t kEventsMax = 256;

    void add(ClusterEvent event);
    // Compares with the last call.
    void compare(std::span<const NodeState> nodes, const Primacy& primacy, Instant now);
    std::vector<ClusterEvent> take() { return std::exchange(events_, {}); }

 private:
    struct Known {
        NodeId node;
        Role role = Role::Unknown;
        Trouble trouble = Trouble::NotSeenYet;
        Instant incarnation_since{};
        bool refuses_new = false;
    };
    Known& known(NodeId node);
    void forget_others(std::span<const NodeState> nodes);
    void compare_node(const NodeState& node, const Primacy& primacy, Instant now);
    void tell_trouble(const NodeState& node, const Primacy& primacy, Instant now);
    void tell_lost_log(std::span<const NodeState> nodes, const Primacy& primacy, Instant now);
    void compare_primary(std::span<const NodeState> nodes, const Primacy& primacy, Instant now);

    std::vector<ClusterEvent> events_;
    std::vector<Known> known_;
    NodeId primary_;
    bool had_primary_ = false;
    std::uint32_t timeline_ = 0;  // Of the last primary.
};

}  // namespace pgweir::cluster
