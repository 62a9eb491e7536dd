// SPDX-License-Identifier: PostgreSQL
// When each node is looked at next, and over which connection. It knows nothing of what looks see,
// except whether they failed. The paces are in cluster.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cluster/round_trips.h"
#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/base/random.h"
#include "pgweir/cluster/cluster.h"

namespace pgweir::cluster {

class ProbeSchedule {
 public:
    ProbeSchedule(const ClusterRules& rules, std::uint64_t seed) : rules_(rules), random_(seed) {}

    // The nodes are these, in this order; those that stay keep their places.
    void configure(const std::vector<NodeConfig>& nodes, const ClusterRules& rules, Instant now);

    // Orders that are due, and marks them as under way.
    void due(Instant now, std::vector<ProbeOrder>& orders);
    // The first order that was not answered within twice probe_timeout: it counts as failed, and
    // observe() has to be told so.
    std::optional<NodeId> overdue(Instant now) const;
    Instant next_deadline() const;

    // A look has ended. An order that was given up may still be answered later.
    void ended(NodeId node, const Observation& seen, Instant now);
    void gave_up(NodeId node, Instant now);

    void want(NodeId node, Instant now);
    // The next look at it goes over a new connection, and is due.
    void want_new(NodeId node, Instant now);
    // As long as that holds, no look goes over the open connection.
    void only_new(NodeId node, bool only);
    // Suspicion: all nodes are looked at at once, and often for a bounded time. A suspicion that
    // is under way is not prolonged by signs. True if this one began it.
    bool suspect_all(Instant now);
    bool is_suspicious(Instant now) const { return now < suspicious_until_; }
    // LateProbe signs are trusted again: networks whose delay varies would never be quiet.
    bool may_doubt_delay(Instant now) const;
    // Since when there is no primary; never: there is one.
    void no_primary_since(Instant since, Instant now);

 private:
    struct Entry {
        NodeId node;
        Instant regular_at{};  // When the next look is due by the pace.
        Instant new_at{};      // From when on a look goes over a new connection.
        Instant wanted_at = Instant::never();
        std::optional<ProbeOver> confirm;  // A failed look is followed by one over the other kind.
        bool is_only_new = false;
        bool is_under_way = false;
        int given_up = 0;  // Orders whose late answers may still come.
        Instant sent_at = Instant{} - Duration::seconds(3600);
        ProbeOver over = ProbeOver::Open;
        int failures = 0;
        RoundTrips open;  // Failed looks included: a timeout that was too short grows.
        RoundTrips fresh;
    };
    Entry* find(NodeId node);
    Instant due_at(const Entry& entry) const;
    ProbeOver over_of(const Entry& entry, Instant now) const;
    Duration timeout_of(const Entry& entry, ProbeOver over) const;
    Duration pace(Instant now) const;
    Duration jittered(Duration interval);
    Instant next_new(Instant now);
    void send(Entry& entry, Instant now, std::vector<ProbeOrder>& orders);
    void settle(Entry& entry, bool has_failed, Instant now);
    void hasten(Instant now);

    ClusterRules rules_;
    Random random_;
    std::vector<Entry> entries_;
    Instant suspicious_until_{};
    Instant no_primary_since_ = Instant::never();
};

}  // namespace pgweir::cluster
