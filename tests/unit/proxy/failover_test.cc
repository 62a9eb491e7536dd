// SPDX-License-Identifier: PostgreSQL
// Another primary: who is closed before it is written to, who waits for it, and how nodes are
// emptied for it.
#include <doctest/doctest.h>

#include "unit/proxy/by_hand.h"

namespace pgweir::proxy {

namespace {

using testing::ByHand;
using testing::Said;
namespace client = testing::client;
namespace server = testing::server;

std::string settings(const std::string& cluster, const std::string& split) {
    return R"(
[pgweir]
auth_type = "any"
admin_users = ["root"]
[tls]
server_tls_sslmode = "disable"
[routing]
split = ")" +
           split + R"("
[databases.app]
nodes = ["one", "two"]
[cluster]
monitor_user = "eye"
)" + cluster;
}

// The core numbers nodes in the order of the settings.
constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};

struct Tells {
    bool in_recovery = false;
    std::uint32_t timeline = 1;
    Duration took = {};
};

void see(ByHand& world, NodeId node, Tells tells) {
    world.pass(Duration::milliseconds(1));
    cluster::Observation seen;
    seen.started_at = world.now();
    world.pass(tells.took);
    seen.ended_at = world.now();
    seen.in_recovery = tells.in_recovery;
    seen.system_id = 7;
    seen.timeline = tells.timeline;
    seen.lsn = cluster::Lsn{0x100 * tells.timeline};
    seen.started_unix_us = 1;
    world.tell(NodeObserved{node, std::move(seen)});
}

void fail_look(ByHand& world, NodeId node, cluster::ProbeOver over) {
    world.pass(Duration::milliseconds(1));
    cluster::Observation seen;
    seen.started_at = world.now();
    seen.ended_at = world.now();
    seen.over = over;
    seen.failure = "connection refused";
    world.tell(NodeObserved{node, std::move(seen)});
}

void lose(ByHand& world, NodeId node) {
    fail_look(world, node, cluster::ProbeOver::Open);
    fail_look(world, node, cluster::ProbeOver::New);
}

// "one" is the primary, "two" its standby, and both have a server of alice's.
struct Settled {
    explicit Settled(const std::string& cluster = "", const std::string& split = "off")
        : world(settings(cluster, split)) {
        see(world, kOne, {});
        see(world, kTwo, {.in_recovery = true});
        alice = world.connect();
        on_one = world.opened_to("one");
        world.log_in(on_one);
        on_two = world.opened_to("two");
        REQUIRE(on_two);
        world.log_in(on_two);
        world.heard(alice);
    }

    // Alice's, on "one".
    void open_transaction() {
        world.say(alice, client::query("begin"));
        world.asked(on_one);
        world.answer(on_one, server::complete("BEGIN") + server::ready('T'));
        world.heard(alice);
    }
    ClientId open_console() {
        const ClientId root = world.connect("root", "pgweir");
        world.heard_text(root);
        return root;
    }

    ByHand world;
    ClientId alice;
    ServerId on_one;
    ServerId on_two;
};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

const Said kDone = server::complete("INSERT 0 1") + server::ready();

}  // namespace

TEST_CASE("a standby has a server that can write the moment it is promoted") {
    Settled s;
    s.world.say(s.alice, client::query("write"));
    CHECK(has(s.world.asked(s.on_one), "Q("));
    s.world.answer(s.on_one, kDone);
    lose(s.world, kOne);
    see(s.world, kTwo, {.timeline = 2});
    s.world.say(s.alice, client::query("write"));
    CHECK(has(s.world.asked(s.on_two), "Q("));
    CHECK(s.world.opened().size() == 2);
}

