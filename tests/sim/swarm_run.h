// SPDX-License-Identifier: PostgreSQL
// One run of the swarm: everything about it follows from its seed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pgweir/base/instant.h"

namespace pgweir::sim {

struct RunResult {
    std::uint64_t events = 0;
    std::uint64_t hash = 0;
    std::string plan;  // What was run, in one line.
    std::vector<std::string> violations;
    std::string last_lines;  // Of the transcript; only if there are violations.
    std::map<std::string, std::uint64_t> faults;
    std::array<std::uint64_t, 256> messages{};
    bool is_cluster = false;
    std::uint64_t turns_on_primary = 0;  // Of clusters.
    std::uint64_t turns_on_standbys = 0;
    std::uint64_t sessions = 0;
    std::uint64_t cancels = 0;  // Requests that clients have sent.
    Duration simulated;
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
    // To make a run that fails smaller: less of what its seed says.
    std::vector<std::string> without{};  // Names of misfortunes().
    std::uint32_t wanderers_max = UINT32_MAX;
    std::uint32_t workers_max = UINT32_MAX;
};

// What a run can be spared of.
std::vector<std::string> misfortunes();

RunResult run_swarm(const RunRequest& request);

}  // namespace pgweir::sim
