// SPDX-License-Identifier: PostgreSQL
// The nodes that replicate one another: observations in, ClusterView out. It decides when a node is
// looked at next, who the primary is (system identifier, timeline, fencing), and how far behind
// each standby is. One worker owns it.
//
//   quiet        each node about once a second, with jitter
//   wanted       somebody waits for a place: at once, one look at a time for each node
//   suspicious   every 10–25 ms, for a bounded time
//   no primary   as suspicious at first, then ever more seldom (a thousandth of the time that the
//                primary has been missing), down to the quiet pace
//
// The primary is the node of this cluster's system identifier that is not in recovery, on the
// highest timeline that any node of the cluster ever told.
//
//   - The cluster's system identifier is that of most nodes (the first configured one's, if equal);
//     it stands once more than half of all nodes have it, and counts for nothing before each node
//     has answered or failed to. Nodes with another are strangers.
//   - A node keeps being the primary until a look sees it in recovery, a higher timeline is seen
//     anywhere, two looks in a row have failed, or its evidence is older than evidence_age_max.
//   - Two that claim one timeline: neither. A claim ends when a look sees the node in recovery or
//     restarted without it, or when looks at it fail and its evidence is older than
//     evidence_age_max: so a shared disk may move to another machine, and a silent rival is not
//     overlooked before it has had the time to answer.
//   - A claim without a timeline, where others tell theirs, is no proof: that node is fenced.
//   - A fenced node stays so, restarts included, until it tells the highest timeline.
//   - A standby that tells no timeline may be read from; see NodeView::timeline for freshness.
//   - A node that answers over the open connection and refuses new ones with 57P03 shuts down as
//     soon as its sessions have ended ("smart"): it gets no new work, and the open connection is
//     not used any more (Trouble::Stopping), so that it can.
//
// Reads: the first failed look ends a standby's; a second one follows at once over the other kind
// of connection. A standby that takes no new connections gets none either; a primary that takes
// none stays the primary (an alarm), as its open connections may well go on.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/base/random.h"
#include "pgweir/cluster/cluster_view.h"
#include "pgweir/cluster/observation.h"

namespace pgweir::cluster {

struct NodeConfig {
    NodeId id;
    NodeAddress address;
    std::string zone;
    std::uint32_t weight = 1;
};

struct ClusterRules {
    Duration max_replica_lag = Duration::seconds(10);  // 0: no bound.
    std::uint64_t max_replica_lag_bytes = 64U << 20;   // 0: no bound.
    Duration probe_interval = Duration::seconds(1);    // While all is quiet.
    Duration probe_interval_suspicious = Duration::milliseconds(20);
    Duration suspicion_time = Duration::seconds(10);       // Suspicion ends after this.
    Duration probe_timeout = Duration::seconds(1);         // A look that takes longer has failed.
    Duration probe_new_interval = Duration::seconds(10);   // A look over a new connection.
    Duration sample_interval = Duration::milliseconds(1);  // Between looks that somebody wants.
    // Evidence older than this counts for nothing.
    Duration evidence_age_max = Duration::seconds(5);
    Duration switchover_timeout = Duration::seconds(45);  // See begin_switchover().
    bool is_blind = false;  // No looks at all; the first node is the primary.
};

// Signs that something has changed: each only makes pgweir look; none changes a role by itself.
enum class Suspicion : std::uint8_t {
    ConnectionLost,   // Reset, end of file, FATAL 57P01, 57P02, of a server of the node.
    ConnectRefused,   // Also 57P03.
    ReadOnlyRefusal,  // 25006 from the primary.
    RoleReport,       // in_hot_standby of a server says something else.
    LateProbe,
    Hint,  // The operator, or an orchestrator.
};

struct ProbeOrder {
    NodeId node;
    ProbeOver over = ProbeOver::Open;
    // The look has failed if there is no answer by then: what is usual for this node allowed for,
    // and at most probe_timeout. So a host that dies silently is noticed within some 100 ms.
    Duration timeout = Duration::seconds(1);
};

// What changed, for the log and SHOW EVENTS.
struct ClusterEvent {
    Instant at;
    NodeId node;
    std::string text;  // One line.
    bool is_alarm = false;
};

class Cluster {
 public:
    // REQUIRES: at most kNodesMax nodes.
    Cluster(std::vector<NodeConfig> nodes, ClusterRules rules, std::uint64_t seed, Instant now);

    // Looks that are due now, appended in the order of nodes, each to be answered with observe()
    // within its timeout: at most one is under way for each node. One that is not answered within
    // twice probe_timeout counts as failed.
    void due(Instant now, std::vector<ProbeOrder>& orders);
    // When due() has to be asked again. view() may change then, too: evidence gets old.
    Instant next_deadline() const;
    // May be called without an order, too. An observation that started before the last one that
    // counted is ignored. REQUIRES: started_at is not after the moment at which the question left,
    // ended_at not before the moment at which the answer was read.
    void observe(NodeId node, const Observation& observation, Instant now);

    void suspect(NodeId node, Suspicion why, Instant now);
    // Somebody waits for a look at `node` that starts now or later. Costs nothing if such a look
    // is due already.
    void want_sample(NodeId node, Instant now);
    // The operator's word: a drained node gets no new work.
    void drain(NodeId node, bool is_drained, Instant now);
    // The operator is going to promote another node: the primary is drained, and all nodes are
    // looked at often, until another one has become the primary, end_switchover() is called, or
    // switchover_timeout has passed. False: there is no primary to begin with.
    bool begin_switchover(Instant now);
    void end_switchover(Instant now);
    // The node that is drained for a switchover; null: none is.
    NodeId switched_from() const;
    // By drain() or begin_switchover().
    bool is_drained(NodeId node) const;

    // So many sessions have seen or written something beyond the place where the cluster's timeline
    // left the one before; `furthest` is the furthest of those places.
    void note_lost_places(std::uint64_t sessions, Position furthest, Instant now);

    // Rebuilt if something has changed since the last call; else the same object.
    const ClusterViewRef& view(Instant now);
    std::vector<ClusterEvent> take_events();

    // A reload: nodes that stay keep what is known of them.
    void configure(std::vector<NodeConfig> nodes, ClusterRules rules, Instant now);

 private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace pgweir::cluster