TEST_CASE("what could write to the old primary is closed before the new one is written to") {
    Settled s;
    // It is frozen in the middle of a statement.
    s.world.say(s.alice, client::query("write"));
    CHECK(has(s.world.asked(s.on_one), "Q("));
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    lose(s.world, kOne);
    s.world.say(bob, client::query("write"));
    CHECK_FALSE(s.world.is_server_closed(s.on_one));
    see(s.world, kTwo, {.timeline = 2});
    CHECK(s.world.is_server_closed(s.on_one));
    const std::string told = s.world.heard_text(s.alice);
    CHECK(has(told, "08007"));
    CHECK_FALSE(s.world.is_closed(s.alice));
    CHECK(has(s.world.asked(s.on_two), "Q("));
    s.world.answer(s.on_two, kDone);
    CHECK(has(s.world.heard(bob), "C("));
}

TEST_CASE("of two primaries on one timeline neither keeps a server") {
    Settled s;
    s.open_transaction();
    see(s.world, kTwo, {.timeline = 1});
    CHECK(s.world.is_server_closed(s.on_one));
    s.world.say(s.alice, client::query("commit"));
    CHECK(has(s.world.heard_text(s.alice), "40001"));
}

TEST_CASE("a unit of which nothing was sent waits for a primary, up to failover_timeout") {
    Settled s("failover_timeout = \"3s\"\n");
    lose(s.world, kOne);
    s.world.say(s.alice, client::query("write"));
    s.world.pass(Duration::milliseconds(2900));
    CHECK(s.world.heard_text(s.alice).empty());
    s.world.pass(Duration::milliseconds(200));
    const std::string told = s.world.heard_text(s.alice);
    CHECK(has(told, "57P03"));
    CHECK(has(told, "failover_timeout = 3s"));
    CHECK(has(told, "one:5432: unreachable"));
    CHECK_FALSE(s.world.is_closed(s.alice));
    // The next one finds the new primary.
    see(s.world, kTwo, {.timeline = 2});
    s.world.say(s.alice, client::query("write"));
    CHECK(has(s.world.asked(s.on_two), "Q("));
}

TEST_CASE("the line for a primary is bounded") {
    Settled s("max_failover_waiters = 1\n");
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    lose(s.world, kOne);
    s.world.say(s.alice, client::query("write"));
    s.world.say(bob, client::query("write"));
    CHECK(s.world.heard_text(s.alice).empty());
    const std::string told = s.world.heard_text(bob);
    CHECK(has(told, "57P03"));
    CHECK(has(told, "max_failover_waiters = 1"));
}

TEST_CASE("who waits for a primary is served in the order of arrival, in growing batches") {
    Settled s;
    std::vector<ClientId> waiting;
    for (int i = 0; i < 40; ++i) {
        waiting.push_back(s.world.connect());
        s.world.heard(waiting.back());
    }
    lose(s.world, kOne);
    for (ClientId id : waiting) s.world.say(id, client::query("write"));
    see(s.world, kTwo, {.timeline = 2});
    // Who comes now stands behind them.
    s.world.say(s.alice, client::query("write"));
    const auto busy = [&] {
        int count = 0;
        for (ServerId id : s.world.opened()) {
            if (!s.world.is_server_closed(id)) ++count;
        }
        return count;
    };
    CHECK(has(s.world.asked(s.on_two), "Q("));
    const int first = busy();
    CHECK(first <= 16);
    s.world.pass(Duration::milliseconds(5));
    CHECK(busy() > first);
}

TEST_CASE("SWITCHOVER holds writes back, empties the primary, and ends with another one") {
    Settled s;
    const ClientId root = s.open_console();
    s.open_transaction();
    s.world.say(root, client::query("switchover"));
    CHECK(s.world.heard_text(root).empty());
    // What is open may go on to its end; what is new waits.
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    s.world.say(bob, client::query("write"));
    CHECK(s.world.heard_text(bob).empty());
    s.world.say(s.alice, client::query("commit"));
    CHECK(has(s.world.asked(s.on_one), "Q("));
    s.world.answer(s.on_one, server::complete("COMMIT") + server::ready());
    CHECK(has(s.world.heard(s.alice), "C("));
    CHECK(has(s.world.asked(s.on_one), "X"));
    s.world.tell(ServerClosed{s.on_one, "end of file"});
    s.world.pass(Duration::milliseconds(20));
    CHECK(has(s.world.heard(root), "C("));
    CHECK(s.world.heard_text(bob).empty());
    see(s.world, kTwo, {.timeline = 2});
    CHECK(has(s.world.asked(s.on_two), "Q("));
    s.world.answer(s.on_two, kDone);
    CHECK(has(s.world.heard(bob), "C("));
}

