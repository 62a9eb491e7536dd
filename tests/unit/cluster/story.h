// SPDX-License-Identifier: PostgreSQL
// A cluster of three nodes, told what happens in short sentences.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "pgweir/cluster/cluster.h"

namespace pgweir::cluster {

inline constexpr NodeId kOne{1};
inline constexpr NodeId kTwo{2};
inline constexpr NodeId kThree{3};
inline constexpr std::uint64_t kSystem = 7301558473093292123U;

inline Instant at_ms(std::int64_t ms) {
    return Instant{} + Duration::milliseconds(ms);
}

inline NodeConfig node_config(std::uint64_t n) {
    NodeConfig config;
    config.id = NodeId{n};
    config.address = {"db" + std::to_string(n), 5432};
    return config;
}

// What a node tells.
struct Tells {
    bool in_recovery = true;
    std::uint64_t lsn = 100;
    std::uint32_t timeline = 1;
    std::int64_t started = 1;
    std::uint64_t system_id = kSystem;
    ProbeOver over = ProbeOver::Open;
    std::int64_t took_us = 200;
    std::uint64_t recovery_ended_at = 0;
    std::uint64_t acknowledged = 0;
};

struct Story {
    explicit Story(ClusterRules rules = {}, std::uint64_t nodes = 3)
        : cluster(configs(nodes), rules, 42, now) {}

    static std::vector<NodeConfig> configs(std::uint64_t nodes) {
        std::vector<NodeConfig> made;
        for (std::uint64_t n = 1; n <= nodes; ++n) made.push_back(node_config(n));
        return made;
    }

    void answer(NodeId node, const Tells& tells) {
        Observation seen;
        seen.started_at = now;
        now = now + Duration::microseconds(tells.took_us);
        seen.ended_at = now;
        seen.over = tells.over;
        seen.in_recovery = tells.in_recovery;
        seen.system_id = tells.system_id;
        seen.timeline = tells.timeline;
        seen.lsn = Lsn{tells.lsn};
        seen.started_unix_us = tells.started;
        seen.recovery_ended_at = Lsn{tells.recovery_ended_at};
        seen.acknowledged = Lsn{tells.acknowledged};
        cluster.observe(node, seen, now);
    }
    void primary(NodeId node, std::uint64_t lsn, std::uint32_t timeline = 1) {
        answer(node, {.in_recovery = false, .lsn = lsn, .timeline = timeline});
    }
    void standby(NodeId node, std::uint64_t lsn, std::uint32_t timeline = 1) {
        answer(node, {.lsn = lsn, .timeline = timeline});
    }
    void fails(NodeId node, const std::string& why = "connection refused",
               ProbeOver over = ProbeOver::Open) {
        Observation seen;
        seen.started_at = now;
        now = now + Duration::microseconds(200);
        seen.ended_at = now;
        seen.over = over;
        seen.failure = why;
        cluster.observe(node, seen, now);
    }
    // To a look over a new connection.
    void refuses(NodeId node, const std::string& sqlstate) {
        Observation seen;
        seen.started_at = now;
        now = now + Duration::microseconds(200);
        seen.ended_at = now;
        seen.over = ProbeOver::New;
        seen.failure = "FATAL";
        seen.sqlstate = sqlstate;
        cluster.observe(node, seen, now);
    }
    // One is the primary, the others follow it.
    void begin(std::uint64_t lsn = 100) {
        primary(kOne, lsn);
        standby(kTwo, lsn);
        standby(kThree, lsn);
    }
    void pass_ms(std::int64_t ms) { now = now + Duration::milliseconds(ms); }

    const ClusterView& view() { return *cluster.view(now); }
    const NodeView& node(NodeId id) {
        const NodeView* found = view().find(id);
        REQUIRE(found != nullptr);
        return *found;
    }
    Trouble trouble(NodeId id) { return node(id).trouble; }
    // All texts since the last call, a line each; alarms begin with '!'.
    std::string events() {
        std::string all;
        for (const ClusterEvent& event : cluster.take_events()) {
            all += (event.is_alarm ? "!" : "") + event.text + "\n";
        }
        return all;
    }

    Instant now = at_ms(1000);
    Cluster cluster;
};

inline bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace pgweir::cluster
