// SPDX-License-Identifier: PostgreSQL
// What befalls a cluster.
#include "sim/swarm_chaos.h"

namespace pgweir::sim {

Duration ClusterChaos::some(std::uint64_t milliseconds) {
    return Duration::microseconds(
        static_cast<std::int64_t>(world_.random().below(milliseconds * 1000)));
}

void ClusterChaos::plan() {
    world_.agenda().after(some(60), *this, Strike);
}

void ClusterChaos::on_time(std::uint32_t what, std::uint64_t detail) {
    if (healed_) return;
    const auto number = static_cast<std::uint32_t>(detail);
    if (what == Resume) return world_.replication().resume(number);
    if (what == Promote) return promote();
    if (what == Rejoin) return world_.node(number).rejoin(some(500));
    SimPostgres& standby = some_standby();
    switch (world_.random().below(4)) {
        case 0:
            if (fates_.conflicts) standby.conflict();
            break;
        case 1:
            if (fates_.standbys) strike(standby);
            break;
        case 2:
            // While an old primary is alive nobody but the new one can tell pgweir of it.
            if (is_failing_over_ || has_deposed()) break;
            if (fates_.node) strike(world_.primary());
            if (fates_.failovers && world_.random().one_in(3)) break_primary();
            break;
        default:
            if (fates_.lags && standby.is_standby()) lag(standby.number() - 1);
            break;
    }
    plan();
}

bool ClusterChaos::has_deposed() {
    for (std::uint32_t number = 0; number < world_.nodes(); ++number) {
        if (world_.node(number).is_deposed()) return true;
    }
    return false;
}

SimPostgres& ClusterChaos::some_standby() {
    const SimPostgres& primary = world_.primary();
    auto number = static_cast<std::uint32_t>(world_.random().below(world_.nodes() - 1));
    if (number >= primary.number()) ++number;
    return world_.node(number);
}

void ClusterChaos::break_primary() {
    SimPostgres& primary = world_.primary();
    if (!primary.is_up() || primary.is_frozen()) return;
    is_failing_over_ = true;
    if (world_.random().one_in(2)) {
        primary.crash(Duration::milliseconds(1500) + some(2000), Duration::milliseconds(50));
    } else {
        primary.freeze(Duration::seconds(15));
    }
    world_.agenda().after(some(800), *this, Promote);
}

// By the orchestrator, which comes too late if the primary is back.
void ClusterChaos::promote() {
    SimPostgres& before = world_.primary();
    SimPostgres& next = some_standby();
    if (before.is_up() && !before.is_frozen()) {
        is_failing_over_ = false;
        return;
    }
    const bool is_fit = next.is_standby() && next.is_up() && !next.is_frozen();
    if (!is_fit) return world_.agenda().after(Duration::milliseconds(50), *this, Promote);
    world_.promote(next.number());
    is_failing_over_ = false;
    // Frozen, it wakes some time later on its old timeline, and somebody sees to it in the end.
    if (before.is_deposed()) {
        world_.agenda().after(Duration::seconds(16) + some(2000), *this, Rejoin, before.number());
    }
}

void ClusterChaos::lag(std::uint32_t standby) {
    Replication& replication = world_.replication();
    switch (world_.random().below(4)) {
        case 0:
            world_.transcript().fault("replay.pause", standby);
            replication.pause(standby);
            world_.agenda().after(some(3000), *this, Resume, standby);
            break;
        case 1:  // It can't keep up.
            replication.set_weather(standby, {.each = some(60)});
            break;
        case 2:
            replication.set_weather(standby, {.delay_max = some(800)});
            break;
        default:
            replication.set_weather(standby, {});
            break;
    }
}

void ClusterChaos::strike(SimPostgres& node) {
    switch (world_.random().below(6)) {
        case 0:
            return node.crash(some(200), some(400));
        case 5:  // It is back before anybody has looked.
            return node.crash(some(4), some(4));
        case 1:
            return node.freeze(some(2000));
        case 2:
            return node.babble();
        default:
            return node.terminate_one();
    }
}

}  // namespace pgweir::sim