TEST_CASE("RESUME calls a switchover off") {
    Settled s;
    const ClientId root = s.open_console();
    s.world.say(root, client::query("switchover"));
    CHECK(has(s.world.asked(s.on_one), "X"));
    s.world.tell(ServerClosed{s.on_one, "end of file"});
    s.world.pass(Duration::milliseconds(20));
    s.world.say(s.alice, client::query("write"));
    s.world.heard_text(root);
    s.world.say(root, client::query("resume"));
    CHECK(has(s.world.heard(root), "C("));
    const ServerId anew = s.world.opened_to("one");
    REQUIRE(anew);
    s.world.log_in(anew);
    CHECK(has(s.world.asked(anew), "Q("));
}

TEST_CASE("a drained node loses its servers, the busy ones at drain_timeout") {
    Settled s("drain_timeout = \"2s\"\n");
    const ClientId root = s.open_console();
    s.open_transaction();
    s.world.say(root, client::query("drain one:5432"));
    s.world.pass(Duration::milliseconds(1900));
    CHECK(s.world.heard_text(root).empty());
    CHECK_FALSE(s.world.is_server_closed(s.on_one));
    s.world.pass(Duration::milliseconds(200));
    CHECK(s.world.is_server_closed(s.on_one));
    CHECK(has(s.world.heard(root), "C("));
    s.world.say(s.alice, client::query("commit"));
    CHECK(has(s.world.heard_text(s.alice), "40001"));
    s.world.say(root, client::query("undrain one:5432"));
    CHECK(has(s.world.heard(root), "C("));
    s.world.say(root, client::query("drain nowhere"));
    CHECK(has(s.world.heard_text(root), "there is no node \"nowhere\""));
}

TEST_CASE("a drained standby keeps no warm server, and gets one again") {
    Settled s;
    const ClientId root = s.open_console();
    s.world.say(root, client::query("drain two"));
    CHECK(has(s.world.asked(s.on_two), "X"));
    s.world.tell(ServerClosed{s.on_two, "end of file"});
    s.world.pass(Duration::milliseconds(20));
    CHECK(has(s.world.heard(root), "C("));
    const std::size_t opened = s.world.opened().size();
    s.world.pass(Duration::milliseconds(500));
    CHECK(s.world.opened().size() == opened);
    s.world.say(root, client::query("undrain two"));
    see(s.world, kTwo, {.in_recovery = true});
    CHECK(s.world.opened().size() == opened + 1);
}

namespace {

const Said kDemoted = server::error("25006") + server::status("in_hot_standby", "on");

struct Demoted : Settled {
    Demoted() : Settled("", "on") {
        // The catalog is asked for first, on the same server.
        world.say(alice, client::query("insert into t values (0)"));
        world.answer(on_one, server::error("42501") + server::ready());
        REQUIRE(has(world.asked(on_one), "Q(insert into t values (0))"));
        world.answer(on_one, kDone);
        world.heard(alice);
    }
    void promote_two() {
        see(world, kOne, {.in_recovery = true});
        see(world, kTwo, {.timeline = 2});
    }
};

}  // namespace

