// SPDX-License-Identifier: PostgreSQL
// Where a unit may run: the node that shall serve it, with the reason, or what has to be waited
// for. A lease is always asked for by a route, so that there is one place that decides.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/base/random.h"
#include "pgweir/cluster/cluster_view.h"
#include "pgweir/cluster/freshness.h"
#include "pgweir/sql/verdict.h"

namespace pgweir::route {

enum class PrimaryReads : std::uint8_t {
    Never,     // Reads wait for a standby.
    Fallback,  // The primary serves reads for which there is no standby.
    Share,     // The primary is one of the readers.
};

struct RouteRules {
    PrimaryReads primary_reads = PrimaryReads::Fallback;
    Duration slow_start;        // A node that came back gets its full share after this long.
    Duration evidence_age_max;  // Older evidence is none; 0: evidence does not age.
    std::string_view zone;      // Ours; empty: zones do not matter.
    // How long a read waits for a standby to become fresh before the primary serves it. Whoever
    // asks counts the time; 0: decide() names the primary at once.
    Duration replica_wait;
};

// What a worker knows of its own traffic to one node, by place in ClusterView::nodes.
struct NodeLoad {
    std::uint32_t outstanding = 0;  // Units of this worker in flight or in line there.
    // Peak EWMA of units' times, 0 if there was none. It has to decay while no unit ends there: a
    // node with a bad past is chosen so seldom that only time can clear its name.
    double latency_us = 0;
};

struct Request {
    bool is_read = false;  // Of a unit that may run on a standby.
    sql::RouteHint hint = sql::RouteHint::None;
    sql::Consistency consistency = sql::Consistency::Session;
    Instant arrived_at;  // For Consistency::Strong: the sample has to start after this.
    NodeId avoid;        // It has just refused or lost this unit; null: none.
    // When it did: evidence that it is the primary counts if it is newer. A standby that is to be
    // avoided serves this unit only if nothing else can.
    Instant avoid_since{};
};

enum class Reason : std::uint8_t {
    Write,          // Only the primary writes.
    PrimaryHint,    // The application asked for the primary.
    PrimaryLevel,   // Consistency::Primary.
    Read,           // A standby that is fresh enough.
    NoStandby,      // No standby is eligible: the primary serves the read.
    NotFresh,       // No standby has replayed far enough.
    NoSample,       // How far a standby would have to be is not known yet.
    SharedPrimary,  // The primary is one of the readers.
    Blind,          // Nobody observes the nodes: the first one serves everything.
    NoPrimary,      // No node is the primary, for now.
    NoNode,         // The database has no node.
    LostHistory,    // What the session has seen is not part of the cluster's history.
};
std::string_view words(Reason reason);

// Verdict, then, by request (`may`: primary_reads is not Never, and there is a certain primary):
//
//   write, hint or level "primary"     Node primary            else Wait NoPrimary
//   eventual   a standby               Node standby            else `may`: Node primary NoStandby
//   session    a fresh standby         Node standby
//              no place known yet      `may`: Node primary NoSample, with `sample`; else Wait
//              all behind              `may` and no replica_wait: Node primary NotFresh, with
//                                      `sample`; else Wait, with `otherwise` if `may`
//   strong     no read index yet       Wait NoSample, with `sample` and `otherwise`
//              a standby has it        Node standby
//              all behind              Wait NotFresh, with `sample` and `otherwise`
//   any        no standby at all       `may`: Node primary NoStandby; else Wait
//   any but    token not of the        Fail LostHistory, for writes, too: a transaction that
//   eventual   cluster's history       writes reads as well; Wait NoPrimary as long as nobody has
//                                      told where the cluster's timeline began
//              token of a timeline     Wait NotFresh, without `otherwise`: the primary that is
//              still unseen here       known here is no more
struct Route {
    enum class Verdict : std::uint8_t {
        Node,  // `node` serves it.
        Wait,  // Until the view changes; the proxy decides for how long.
        Fail,  // Nothing may serve it (NoNode, LostHistory).
    };
    Verdict verdict = Verdict::Fail;
    NodeId node;
    Reason reason = Reason::NoNode;
    // The node that serves it if waiting takes too long; null: none.
    NodeId otherwise;
    // A look at this node, started now or later, would help; null: none is needed. May be set
    // beside Node, too: the next unit of this session will need it.
    NodeId sample;
};

// `loads` runs parallel to view.nodes (nodes beyond its end count as idle). Allocates nothing. Two
// eligible standbys are drawn and the less busy one is taken (weights, zones and slow start
// considered); a session stays on its standby while that is eligible and not much busier than the
// other draw. Nodes of our zone only, while one of them is eligible and they are not much busier
// than the others.
Route decide(const Request& request, const cluster::ClusterView& view,
             cluster::Freshness& freshness, std::span<const NodeLoad> loads,
             const RouteRules& rules, Instant now, Random& random);

}  // namespace pgweir::route
