// SPDX-License-Identifier: PostgreSQL
// Which of several standbys serves: work, latency, weights, zones, slow start.
#include "route/balance.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

namespace pgweir::route {

namespace {

using cluster::NodeView;

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};

struct Fixture {
    Fixture() {
        for (std::uint64_t n = 1; n <= 3; ++n) {
            NodeView node;
            node.id = NodeId{n};
            nodes.push_back(node);
        }
        loads.resize(3, {0, 100});
    }
    NodeView& node(NodeId id) { return nodes.at(id.value - 1); }
    NodeLoad& load(NodeId id) { return loads.at(id.value - 1); }
    NodeId draw(NodeId stay = {}) {
        Candidates candidates;
        for (std::size_t i = 0; i < nodes.size(); ++i) candidates.add(nodes[i], loads[i]);
        return candidates.draw(stay, rules, now, random).id;
    }
    std::map<NodeId, int> many(int n, NodeId stay = {}) {
        std::map<NodeId, int> count;
        for (int i = 0; i < n; ++i) count[draw(stay)]++;
        return count;
    }
    // Units that come and stay: the share of each node when `n` are there.
    std::map<NodeId, int> fill(int n) {
        std::map<NodeId, int> count;
        for (int i = 0; i < n; ++i) {
            const NodeId id = draw();
            ++load(id).outstanding;
            ++count[id];
        }
        return count;
    }

    std::vector<NodeView> nodes;
    std::vector<NodeLoad> loads;
    RouteRules rules;
    Instant now = Instant{} + Duration::seconds(100);
    Random random{3};
};

}  // namespace

TEST_CASE("equal nodes get equal shares") {
    Fixture f;
    auto count = f.many(3000);
    for (const NodeId id : {kOne, kTwo, kThree}) {
        CHECK(count[id] > 800);
        CHECK(count[id] < 1200);
    }
}

TEST_CASE("the busiest and the slowest of all is never drawn as the better one") {
    Fixture f;
    f.load(kOne).outstanding = 10;
    CHECK_FALSE(f.many(300).contains(kOne));
    f.load(kOne).outstanding = 0;
    f.load(kOne).latency_us = 1000;
    CHECK_FALSE(f.many(300).contains(kOne));
}

TEST_CASE("work is spread by weight") {
    Fixture f;
    f.node(kOne).weight = 4;
    auto count = f.fill(600);
    CHECK(count[kOne] > 330);
    CHECK(count[kOne] < 430);
    CHECK(count[kTwo] > 70);
}

TEST_CASE("a node that was never used is taken for an average one") {
    Fixture f;
    f.load(kOne) = {0, 0};
    auto count = f.many(3000);
    CHECK(count[kOne] > 800);
    CHECK(count[kOne] < 1200);
    f.load(kOne) = {50, 0};
    CHECK_FALSE(f.many(100).contains(kOne));
}

TEST_CASE("a node that came back gets its share slowly") {
    Fixture f;
    f.rules.slow_start = Duration::seconds(10);
    f.node(kOne).usable_since = f.now;
    const auto early = f.fill(300)[kOne];
    CHECK(early > 5);
    CHECK(early < 40);
    Fixture g;
    g.rules.slow_start = Duration::seconds(10);
    g.node(kOne).usable_since = g.now - Duration::seconds(5);
    const auto half = g.fill(300)[kOne];
    CHECK(half > 45);
    CHECK(half < 75);
    Fixture h;
    h.rules.slow_start = Duration::seconds(10);
    h.node(kOne).usable_since = h.now - Duration::seconds(10);
    CHECK(h.fill(300)[kOne] > 90);
}

TEST_CASE("our zone serves while it is not much busier than the others") {
    Fixture f;
    f.rules.zone = "a";
    f.node(kOne).zone = f.node(kTwo).zone = "a";
    f.node(kThree).zone = "b";
    CHECK_FALSE(f.many(300).contains(kThree));
    f.load(kOne).outstanding = f.load(kTwo).outstanding = 8;
    CHECK_FALSE(f.many(300).contains(kThree));
    f.load(kOne).outstanding = f.load(kTwo).outstanding = 9;
    CHECK(f.many(300)[kThree] > 150);
    f.load(kTwo).outstanding = 1;  // One of ours is free enough.
    CHECK_FALSE(f.many(300).contains(kThree));
}

TEST_CASE("without a node in our zone any other serves") {
    Fixture f;
    f.rules.zone = "c";
    f.node(kOne).zone = "a";
    CHECK(f.many(300).size() == 3);
}

TEST_CASE("who stays moves only for much less work") {
    Fixture f;
    f.load(kOne).outstanding = 1;
    CHECK(f.many(100, kOne) == std::map<NodeId, int>{{kOne, 100}});
    f.load(kOne).outstanding = 2;
    CHECK_FALSE(f.many(100, kOne).contains(kOne));
    // A node that is no candidate holds nobody.
    CHECK(f.many(100, NodeId{9}).size() >= 2);
}

TEST_CASE("a weight of nothing is a small one") {
    Fixture f;
    for (NodeView& node : f.nodes) node.weight = 0;
    CHECK(f.many(300).size() == 3);
}

}  // namespace pgweir::route