TEST_CASE("a write that a demoted primary refuses runs on the new one, unseen") {
    Demoted s;
    SUBCASE("simple") {
        s.world.say(s.alice, client::query("insert into t values (1)"));
        s.world.answer(s.on_one, kDemoted + server::ready());
        CHECK(s.world.heard(s.alice) == "");
        s.promote_two();
        CHECK(has(s.world.asked(s.on_two), "Q(insert into t values (1))"));
        s.world.answer(s.on_two, kDone);
        CHECK(s.world.heard(s.alice) == "C(INSERT 0 1) Z(I)");
    }
    SUBCASE("extended") {
        s.world.say(s.alice, client::parse("", "insert into t values (1)") + client::bind("") +
                                 client::execute("") + client::sync());
        s.world.answer(s.on_one, server::parsed() + server::bound() + kDemoted + server::ready());
        CHECK(s.world.heard(s.alice) == "");
        s.promote_two();
        CHECK(has(s.world.asked(s.on_two), "P(,insert into t values (1)) B(,) E() S"));
        s.world.answer(s.on_two, server::parsed() + server::bound() + kDone);
        CHECK(s.world.heard(s.alice) == "1 2 C(INSERT 0 1) Z(I)");
    }
    CHECK_FALSE(s.world.is_closed(s.alice));
}

TEST_CASE("a refusal of a session that is read-only by its own will is the client's to hear") {
    Demoted s;
    s.world.say(s.alice, client::query("insert into t values (1)"));
    s.world.answer(s.on_one, server::error("25006") + server::ready());
    CHECK(has(s.world.heard(s.alice), "25006"));
}

TEST_CASE("in a transaction a demoted primary costs 40001, and the session goes on") {
    Demoted s;
    s.world.say(s.alice, client::query("begin"));
    s.world.say(s.alice, client::query("insert into t values (1)"));
    s.world.heard(s.alice);
    s.world.answer(s.on_one,
                   server::complete("BEGIN") + server::ready('T') + kDemoted + server::ready('E'));
    CHECK(has(s.world.heard(s.alice), "40001"));
    s.world.say(s.alice, client::query("rollback"));
    s.world.answer(s.on_one, server::complete("ROLLBACK") + server::ready());
    CHECK(has(s.world.heard(s.alice), "C(ROLLBACK) Z(I)"));
    s.promote_two();
    s.world.say(s.alice, client::query("insert into t values (2)"));
    CHECK(has(s.world.asked(s.on_two), "Q(insert into t values (2))"));
}

TEST_CASE("a write of which more than a refusal is known never runs twice") {
    Demoted s;
    SUBCASE("it is lost") {
        s.world.say(s.alice, client::query("insert into t values (1)"));
        s.world.tell(ServerClosed{s.on_one, "reset"});
        CHECK(has(s.world.heard(s.alice), "08007"));
    }
    SUBCASE("a part of it has committed") {
        s.world.say(s.alice, client::query("insert into t values (1); commit; select write()"));
        s.world.answer(s.on_one, server::complete("INSERT 0 1") + server::complete("COMMIT") +
                                     kDemoted + server::ready());
        CHECK(s.world.heard(s.alice) == "C(INSERT 0 1) C(COMMIT) E(ERROR,25006) Z(I)");
    }
    SUBCASE("its first statement succeeded") {
        s.world.say(s.alice, client::query("insert into t values (1); insert into t values (2)"));
        s.world.answer(s.on_one, server::complete("INSERT 0 1"));
        CHECK(has(s.world.heard(s.alice), "C(INSERT 0 1)"));
        s.world.answer(s.on_one, kDemoted + server::ready());
        CHECK(has(s.world.heard(s.alice), "40001"));
    }
    s.promote_two();
    CHECK_FALSE(has(s.world.asked(s.on_two), "insert"));
}

TEST_CASE("a read that waits for a node that has failed two looks runs elsewhere") {
    Demoted s;
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    see(s.world, kTwo, {.in_recovery = true});
    s.world.say(bob, client::query("select 1"));
    REQUIRE(has(s.world.asked(s.on_two), "Q(select 1)"));
    lose(s.world, kTwo);
    CHECK(s.world.is_server_closed(s.on_two));
    CHECK(has(s.world.asked(s.on_one), "Q(select 1)"));
    CHECK(s.world.heard(bob) == "");
}

