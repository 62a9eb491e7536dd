// SPDX-License-Identifier: PostgreSQL
// What one node told of itself, and how looks at it went. It knows nothing of the other nodes;
// see primacy.h and health.h.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/round_trips.h"
#include "cluster/sample_ring.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/cluster.h"
#include "pgweir/cluster/cluster_view.h"
#include "pgweir/cluster/observation.h"

namespace pgweir::cluster {

struct NodeState {
    explicit NodeState(NodeConfig node) : config(std::move(node)) {}

    NodeConfig config;
    bool is_drained = false;        // By DRAIN.
    bool is_switched_away = false;  // By SWITCHOVER.

    // Told by the node, of its present incarnation.
    Role role = Role::Unknown;  // Unknown: no look at it was ever answered.
    std::uint64_t system_id = 0;
    std::uint32_t timeline = 0;  // The highest.
    Lsn lsn;                     // A lower bound; grows.
    std::int64_t started_unix_us = 0;
    Instant role_since{};
    Instant incarnation_since{};
    // Where it had arrived when it was last seen in recovery, before it was promoted.
    Position promoted_at;
    Lsn recovery_ended_at;       // Where that promotion left the timeline, exactly; null: unknown.
    Position timeline_began_at;  // As Observation's.

    // How looks went.
    Instant looked_at{};        // When the last look that counted started.
    Instant evidence_at{};      // When the last one that was answered started,
    Instant evidence_end{};     // and ended.
    int failures = 0;           // In a row.
    bool refuses_new = false;   // The last look over a new connection failed,
    bool says_not_now = false;  // with 57P03.
    bool is_stopping = false;   // And the open connection answered nevertheless.
    std::string failure;        // Words of the last that failed, while it matters.
    RoundTrips round_trips;
    SampleRing samples;

    // Concluded, by Primacy and Health.
    bool is_fenced = false;
    bool is_slow = false;
    Trouble trouble = Trouble::NotSeenYet;
    Instant usable_since{};
    std::uint64_t lag_bytes = 0;
    Duration lag_time;

    void learn(const Observation& seen);
    bool has_answered() const { return role != Role::Unknown; }
    bool is_evidence_old(Instant now, Duration age_max) const {
        return age_max && now - evidence_at > age_max;
    }

 private:
    void learn_failure(const Observation& seen);
    void learn_answer(const Observation& seen);
    bool is_new_incarnation(const Observation& seen) const;
    void begin_incarnation(const Observation& seen);
    void take_role(const Observation& seen);
};

// "10.0.0.1:5432", for events.
std::string name_of(const NodeState& node);

}  // namespace pgweir::cluster
