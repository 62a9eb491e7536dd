// SPDX-License-Identifier: PostgreSQL
// What is known of a cluster's nodes at one moment: an immutable snapshot that one worker builds
// and all workers route by. Evidence carries its time; whoever routes asks for its age.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/lsn.h"
#include "pgweir/config/node_address.h"

namespace pgweir::cluster {

enum class Role : std::uint8_t { Unknown, Primary, Standby };

// Why a node gets no reads (or, for the primary, no writes). `None`: it gets them.
enum class Trouble : std::uint8_t {
    None,
    NotSeenYet,    // No look at it has ended.
    Unreachable,   // The last look failed.
    Stranger,      // Its system identifier is another cluster's.
    OldTimeline,   // Fenced: a higher timeline has been seen.
    TwoPrimaries,  // Another node claims to be the primary of the same timeline.
    LagTime,       // max_replica_lag
    LagBytes,      // max_replica_lag_bytes
    LagUnknown,    // The primary's place is not known.
    Slow,          // Ejected as an outlier.
    Drained,       // By order of the operator.
};
std::string_view words(Trouble trouble);

// A look at a node's place: it had reached `lsn` when the look started, or later.
struct Sample {
    Instant started_at;
    Position place;
};

struct NodeView {
    NodeId id;
    NodeAddress address;
    std::string zone;
    std::uint32_t weight = 1;

    Role role = Role::Unknown;
    Trouble trouble = Trouble::NotSeenYet;
    std::string detail;  // The failure's words, if there is one.
    std::uint64_t system_id = 0;
    std::uint32_t timeline = 0;
    Lsn lsn;                 // Inserted (primary) or replayed (standby) at least up to here.
    Instant evidence_at{};   // When the last look that was answered started.
    Instant role_since{};    // Since when it has this role.
    Instant usable_since{};  // Since when `trouble` is None: for slow start.
    std::uint64_t lag_bytes = 0;
    Duration lag_time;    // How long ago the primary's LSN first passed `lsn`.
    Duration round_trip;  // Smoothed, of looks.

    // The latest samples, oldest first; bounded.
    std::vector<Sample> samples;

    // The first sample that started at `since` or later.
    const Sample* first_sample_since(Instant since) const;
};

struct ClusterView {
    std::uint64_t version = 0;  // Grows.
    std::vector<NodeView> nodes;
    NodeId primary;              // Null: there is none that is certain.
    std::uint32_t timeline = 0;  // The highest ever seen.
    // Where the history of `timeline` left the one before; null if unknown.
    Lsn timeline_began_at;
    // Nobody may observe these nodes (no credentials): roles are the configuration's, the first
    // node is the primary and nothing else is used.
    bool is_blind = false;

    const NodeView* find(NodeId id) const;
};

using ClusterViewRef = std::shared_ptr<const ClusterView>;

}  // namespace pgweir::cluster
