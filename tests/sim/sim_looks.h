// SPDX-License-Identifier: PostgreSQL
// Looks at nodes in virtual time: what io/prober does with libpq. A look has weather of its own: it
// may be late, fail, or hang until its timeout; what it tells was true at some moment between its
// question and its answer.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string_view>

#include "pgweir/cluster/observation.h"
#include "pgweir/session/effect.h"
#include "sim/agenda.h"

namespace pgweir::sim {

class SimPostgres;
class SimWorker;
class World;

class SimLooks final : public Actor {
 public:
    SimLooks(World& world, SimWorker& worker);

    void look(const LookAtNode& order);
    void forget(NodeId node);

    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    enum What : std::uint32_t { Asked, Answered, TimedOut, NodeDied, GivenUp };
    struct Look {
        SimPostgres* target = nullptr;
        std::uint64_t number = 0;       // Of the look under way, or the last one.
        std::uint32_t incarnation = 0;  // Of the node, when it was asked.
        Duration way_back{};
        cluster::Observation seen;
        bool is_under_way = false;
        bool is_connected = false;
        bool will_fail = false;
    };
    struct GivenUpLook {
        NodeId node;
        SimPostgres* target;
        cluster::Observation seen;
    };
    // Which look an event means; null if it is over.
    Look* by_number(std::uint64_t number, NodeId& node);
    void give_up(NodeId node, Look& look);
    void tell_given_up();
    void ask(NodeId node, Look& look);
    void fill(Look& look);
    void fail(NodeId node, Look& look, std::string_view failure, std::string_view sqlstate = {});
    void tell(NodeId node, Look& look);
    // From the first look on.
    void learn_of_deaths();
    void node_died(std::uint32_t number);
    Duration some(Duration most);

    World& world_;
    SimWorker& worker_;
    std::map<NodeId, Look> looks_;
    std::map<std::uint64_t, NodeId> under_way_;  // By the look's number.
    std::deque<GivenUpLook> given_up_;
    std::uint64_t numbers_ = 0;
    bool learns_of_deaths_ = false;
};

}  // namespace pgweir::sim
