// SPDX-License-Identifier: PostgreSQL
// What must hold of work that reaches a node: one transaction on one server (I24), no new read for
// a standby that is too far behind, or of which too little is known (I28), and nothing for the
// primary of an old timeline (I23).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/sim_postgres.h"
#include "sim/transcript.h"

namespace pgweir::sim {

// Bounds of the settings under test; 0: none, nothing is checked.
struct RoutingBounds {
    Duration lag_max{};
    std::uint64_t lag_bytes_max = 0;
    Duration evidence_age_max{};
    // How late the core may notice: words between workers, timers, and the time that passes
    // between the choice of a node and the first byte.
    Duration margin = Duration::milliseconds(100);
};

class RoutingWatch {
 public:
    RoutingWatch(const Agenda& agenda, Transcript& transcript, RoutingBounds bounds)
        : agenda_(agenda), transcript_(transcript), bounds_(bounds) {}

    // A core was told what a look at this node saw.
    void looked(const SimPostgres& node, Instant started, bool answered);
    // Another node is the primary.
    void promoted(const SimPostgres& node);
    // The first request of a turn that began then goes to this node.
    void turn_begins(const SimPostgres& node, const Token& token, Instant began);

    std::uint64_t turns_on(std::uint32_t node) const {
        return node < nodes_.size() ? nodes_[node].turns : 0;
    }

 private:
    struct Node {
        std::uint64_t turns = 0;
        Instant evidence{};                 // When the last look that was answered began.
        Instant failed = Instant::never();  // When a look failed, if none was answered since.
    };
    Node& facts(std::uint32_t node);
    void check_evidence(const Node& facts, Instant began, const std::string& story);
    void check_lag(const SimPostgres& node, const std::string& story);
    void check_primary(const SimPostgres& node, const Token& token);

    const Agenda& agenda_;
    Transcript& transcript_;
    RoutingBounds bounds_;
    std::vector<Node> nodes_;
    std::uint32_t primary_ = 0;
    // Since when the primary was looked at without a gap.
    Instant primary_seen_since_{};
};

}  // namespace pgweir::sim
