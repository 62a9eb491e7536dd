// SPDX-License-Identifier: PostgreSQL
// The nodes that replicate one another: observations in, ClusterView out. It decides when a node is
// looked at next, who the primary is (system identifier, timeline, fencing), and how far behind
// each standby is. One worker owns it.
//
//   quiet        each node about once a second, with jitter
//   wanted       somebody waits for a place: at once, one look at a time for each node
//   suspicious   every 10–25 ms, for a bounded time
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
    bool is_blind = false;
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
    Cluster(std::vector<NodeConfig> nodes, ClusterRules rules, std::uint64_t seed, Instant now);

    // Looks that are due now, each to be answered with observe(). Order of nodes.
    void due(Instant now, std::vector<ProbeOrder>& orders);
    Instant next_deadline() const;
    void observe(NodeId node, const Observation& observation, Instant now);

    void suspect(NodeId node, Suspicion why, Instant now);
    // Somebody waits for a look at `node` that starts now or later. Costs nothing if such a look
    // is due already.
    void want_sample(NodeId node, Instant now);
    // The operator's word: a drained node gets no new work.
    void drain(NodeId node, bool is_drained, Instant now);

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
