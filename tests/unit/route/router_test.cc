// SPDX-License-Identifier: PostgreSQL
// Where units run, by what they ask for and what is known of the nodes.
#include "pgweir/route/router.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

namespace pgweir::route {

namespace {

using cluster::ClusterView;
using cluster::Freshness;
using cluster::Lsn;
using cluster::NodeView;
using cluster::Role;
using cluster::Trouble;
using sql::Consistency;
using Verdict = Route::Verdict;

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};

Instant at_ms(std::int64_t ms) {
    return Instant{} + Duration::milliseconds(ms);
}

NodeView node_view(std::uint64_t n, Role role, std::uint64_t lsn) {
    NodeView node;
    node.id = NodeId{n};
    node.role = role;
    node.trouble = Trouble::None;
    node.timeline = 1;
    node.lsn = Lsn{lsn};
    node.evidence_at = at_ms(1000);
    return node;
}

// One is the primary at 200, Two and Three follow it: Two at 200, Three at 150.
struct Fixture {
    Fixture() {
        view.primary = kOne;
        view.timeline = 1;
        view.system_id = 7;
        view.nodes = {node_view(1, Role::Primary, 200), node_view(2, Role::Standby, 200),
                      node_view(3, Role::Standby, 150)};
        rules.evidence_age_max = Duration::seconds(5);
        request.is_read = true;
        request.arrived_at = now;
    }
    Route route() { return decide(request, view, freshness, loads, rules, now, random); }
    NodeView& node(NodeId id) { return view.nodes.at(id.value - 1); }
    void sample(NodeId id, std::int64_t ms, std::uint64_t lsn) {
        node(id).samples.push_back({at_ms(ms), {Lsn{lsn}, 1}});
        node(id).lsn = std::max(node(id).lsn, Lsn{lsn});
        node(id).evidence_at = at_ms(ms);
    }
    void both(Trouble trouble) { node(kTwo).trouble = node(kThree).trouble = trouble; }
    std::map<NodeId, int> many(int n) {
        std::map<NodeId, int> count;
        for (int i = 0; i < n; ++i) count[route().node]++;
        return count;
    }

    ClusterView view;
    Freshness freshness;
    std::vector<NodeLoad> loads = std::vector<NodeLoad>(3);
    RouteRules rules;
    Request request;
    Instant now = at_ms(1001);
    Random random{7};
};

void check(const Route& route, Verdict verdict, Reason reason, NodeId node = {},
           NodeId otherwise = {}, NodeId sample = {}) {
    CHECK(route.verdict == verdict);
    CHECK_MESSAGE(route.reason == reason, words(route.reason));
    CHECK(route.node == node);
    CHECK(route.otherwise == otherwise);
    CHECK(route.sample == sample);
}

}  // namespace

TEST_CASE("a write goes to the primary, whatever the hint") {
    Fixture f;
    f.request.is_read = false;
    check(f.route(), Verdict::Node, Reason::Write, kOne);
    f.request.hint = sql::RouteHint::Replica;
    check(f.route(), Verdict::Node, Reason::Write, kOne);
}

TEST_CASE("a write waits while no primary is certain") {
    Fixture f;
    f.request.is_read = false;
    SUBCASE("there is none") {
        f.view.primary = {};
    }
    SUBCASE("it is drained") {
        f.node(kOne).trouble = Trouble::Drained;
    }
    SUBCASE("its evidence is old") {
        f.now = at_ms(6001);
    }
    SUBCASE("it has just refused this unit") {
        f.request.avoid = kOne;
        f.request.avoid_since = at_ms(1001);
    }
    check(f.route(), Verdict::Wait, Reason::NoPrimary, {}, {}, f.view.primary);
}

TEST_CASE("a primary that was looked at after it refused is the primary") {
    Fixture f;
    f.request.is_read = false;
    f.request.avoid = kOne;
    f.request.avoid_since = at_ms(999);
    check(f.route(), Verdict::Node, Reason::Write, kOne);
}

TEST_CASE("reads that ask for the primary get it") {
    Fixture f;
    f.request.hint = sql::RouteHint::Primary;
    check(f.route(), Verdict::Node, Reason::PrimaryHint, kOne);
    f.request.hint = sql::RouteHint::None;
    f.request.consistency = Consistency::Primary;
    check(f.route(), Verdict::Node, Reason::PrimaryLevel, kOne);
    f.rules.primary_reads = PrimaryReads::Never;
    check(f.route(), Verdict::Node, Reason::PrimaryLevel, kOne);
}

TEST_CASE("a cluster without nodes serves nobody") {
    Fixture f;
    f.view = {};
    check(f.route(), Verdict::Fail, Reason::NoNode);
}

