// SPDX-License-Identifier: PostgreSQL
// What is known of a cluster's nodes at one moment: an immutable snapshot that one worker builds
// and all workers route by. Evidence carries its time; whoever routes asks for its age.
#pragma once

#include <cstddef>
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

// The most nodes of one cluster: whoever routes has tables of this size and never allocates.
inline constexpr std::size_t kNodesMax = 64;

enum class Role : std::uint8_t { Unknown, Primary, Standby };

// Why a node gets no reads (or, for the primary, no writes). `None`: it gets them.
enum class Trouble : std::uint8_t {
    None,
    NotSeenYet,    // No look at it has ended.
    Unreachable,   // The last look failed (a primary: the last two), or there was none for long.
    Stranger,      // Its system identifier is another cluster's.
    OldTimeline,   // Fenced: a higher timeline has been seen. A standby, too: the timeline that it
                   // tells may be that of its last restart point and lag, but whether it follows
                   // the new one or the old primary can't be told apart by its LSN.
    TwoPrimaries,  // Another node claims to be the primary of the same timeline.
    LagTime,       // max_replica_lag
    LagBytes,      // max_replica_lag_bytes
    LagUnknown,    // The primary's place is not known.
    Slow,          // Ejected as an outlier.
    Drained,       // By order of the operator.
    Stopping,      // It waits for its sessions to end, and takes no new ones.
};
std::string_view words(Trouble trouble);
// It is not part of the cluster's present: neither reads nor writes may reach it.
constexpr bool is_fenced(Trouble trouble) {
    return trouble == Trouble::Stranger || trouble == Trouble::OldTimeline ||
           trouble == Trouble::TwoPrimaries;
}

// A look at a node's place: it had reached `lsn` when the look started, or later.
struct Sample {
    Instant started_at;
    Position place;
    // On a primary with synchronous standbys: all that it had acknowledged when the look started
    // lies before this, which is not beyond `place`. Null: nothing less than `place` is known.
    Lsn acknowledged = {};
};

struct NodeView {
    NodeId id;
    NodeAddress address;
    std::string zone;
    std::uint32_t weight = 1;

    Role role = Role::Unknown;
    Trouble trouble = Trouble::NotSeenYet;
    std::string detail;       // The failure's words, if there is one.
    bool is_drained = false;  // By order of the operator, whatever `trouble` says.
    bool is_stopping = false;
    int failures = 0;  // Looks at it that have failed in a row.
    std::uint64_t system_id = 0;
    // The highest that this incarnation told. Of a standby that can't tell, the cluster's, as long
    // as nothing was ever seen that could have led it astray (a promotion, a fenced node); else 0,
    // and no LSN of it is comparable.
    std::uint32_t timeline = 0;
    Lsn lsn;  // Inserted (primary) or replayed (standby) at least up to here.
    // When the last look that was answered started. All of this is evidence about the incarnation
    // that answered then. A server that logged in later may be of a newer one (a standby that has
    // restarted further back): it must not serve a read that is bound to freshness before a look
    // that started after its login; and a server that was alive at the look is of this one.
    Instant evidence_at{};
    Instant role_since{};    // Since when it has this role.
    Instant usable_since{};  // Since when `trouble` is None: for slow start.
    // Since when this incarnation is known: when the look that saw it first ended. A standby that
    // restarts may answer from an earlier place than before: what was seen of it, or on it, before
    // this moment says nothing about it now. A primary that becomes a standby is a new incarnation.
    Instant incarnation_since{};
    std::uint64_t lag_bytes = 0;
    // How long ago, when the standby was last looked at, the primary's LSN had first been seen past
    // `lsn`: too small by at most the time between two looks at the primary.
    Duration lag_time;
    Duration round_trip;  // Smoothed, of looks over the open connection.

    // Oldest first, at most 16, the newer the denser: a session that has been idle for a second
    // finds one that is about a second old even if the node is sampled every millisecond.
    std::vector<Sample> samples;

    // The first sample that started at `since` or later.
    const Sample* first_sample_since(Instant since) const;
};

// Where one timeline left another.
struct TimelineFork {
    std::uint32_t timeline = 0;
    std::uint32_t parent = 0;  // 0: not known.
    // The parent's history is `timeline`'s at least up to here. Null: not known.
    Lsn began_after;
    // It left the parent's here or before.
    Lsn began_before;
};

// Whether a place is part of the history of the cluster's timeline.
enum class History : std::uint8_t {
    Within,
    Doubtful,  // Past all that is known to be common, or nothing is known of where they parted.
    Lost,      // Past where they parted.
    Future,    // Of a timeline that nobody has seen here yet.
};

struct ClusterView {
    std::uint64_t version = 0;  // Grows.
    std::vector<NodeView> nodes;
    NodeId primary;              // Null: there is none that is certain.
    std::uint32_t timeline = 0;  // The highest ever seen.
    // Where the history of `timeline` left the one before, or an earlier place: the last that the
    // node was seen to have replayed before it was promoted (up to there, it has what the old
    // primary had). Null if unknown.
    Lsn timeline_began_at;
    // What is known of this and of earlier timelines, oldest first; bounded.
    std::vector<TimelineFork> forks;
    std::uint64_t system_id = 0;  // Of the cluster; 0 if nobody has told it yet.
    // Nobody may observe these nodes (no credentials): roles are the configuration's, the first
    // node is the primary and nothing else is used.
    bool is_blind = false;

    const NodeView* find(NodeId id) const;
    History history_of(Position place) const;
    // How far a lost place lies past where its timeline was left, as far as is known; else 0.
    std::uint64_t bytes_past_fork(Position place) const;
};

using ClusterViewRef = std::shared_ptr<const ClusterView>;

}  // namespace pgweir::cluster
