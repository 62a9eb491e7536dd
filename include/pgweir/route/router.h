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
    Duration evidence_age_max;  // Older evidence is none.
    std::string_view zone;      // Ours; empty: zones do not matter.
};

// What a worker knows of its own traffic to one node, by place in ClusterView::nodes.
struct NodeLoad {
    std::uint32_t outstanding = 0;  // Units of this worker in flight or in line there.
    double latency_us = 0;          // Peak EWMA of units' times.
};

struct Request {
    bool is_read = false;  // Of a unit that may run on a standby.
    sql::RouteHint hint = sql::RouteHint::None;
    sql::Consistency consistency = sql::Consistency::Session;
    Instant arrived_at;  // For Consistency::Strong: the sample has to start after this.
    NodeId avoid;        // It has just refused or lost this unit; null: none.
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

// `loads` runs parallel to view.nodes. Two eligible standbys are drawn and the less busy one is
// taken (weights, zones and slow start considered); a session stays on its standby while that is
// eligible and not much busier than the other draw.
Route decide(const Request& request, const cluster::ClusterView& view,
             cluster::Freshness& freshness, std::span<const NodeLoad> loads,
             const RouteRules& rules, Instant now, Random& random);

}  // namespace pgweir::route