TEST_CASE("a node that owes an answer and is silent is looked at before its time") {
    Demoted s;
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    see(s.world, kOne, {});
    see(s.world, kTwo, {.in_recovery = true});
    s.world.say(bob, client::query("select 1"));
    REQUIRE(has(s.world.asked(s.on_two), "Q(select 1)"));
    const std::size_t looks = s.world.looks_at(kTwo);
    SUBCASE("and serves no more") {
        s.world.pass(Duration::milliseconds(110));
        CHECK(s.world.looks_at(kTwo) > looks);
        fail_look(s.world, kTwo, cluster::ProbeOver::Open);
        CHECK_FALSE(s.world.is_server_closed(s.on_two));
        s.world.pass(Duration::milliseconds(150));
        CHECK(s.world.is_server_closed(s.on_two));
        CHECK(has(s.world.asked(s.on_one), "Q(select 1)"));
    }
    SUBCASE("but it only takes its time: ever more seldom") {
        std::size_t asked = 0;
        for (int i = 0; i < 90; ++i) {
            s.world.pass(Duration::milliseconds(10));
            if (s.world.looks_at(kTwo) == looks + asked) continue;
            asked = s.world.looks_at(kTwo) - looks;
            see(s.world, kTwo, {.in_recovery = true});
        }
        CHECK(asked >= 3);
        CHECK(asked <= 7);
        s.world.answer(s.on_two, server::columns() + server::row() + server::complete("SELECT 1") +
                                     server::ready());
        CHECK(has(s.world.heard(bob), "C(SELECT 1) Z(I)"));
        // Nothing is owed: no timer is left of it.
        s.world.pass(Duration::milliseconds(100));
        CHECK(s.world.proxy().next_deadline() > s.world.now() + Duration::milliseconds(50));
    }
    CHECK(s.world.heard(bob) == "");
}

TEST_CASE("a session that reads without a pause leaves the primary, however long looks take") {
    Demoted s;
    const Duration took = Duration::milliseconds(20);
    for (int i = 0; i < 10; ++i) see(s.world, kOne, {.took = took});
    fail_look(s.world, kTwo, cluster::ProbeOver::Open);
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    const Said answer =
        server::columns() + server::row() + server::complete("SELECT 1") + server::ready();
    s.world.say(bob, client::query("select 1"));
    s.world.answer(s.on_one, answer);
    see(s.world, kTwo, {.in_recovery = true});
    int on_one = 0;
    for (int i = 0; i < 20; ++i) {
        s.world.asked(s.on_one);
        s.world.say(bob, client::query("select 1"));
        // A look that began before the last read ended says nothing of where that was.
        if (s.world.asked(s.on_one).empty()) see(s.world, kOne, {.took = took});
        if (has(s.world.asked(s.on_two), "Q(select 1)")) break;
        ++on_one;
        s.world.answer(s.on_one, answer);
    }
    CHECK(on_one < 5);
}

TEST_CASE("a read that brings down whatever runs it does not go through all nodes") {
    Demoted s;
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    s.world.say(bob, client::query("select 1"));
    int runs = 0;
    std::size_t known = s.world.opened().size();
    for (int i = 0; i < 20; ++i) {
        see(s.world, kOne, {});
        see(s.world, kTwo, {.in_recovery = true});
        for (; known < s.world.opened().size(); ++known) s.world.log_in(s.world.opened()[known]);
        for (std::size_t at = 0; at < known; ++at) {
            const ServerId id = s.world.opened()[at];
            const std::string asked = s.world.asked(id);
            if (!has(asked, "Q(select 1)")) continue;
            ++runs;
            s.world.tell(ServerClosed{id, "end of file"});
        }
    }
    CHECK(runs == 3);
    CHECK(has(s.world.heard(bob), "E(ERROR,08006) Z(I)"));
    CHECK_FALSE(s.world.is_closed(bob));
}

TEST_CASE("SHOW EVENTS tells what happened to the nodes") {
    Settled s;
    lose(s.world, kOne);
    see(s.world, kTwo, {.timeline = 2});
    const ClientId root = s.open_console();
    s.world.say(root, client::query("show events"));
    const std::string told = s.world.heard_text(root);
    CHECK(has(told, "one:5432 is no longer the primary, and none is"));
    CHECK(has(told, "two:5432 is the primary now on timeline 2"));
}

}  // namespace pgweir::proxy
