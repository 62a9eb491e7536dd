// SPDX-License-Identifier: PostgreSQL
// Draws a world from a seed, lets it run under faults, heals it, and waits until everybody is
// done: safety all the time, liveness at the end.
#include "sim/swarm_run.h"

#include <algorithm>
#include <memory>

#include "sim/swarm_chaos.h"
#include "sim/swarm_draw.h"

namespace pgweir::sim {
namespace {

void say_who_waits(World& world, const std::vector<std::unique_ptr<Wanderer>>& wanderers) {
    std::string who;
    for (const auto& one : wanderers) {
        if (one->is_done() || one->client() == nullptr) continue;
        SimClient& client = *world.clients()[one->client()->number() - 1];
        who += " client " + std::to_string(client.number()) + " (state " +
               std::to_string(static_cast<int>(client.state())) + ", owed " +
               (client.check() != nullptr ? client.check()->owed() : "a login") + ")";
    }
    world.transcript().violation("I31: after all faults healed these still wait:" + who);
}

bool is_cluster(const RunRequest& request) {
    if (request.kind == WorldKind::Any) return request.seed % 2 == 0;
    return request.kind != WorldKind::Single;
}

}  // namespace

RunResult run_swarm(const RunRequest& request) {
    const Draw draw = is_cluster(request) ? draw_cluster(request) : draw_single(request);
    World world(draw.world);
    Random random(request.seed + 77);
    std::vector<std::unique_ptr<Wanderer>> wanderers;
    for (std::uint32_t i = 0; i < draw.wanderers; ++i) {
        wanderers.push_back(std::make_unique<Wanderer>(world, draw_wanderer(draw, random)));
        // Most clients of a cluster come when its nodes are known, some before.
        const std::uint64_t latest = world.nodes() > 1 ? 400'000 : 5000;
        wanderers.back()->start(
            Duration::microseconds(static_cast<std::int64_t>(random.below(latest))));
    }
    std::unique_ptr<Chaos> chaos;
    if (draw.fates.node && world.nodes() == 1) chaos = std::make_unique<Chaos>(world);
    std::unique_ptr<ClusterChaos> cluster_chaos;
    if (world.nodes() > 1) cluster_chaos = std::make_unique<ClusterChaos>(world, draw.fates);
    std::unique_ptr<Reloader> reloader;
    if (draw.fates.reloads) reloader = std::make_unique<Reloader>(world);
    const auto all_done = [&wanderers] {
        return std::all_of(wanderers.begin(), wanderers.end(),
                           [](const auto& one) { return one->is_done(); });
    };
    std::uint64_t quiet_check = 0;
    while (!world.has_violations() && world.agenda().happened() < request.steps && world.step()) {
        if (++quiet_check % 64 == 0 && all_done()) break;
    }
    world.heal();
    if (chaos) chaos->heal();
    if (cluster_chaos) cluster_chaos->heal();
    if (reloader) reloader->heal();
    for (const auto& one : wanderers) one->heal();
    if (!world.run_until(all_done, Duration::seconds(300)) && !world.has_violations()) {
        say_who_waits(world, wanderers);
    }
    for (const auto& client : world.clients()) {
        if (client->check() == nullptr || world.has_violations()) continue;
        std::string verdict = client->check()->final_verdict();
        if (!verdict.empty()) world.transcript().violation(std::move(verdict));
    }
    if (!world.has_violations()) world.shut_down_and_check(Duration::seconds(60));
    RunResult result;
    result.events = world.agenda().happened();
    result.hash = world.transcript().hash();
    result.plan = draw.plan;
    result.violations = world.transcript().violations();
    if (!result.violations.empty())
        result.last_lines = world.transcript().last_lines(request.lines);
    result.faults = world.transcript().faults();
    result.messages = world.transcript().messages();
    result.is_cluster = world.nodes() > 1;
    result.sessions = world.clients().size();
    for (const auto& client : world.clients()) {
        result.cancels += world.truth().client(client->number()).cancels_sent;
    }
    result.simulated = world.now() - Instant{};
    if (world.nodes() > 1) result.turns_on_primary = world.watch().routing().turns_on(0);
    for (std::uint32_t node = 1; node < world.nodes(); ++node) {
        result.turns_on_standbys += world.watch().routing().turns_on(node);
    }
    return result;
}

}  // namespace pgweir::sim
