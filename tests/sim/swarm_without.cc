// SPDX-License-Identifier: PostgreSQL
// Less than a seed says: what is left out of a run that fails, to see what the failure needs.
#include <algorithm>

#include "sim/swarm_draw.h"

namespace pgweir::sim {
namespace {

struct Misfortune {
    const char* name;
    void (*leave_out)(Draw& draw);
};

void calm(LinkWeather& weather) {
    weather.reset_one_in = weather.silent_one_in = weather.refuse_one_in = 0;
    weather.hang_one_in = weather.slow_accept_one_in = 0;
}

constexpr Misfortune kMisfortunes[] = {
    {"mischief", [](Draw& draw) { draw.fates.mischief = false; }},
    {"cancels", [](Draw& draw) { draw.fates.cancels = false; }},
    {"client_links", [](Draw& draw) { calm(draw.world.client_weather); }},
    {"server_links", [](Draw& draw) { calm(draw.world.server_weather); }},
    {"splits",
     [](Draw& draw) {
         draw.world.client_weather.split_one_in = draw.world.server_weather.split_one_in = 0;
         draw.world.client_weather.drip_one_in = draw.world.server_weather.drip_one_in = 0;
     }},
    {"notices", [](Draw& draw) { draw.world.node.notice_one_in = 0; }},
    {"node", [](Draw& draw) { draw.fates.node = false; }},
    {"full_nodes", [](Draw& draw) { draw.world.node.max_connections = 100; }},
    {"short_waits", [](Draw& draw) { draw.fates.short_waits = false; }},
    {"reloads", [](Draw& draw) { draw.fates.reloads = false; }},
    {"failovers", [](Draw& draw) { draw.fates.failovers = false; }},
    {"standbys", [](Draw& draw) { draw.fates.standbys = false; }},
    {"conflicts", [](Draw& draw) { draw.fates.conflicts = false; }},
    {"lags", [](Draw& draw) { draw.fates.lags = false; }},
    {"lies", [](Draw& draw) { draw.fates.lies = draw.world.node.catalog_lies = false; }},
    {"going_back", [](Draw& draw) { draw.world.node.goes_back_max = 0; }},
    {"looks", [](Draw& draw) { draw.world.look_weather = LookWeather{}; }},
    {"slow_workers", [](Draw& draw) { draw.world.post_delay_max = WorldOptions{}.post_delay_max; }},
};

}  // namespace

std::vector<std::string> misfortunes() {
    std::vector<std::string> names;
    for (const Misfortune& misfortune : kMisfortunes) names.emplace_back(misfortune.name);
    return names;
}

void leave_out(const RunRequest& request, Draw& draw) {
    draw.tolerated = draw.fates;
    for (const std::string& name : request.without) {
        for (const Misfortune& misfortune : kMisfortunes) {
            if (name == misfortune.name) misfortune.leave_out(draw);
        }
    }
    draw.wanderers = std::min(draw.wanderers, request.wanderers_max);
    draw.world.workers = std::min(draw.world.workers, request.workers_max);
}

}  // namespace pgweir::sim
