// SPDX-License-Identifier: PostgreSQL
// What a run of the swarm is made of: a world, its misfortunes and its clients, drawn from a seed.
#pragma once

#include <cstdint>
#include <string>

#include "sim/swarm_run.h"
#include "sim/wanderer.h"
#include "sim/world.h"

namespace pgweir::sim {

// Which misfortunes a run may have.
struct Fates {
    bool mischief = false;      // Clients that vanish, babble, cancel, stop reading.
    bool client_links = false;  // Faults between clients and pgweir.
    bool node = false;          // Crashes, and faults between pgweir and the node.
    bool cancels = false;
    bool short_waits = false;  // query_wait_timeout may strike.
    bool reloads = false;
    // Of clusters only.
    bool lags = false;       // Standbys fall behind.
    bool conflicts = false;  // Replay cancels what runs on standbys.
    bool standbys = false;   // Crashes of standbys.
    bool lies = false;       // The catalog calls a function harmless that writes.
    bool failovers = false;  // The primary goes, and a standby is promoted.
};

struct Draw {
    WorldOptions world;
    Fates fates;
    Fates tolerated;  // What clients put up with: the fates, before any of them was left out.
    std::string mode;
    std::uint32_t pool_size = 1;
    std::uint32_t wanderers = 1;
    bool passwords = false;
    std::string plan;
    ReadLevel levels[2] = {ReadLevel::Strong, ReadLevel::Strong};  // Of databases app and other.
};

// What the request does not want, whatever the seed says.
void leave_out(const RunRequest& request, Draw& draw);
// One node behind every database.
Draw draw_single(const RunRequest& request);
// A primary and its standbys.
Draw draw_cluster(const RunRequest& request);
WandererPlan draw_wanderer(const Draw& draw, Random& random);

}  // namespace pgweir::sim