TEST_CASE("a blind cluster has everything on its first node") {
    Fixture f;
    f.view.is_blind = true;
    f.view.timeline = 0;
    f.now = at_ms(100'000);
    check(f.route(), Verdict::Node, Reason::Blind, kOne);
    f.request.is_read = false;
    check(f.route(), Verdict::Node, Reason::Blind, kOne);
    f.freshness.unit_ended(kOne, f.now);
    f.request.is_read = true;
    check(f.route(), Verdict::Node, Reason::Blind, kOne);
}

TEST_CASE("a read of a new session goes to any standby") {
    Fixture f;
    const auto count = f.many(200);
    CHECK_FALSE(count.contains(kOne));
    CHECK(count.at(kTwo) > 50);
    CHECK(count.at(kThree) > 50);
    CHECK(f.route().reason == Reason::Read);
}

TEST_CASE("standbys in trouble, with old evidence or to be avoided get no read") {
    Fixture f;
    SUBCASE("trouble") {
        f.node(kTwo).trouble = Trouble::LagTime;
    }
    SUBCASE("old evidence") {
        f.node(kTwo).evidence_at = at_ms(1001 - 5001);
    }
    SUBCASE("to be avoided") {
        f.request.avoid = kTwo;
    }
    SUBCASE("no standby by role") {
        f.node(kTwo).role = Role::Unknown;
    }
    CHECK(f.many(50) == std::map<NodeId, int>{{kThree, 50}});
}

TEST_CASE("without a standby the primary serves reads, if it may") {
    Fixture f;
    f.both(Trouble::Unreachable);
    check(f.route(), Verdict::Node, Reason::NoStandby, kOne);
    f.request.hint = sql::RouteHint::Replica;
    check(f.route(), Verdict::Node, Reason::NoStandby, kOne);
    f.rules.primary_reads = PrimaryReads::Never;
    check(f.route(), Verdict::Wait, Reason::NoStandby);
    f.view.primary = {};
    check(f.route(), Verdict::Wait, Reason::NoPrimary);
}

TEST_CASE("a standby that is to be avoided serves if nothing else can") {
    Fixture f;
    f.node(kThree).trouble = Trouble::Unreachable;
    f.request.avoid = kTwo;
    check(f.route(), Verdict::Node, Reason::NoStandby, kOne);
    f.view.primary = {};
    check(f.route(), Verdict::Node, Reason::Read, kTwo);
}

TEST_CASE("after a write reads stay on the primary until its sample is there") {
    Fixture f;
    f.freshness.unit_ended(kOne, at_ms(1001));
    f.now = at_ms(1002);
    check(f.route(), Verdict::Node, Reason::NoSample, kOne, {}, kOne);
    f.sample(kOne, 1003, 200);
    check(f.route(), Verdict::Node, Reason::Read, kTwo);
    CHECK(f.many(50) == std::map<NodeId, int>{{kTwo, 50}});
}

TEST_CASE("if the primary serves no reads, they wait for the sample") {
    Fixture f;
    f.freshness.unit_ended(kOne, at_ms(1001));
    f.rules.primary_reads = PrimaryReads::Never;
    check(f.route(), Verdict::Wait, Reason::NoSample, {}, {}, kOne);
}

TEST_CASE("if all standbys are behind, the primary serves at once or after a while") {
    Fixture f;
    f.freshness.unit_ended(kOne, at_ms(1001));
    f.sample(kOne, 1003, 300);
    check(f.route(), Verdict::Node, Reason::NotFresh, kOne, {}, kTwo);
    f.rules.replica_wait = Duration::milliseconds(5);
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, kOne, kTwo);
    f.rules.primary_reads = PrimaryReads::Never;
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, {}, kTwo);
    f.request.consistency = Consistency::Eventual;
    CHECK(f.route().reason == Reason::Read);
}

TEST_CASE("reads go on while there is no primary") {
    Fixture f;
    f.view.primary = {};
    CHECK(f.route().reason == Reason::Read);
    f.freshness.unit_ended(kThree, at_ms(1001));
    check(f.route(), Verdict::Node, Reason::Read, kThree);
    f.request.consistency = Consistency::Strong;
    check(f.route(), Verdict::Wait, Reason::NoPrimary);
}

TEST_CASE("a session stays on its standby while that is not much busier") {
    Fixture f;
    f.freshness.unit_ended(kThree, at_ms(1001));
    f.sample(kThree, 1002, 150);  // Two would do as well.
    f.loads = {{}, {1, 100}, {2, 100}};
    CHECK(f.many(50) == std::map<NodeId, int>{{kThree, 50}});
    f.loads = {{}, {1, 100}, {4, 100}};
    CHECK(f.many(50) == std::map<NodeId, int>{{kTwo, 50}});
}

TEST_CASE("a strong read waits for the read index, and then for a standby that has it") {
    Fixture f;
    f.request.consistency = Consistency::Strong;
    f.sample(kOne, 1000, 200);  // Started before the read arrived.
    check(f.route(), Verdict::Wait, Reason::NoSample, {}, kOne, kOne);
    f.sample(kOne, 1002, 210);
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, kOne, kTwo);
    f.rules.primary_reads = PrimaryReads::Never;
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, {}, kTwo);
    f.sample(kTwo, 1003, 210);
    check(f.route(), Verdict::Node, Reason::Read, kTwo);
    f.node(kTwo).timeline = 0;
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, {}, kTwo);
}

