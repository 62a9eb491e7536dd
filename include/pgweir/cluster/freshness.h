// SPDX-License-Identifier: PostgreSQL
// What one session has seen, so that its next read sees no less: its own writes and everything it
// has read (level "session"). By LSN, never by clock; without a round trip of the client.
//
// A session remembers on which node its last unit ended, and when. As long as it stays on that
// node nothing is needed: a node never goes back, except by a restart. When it moves, it needs a
// sample of that node that started after the unit ended: the new node must have replayed up to
// there.
//
//   the last node                      what its next read on another standby needs
//   is seen, a sample has come         the sample's place
//   is seen or silent, no sample yet   that sample (NoSample); meanwhile the primary serves
//   is fenced, gone, restarted         can't be known any more: the primary serves, and from then
//                                      on the session is where the primary is
//
// The primary has all that any standby of its history has, so it may serve whatever is not known.
// After a failover, places of the old timeline count up to where the new one is known to have left
// it (ClusterView::history_of). A place beyond is told as OtherHistory: in an asynchronous failover
// it may be lost, and nobody shall find that out by a silent stale read. What is known of that
// point is a bound from looks before the promotion, so OtherHistory may be told of a place that was
// not lost; never the other way round. With synchronous standbys a place is no further than they
// have written (Sample::acknowledged): what they don't have nobody was told of. A session whose
// place nobody ever sampled is served by the new primary without a word.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/cluster_view.h"

namespace pgweir::cluster {

// What became of SET pgweir.token.
enum class TokenAnswer : std::uint8_t {
    Accepted,
    Malformed,     // It is no "system identifier:timeline:LSN".
    OtherCluster,  // It is another cluster's.
};

class Freshness {
 public:
    // A unit ended on `node` at `now`: what it wrote or read must be seen from now on. Not for a
    // unit routed by Consistency::Eventual on a standby: it says nothing about what came before.
    // REQUIRES: `now` is not before the moment at which the unit's ReadyForQuery was read from its
    // socket: a loop's cached time is, and then a sample may seem to have started later than it.
    void unit_ended(NodeId node, Instant now);

    enum class Answer : std::uint8_t {
        Fresh,        // The node may serve the next read.
        Behind,       // It has not replayed far enough, as far as is known.
        NoSample,     // Nobody knows yet how far it would have to be: a sample of wants_sample_of()
                      // has not come.
        OtherHistory  // The token is not known to be part of the cluster's history any more: it
                      // lies beyond the switch point of the new timeline, or is another cluster's.
    };
    // REQUIRES: `node` is a node of `view`. The primary of the view is always Fresh, unless
    // OtherHistory, or Behind: the token is of a timeline that nobody here has seen yet, so that
    // the view's primary is no more. Resolves the token from the view's samples where it can.
    Answer may_read(const ClusterView& view, const NodeView& node);
    // The node whose sample is missing, and since when; null if none is.
    NodeId wants_sample_of() const { return ended_at_.is_never() ? NodeId{} : node_; }
    Instant wants_sample_since() const { return ended_at_; }
    NodeId last_node() const { return node_; }
    // What is known to be needed: where the last node was, or more.
    Position needed() const { return {lsn_, timeline_}; }
    // All that the session was told of lies before this; the rest up to needed() is work that
    // others had under way. If it is not part of the cluster's history, something is lost.
    Position acknowledged() const { return {acknowledged_, timeline_}; }

    // The token as text for SHOW pgweir.token ("7301558473093292123:1:16/B374D848": system
    // identifier, timeline, LSN), or nullopt while its sample is missing. A session that has seen
    // nothing has "0:0:0/0".
    std::optional<std::string> token(const ClusterView& view);
    // SET pgweir.token: reads see at least this, and what they had to see before.
    TokenAnswer set_token(std::string_view text, const ClusterView& view);
    // After OtherHistory was told to the client: it begins anew.
    void reset() { *this = Freshness(); }

 private:
    bool is_of_other_cluster(const ClusterView& view) const;
    Answer compare(const ClusterView& view, const NodeView& node) const;
    bool is_same_incarnation(const NodeView& node) const;
    // From the samples of the last node to what is needed, or on to the primary.
    void resolve(const ClusterView& view);
    const Sample* sample_that_counts(const ClusterView& view, const NodeView& last) const;
    void move_to_primary(const ClusterView& view);
    Position part_of(const ClusterView& view) const;
    // `acknowledged`: of `place`, and not beyond it.
    void merge(const ClusterView& view, Position place, Lsn acknowledged);

    NodeId node_;                          // Of the last unit; null: none ended yet.
    Instant ended_at_ = Instant::never();  // Of that unit; never: nothing of it is missing below.
    Lsn lsn_;                              // What is known to be needed,
    Lsn acknowledged_;                     // and what of it somebody was told of.
    std::uint32_t timeline_ = 0;
    std::uint32_t system_id_low_ = 0;  // Of the cluster that this is a place of; 0: not known.
};

static_assert(sizeof(Freshness) <= 40, "every client has one");

}  // namespace pgweir::cluster
