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
    if (what == Resume) return world_.replication().resume(static_cast<std::uint32_t>(detail));
    const auto standby = static_cast<std::uint32_t>(world_.random().below(world_.nodes() - 1));
    switch (world_.random().below(4)) {
        case 0:
            if (fates_.conflicts) world_.node(standby + 1).conflict();
            break;
        case 1:
            if (fates_.standbys) strike(world_.node(standby + 1));
            break;
        case 2:
            if (fates_.node) strike(world_.node());
            break;
        default:
            if (fates_.lags) lag(standby);
            break;
    }
    plan();
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
    switch (world_.random().below(5)) {
        case 0:
            return node.crash(some(200), some(400));
        case 1:
            return node.freeze(some(2000));
        case 2:
            return node.babble();
        default:
            return node.terminate_one();
    }
}

}  // namespace pgweir::sim