TEST_CASE("a strong read goes to the primary if there is no standby at all") {
    Fixture f;
    f.request.consistency = Consistency::Strong;
    f.both(Trouble::LagBytes);
    check(f.route(), Verdict::Node, Reason::NoStandby, kOne);
}

TEST_CASE("a primary that shares the reads is one of the readers") {
    Fixture f;
    f.rules.primary_reads = PrimaryReads::Share;
    auto count = f.many(300);
    CHECK(count[kOne] > 50);
    CHECK(count[kTwo] > 50);
    f.request.hint = sql::RouteHint::Replica;
    CHECK_FALSE(f.many(100).contains(kOne));
    f.request.hint = sql::RouteHint::None;
    f.both(Trouble::Slow);
    check(f.route(), Verdict::Node, Reason::NoStandby, kOne);
}

TEST_CASE("while nobody has told where the newest timeline began, nothing is lost yet") {
    Fixture f;
    f.freshness.set_token("7:1:0/C9", f.view);
    // A standby has told of it before the promoted node did.
    f.view.timeline = 2;
    f.view.primary = {};
    check(f.route(), Verdict::Wait, Reason::NoPrimary);
    f.view.primary = kTwo;
    f.node(kTwo).role = Role::Primary;
    f.view.forks = {{2, 1, Lsn{220}, Lsn{220}}};
    f.request.is_read = false;
    check(f.route(), Verdict::Node, Reason::Write, kTwo);
}

TEST_CASE(
    "a strong read that waited through a promotion is bound to no place of the old timeline") {
    Fixture f;
    f.request.consistency = Consistency::Strong;
    f.rules.primary_reads = PrimaryReads::Never;
    // The primary was a standby when it was looked at first.
    f.sample(kOne, 1001, 300);
    f.view.timeline = 2;
    for (NodeView& node : f.view.nodes) node.timeline = 2;
    f.node(kTwo).lsn = Lsn{400};
    f.node(kThree).trouble = Trouble::Unreachable;
    check(f.route(), Verdict::Wait, Reason::NoSample, {}, {}, kOne);
    f.node(kOne).samples.push_back({at_ms(1002), {Lsn{350}, 2}});
    check(f.route(), Verdict::Node, Reason::Read, kTwo);
}

TEST_CASE("what a session has seen and the cluster has not is told, to reads and writes") {
    Fixture f;
    f.freshness.set_token("7:1:0/C9", f.view);
    f.view.timeline = 2;
    f.view.forks = {{2, 1, Lsn{200}, Lsn{220}}};
    for (NodeView& node : f.view.nodes) node.timeline = 2;
    check(f.route(), Verdict::Fail, Reason::LostHistory);
    f.request.is_read = false;
    check(f.route(), Verdict::Fail, Reason::LostHistory);
    f.view.primary = {};
    check(f.route(), Verdict::Fail, Reason::LostHistory);
    f.request.is_read = true;
    f.request.consistency = Consistency::Eventual;
    CHECK(f.route().reason == Reason::Read);
    f.freshness.reset();
    f.request.consistency = Consistency::Session;
    CHECK(f.route().reason == Reason::Read);
}

TEST_CASE("a token of a later timeline waits until that is seen here") {
    Fixture f;
    f.freshness.set_token("7:2:0/C9", f.view);
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, {}, kOne);
    f.request.is_read = false;
    check(f.route(), Verdict::Wait, Reason::NotFresh, {}, {}, kOne);
}

TEST_CASE("loads that were counted for an older view do no harm") {
    Fixture f;
    f.loads.clear();
    CHECK(f.route().verdict == Verdict::Node);
    f.loads.resize(100);
    CHECK(f.route().verdict == Verdict::Node);
}

TEST_CASE("more nodes than there may be are not looked at") {
    Fixture f;
    for (std::uint64_t n = 4; n <= 100; ++n) {
        f.view.nodes.push_back(node_view(n, Role::Standby, 200));
    }
    f.rules.primary_reads = PrimaryReads::Share;
    for (int i = 0; i < 500; ++i) CHECK(f.route().node.value <= cluster::kNodesMax);
}

TEST_CASE("decisions repeat with the same chance") {
    Fixture f;
    Fixture g;
    for (int i = 0; i < 100; ++i) CHECK(f.route().node == g.route().node);
}

TEST_CASE("every reason has words") {
    for (int i = 0; i <= static_cast<int>(Reason::LostHistory); ++i) {
        CHECK_FALSE(words(static_cast<Reason>(i)).empty());
    }
    for (int i = 0; i <= static_cast<int>(Trouble::Drained); ++i) {
        CHECK_FALSE(cluster::words(static_cast<Trouble>(i)).empty());
    }
}

}  // namespace pgweir::route
