// SPDX-License-Identifier: PostgreSQL
// One run of the swarm: everything about it follows from its seed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pgweir::sim {

struct RunResult {
    std::uint64_t events = 0;
    std::uint64_t hash = 0;
    std::string plan;  // What was run, in one line.
    std::vector<std::string> violations;
    std::string last_lines;  // Of the transcript; only if there are violations.
    std::map<std::string, std::uint64_t> faults;
    std::array<std::uint64_t, 256> messages{};
    std::uint64_t turns_on_primary = 0;  // Of clusters.
    std::uint64_t turns_on_standbys = 0;
};

enum class WorldKind : std::uint8_t {
    Any,  // As the seed says.
    Single,
    Cluster,
    Failover,  // A cluster whose primary goes again and again.
};

struct RunRequest {
    std::uint64_t seed = 1;
    WorldKind kind = WorldKind::Any;
    std::uint64_t steps = 20000;  // Happenings until all faults heal.
    bool direct = false;          // No core between: the model checks itself.
    std::size_t lines = 60;
};

RunResult run_swarm(const RunRequest& request);

}  // namespace pgweir::sim
