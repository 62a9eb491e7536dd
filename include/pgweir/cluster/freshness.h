// SPDX-License-Identifier: PostgreSQL
// What one session has seen, so that its next read sees no less: its own writes and everything it
// has read (level "session"). By LSN, never by clock; without a round trip of the client.
//
// A session remembers on which node its last unit ended, and when. As long as it stays on that
// node nothing is needed: a node never goes back. When it moves, it needs a sample of that node
// that started after the unit ended: the new node must have replayed up to there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/cluster_view.h"

namespace pgweir::cluster {

class Freshness {
 public:
    // A unit ended on `node` at `now`: what it wrote or read must be seen from now on.
    void unit_ended(NodeId node, Instant now);

    enum class Answer : std::uint8_t {
        Fresh,        // The node may serve the next read.
        Behind,       // It has not replayed far enough, as far as is known.
        NoSample,     // Nobody knows yet how far it would have to be: a sample of wants_sample_of()
                      // has not come.
        OtherHistory  // The token lies beyond the switch point of the new timeline: what the
                      // session has seen is not part of the cluster's history any more.
    };
    // REQUIRES: `node` is a node of `view`. The primary of the view is always Fresh, unless
    // OtherHistory. Resolves the token from the view's samples where it can.
    Answer may_read(const ClusterView& view, const NodeView& node);
    // The node whose sample is missing, and since when; null if none is.
    NodeId wants_sample_of() const;
    Instant wants_sample_since() const { return ended_at_; }
    NodeId last_node() const { return node_; }

    // The token as text for SHOW pgweir.token ("1:16/B374D848": timeline, LSN), or nullopt while
    // its sample is missing. A session that has seen nothing has "0:0/0".
    std::optional<std::string> token(const ClusterView& view);
    // SET pgweir.token: reads see at least this. False if it is no token.
    bool set_token(std::string_view text);
    // After OtherHistory was told to the client: it begins anew.
    void reset() { *this = Freshness(); }

 private:
    NodeId node_;  // Of the last unit; null: the token says everything.
    Instant ended_at_{};
    Position token_;  // What is known to be needed, from nodes before `node_`.
};

static_assert(sizeof(Freshness) <= 32, "every client has one");

}  // namespace pgweir::cluster
