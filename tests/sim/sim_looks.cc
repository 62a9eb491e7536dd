// SPDX-License-Identifier: PostgreSQL
// Questions to nodes and their answers.
#include "sim/sim_looks.h"

#include <utility>

#include "sim/sim_front.h"
#include "sim/world.h"

namespace pgweir::sim {

SimLooks::SimLooks(World& world, SimWorker& worker) : world_(world), worker_(worker) {}

void SimLooks::learn_of_deaths() {
    if (std::exchange(learns_of_deaths_, true)) return;
    for (std::uint32_t i = 0; i < world_.nodes(); ++i) world_.node(i).set_mourner(*this, NodeDied);
}

Duration SimLooks::some(Duration most) {
    return Duration::microseconds(
        static_cast<std::int64_t>(world_.random().below(static_cast<std::uint64_t>(most.us) + 1)));
}

void SimLooks::look(const LookAtNode& order) {
    learn_of_deaths();
    Look& look = looks_[order.node];
    if (look.is_under_way) give_up(order.node, look);
    look.target = world_.find_node(order.address.host);
    look.number = ++numbers_;
    look.is_under_way = true;
    look.is_connected = look.is_connected && !order.over_new_connection;
    look.seen = {};
    look.seen.started_at = world_.now();
    look.seen.over = order.over_new_connection ? cluster::ProbeOver::New : cluster::ProbeOver::Open;
    under_way_[look.number] = order.node;
    world_.transcript().note("look.begin", order.node.value, look.number);
    const LookWeather& weather = world_.options().look_weather;
    const auto happens = [&](std::uint64_t one_in) {
        return one_in != 0 && !world_.is_healed() && world_.random().one_in(one_in);
    };
    const Duration limit = order.timeout ? order.timeout : Duration::seconds(1);
    world_.agenda().after(limit, *this, TimedOut, look.number);
    if (happens(weather.hang_one_in)) return world_.transcript().fault("look.hangs", look.number);
    Duration way_there = some(weather.delay_max);
    look.way_back = some(weather.delay_max);
    if (happens(weather.late_one_in)) {
        world_.transcript().fault("look.late", look.number);
        Duration& slow_way = world_.random().one_in(2) ? way_there : look.way_back;
        slow_way = some({limit.us / 2});
    }
    look.will_fail = look.target == nullptr || happens(weather.fail_one_in);
    if (look.will_fail) world_.transcript().fault("look.fails", look.number);
    world_.agenda().after(way_there, *this, Asked, look.number);
}

// A look that is still under way fails before the next one begins. Nothing is told from within an
// order.
void SimLooks::give_up(NodeId node, Look& look) {
    under_way_.erase(look.number);
    look.is_connected = false;
    look.seen.failure = "another look was ordered";
    given_up_.push_back({node, look.target, look.seen});
    world_.agenda().after({}, *this, GivenUp);
}

void SimLooks::tell_given_up() {
    GivenUpLook gone = std::move(given_up_.front());
    given_up_.pop_front();
    gone.seen.ended_at = world_.now();
    if (gone.target != nullptr) {
        world_.watch().routing().looked(*gone.target, gone.seen.started_at, false);
    }
    worker_.tell(NodeObserved{gone.node, std::move(gone.seen)});
}

void SimLooks::forget(NodeId node) {
    const auto found = looks_.find(node);
    if (found == looks_.end()) return;
    under_way_.erase(found->second.number);
    looks_.erase(found);
}

SimLooks::Look* SimLooks::by_number(std::uint64_t number, NodeId& node) {
    const auto found = under_way_.find(number);
    if (found == under_way_.end()) return nullptr;
    node = found->second;
    return &looks_.at(node);
}

void SimLooks::on_time(std::uint32_t what, std::uint64_t detail) {
    if (what == NodeDied) return node_died(static_cast<std::uint32_t>(detail));
    if (what == GivenUp) return tell_given_up();
    NodeId node;
    Look* look = by_number(detail, node);
    if (look == nullptr) return;
    switch (static_cast<What>(what)) {
        case Asked:
            return ask(node, *look);
        case Answered:
            if (look->target->incarnation() != look->incarnation) {
                return fail(node, *look, "server closed the connection unexpectedly");
            }
            return tell(node, *look);
        default:
            return fail(node, *look, "timeout expired");
    }
}

void SimLooks::ask(NodeId node, Look& look) {
    if (look.will_fail) return fail(node, look, "could not connect");
    if (look.target->is_starting()) {
        return fail(node, look, "the database system is starting up", "57P03");
    }
    if (!look.target->is_up()) return fail(node, look, "Connection refused");
    if (look.target->is_frozen()) {
        world_.agenda().after(Duration::milliseconds(10), *this, Asked, look.number);
        return;
    }
    look.incarnation = look.target->incarnation();
    fill(look);
    world_.agenda().after(look.way_back, *this, Answered, look.number);
}

void SimLooks::fill(Look& look) {
    const SimPostgres& node = *look.target;
    const std::uint64_t silent = world_.options().look_weather.silent_one_in;
    look.seen.in_recovery = node.is_standby();
    look.seen.system_id = silent != 0 && world_.random().one_in(silent) ? 0 : node.system_id();
    look.seen.timeline = node.timeline();
    look.seen.lsn = cluster::Lsn{node.place()};
    if (!node.is_standby()) look.seen.recovery_ended_at = cluster::Lsn{node.recovery_ended_at()};
    look.seen.started_unix_us = 1'700'000'000'000'000 + node.incarnation();
}

void SimLooks::fail(NodeId node, Look& look, std::string_view failure, std::string_view sqlstate) {
    look.seen.failure = failure;
    look.seen.sqlstate = sqlstate;
    look.is_connected = false;
    tell(node, look);
}

void SimLooks::tell(NodeId node, Look& look) {
    under_way_.erase(look.number);
    look.is_under_way = false;
    look.seen.ended_at = world_.now();
    const bool answered = look.seen.answered();
    if (answered) look.is_connected = true;
    if (look.target != nullptr) {
        world_.watch().routing().looked(*look.target, look.seen.started_at, answered);
    }
    world_.transcript().note("look.end", node.value, answered ? 1 : 0, as_bytes(look.seen.failure));
    // The core may order the next look at once.
    worker_.tell(NodeObserved{node, cluster::Observation(look.seen)});
}

// The connection that is kept open for looks is the first to notice.
void SimLooks::node_died(std::uint32_t number) {
    std::vector<NodeId> bereaved;
    for (const auto& [node, look] : looks_) {
        if (look.target != nullptr && look.target->number() == number && look.is_connected) {
            bereaved.push_back(node);
        }
    }
    for (const NodeId node : bereaved) {
        const auto found = looks_.find(node);
        if (found == looks_.end()) continue;
        Look& look = found->second;
        if (!look.is_under_way) {
            look.seen = {};
            look.seen.started_at = world_.now();
        }
        fail(node, look, "server closed the connection unexpectedly");
    }
}

}  // namespace pgweir::sim
