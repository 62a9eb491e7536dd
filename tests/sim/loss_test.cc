// SPDX-License-Identifier: PostgreSQL
// Stories in which something is lost: a client, a server, the node, pgweir itself.
#include <doctest/doctest.h>

#include "sim/setup.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("a client that vanishes in a transaction leaves nothing behind") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    const std::string token = alice.token();
    story.ask(alice, "BEGIN");
    story.ask(alice, "INSERT INTO t VALUES ('" + token + "')");
    story.ask(alice, "SET application_name TO 'ghost'");
    alice.vanish();
    CHECK(story.ask(second, "SHOW application_name").value() == "");
    CHECK_FALSE(story.world().truth().was_committed(*find_token(as_bytes(token))));
    CHECK(story.node().sessions() <= 2);
    CHECK(story.complaints() == "");
}

TEST_CASE("a node that crashes under a transaction") {
    Story story(with({}));
    const auto losses = {"08006", "08007", "40001", "57P01", "57P02", "57P03"};
    SimClient& alice = story.client("alice", ready_for(losses));
    story.ask(alice, "BEGIN");
    story.ask(alice, "INSERT INTO t VALUES ('" + alice.token() + "')");
    alice.query("SELECT pg_sleep(10), '" + alice.token() + "'").flush();
    story.pass(Duration::milliseconds(20));
    story.node().crash(Duration::milliseconds(10), Duration::milliseconds(50));

    SUBCASE("the statement fails with 40001, and ROLLBACK ends the transaction") {
        const Answer lost = story.answer(alice);
        CHECK(lost.sqlstate == "40001");
        CHECK(lost.status == 'E');
        CHECK(story.ask(alice, "SELECT 'no'").sqlstate == "25P02");
        CHECK(story.ask(alice, "ROLLBACK").status == 'I');
        CHECK(story.ask(alice, "SELECT 'again'").value() == "again");
    }
    SUBCASE("COMMIT of the lost transaction is answered by ROLLBACK") {
        story.answer(alice);
        CHECK(story.ask(alice, "COMMIT").tags == std::vector<std::string>{"ROLLBACK"});
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("a COMMIT whose answer is lost is called unknown, never a success or a failure") {
    int unknown = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        WorldOptions options = with({});
        options.seed = seed;
        options.node.think_max = Duration::microseconds(400);
        Story story(options);
        SimClient& alice = story.client(
            "alice", ready_for({"08006", "08007", "40001", "57P01", "57P02", "57P03"}));
        const std::string token = alice.token();
        story.ask(alice, "BEGIN");
        story.ask(alice, "INSERT INTO t VALUES ('" + token + "')");
        alice.query("COMMIT /* " + alice.token() + " */").flush();
        story.pass(Duration::microseconds(static_cast<std::int64_t>(seed) * 30));
        story.node().crash(Duration::milliseconds(10), Duration::milliseconds(50));
        const Answer answer = story.answer(alice);
        const bool committed = story.world().truth().was_committed(*find_token(as_bytes(token)));
        INFO("seed ", seed, " committed ", committed, " sqlstate ", answer.sqlstate);
        if (answer.sqlstate.empty() && answer.status == 'I') CHECK(committed);
        if (answer.sqlstate == "40001") CHECK_FALSE(committed);
        CHECK(answer.sqlstate != "08006");
        if (answer.sqlstate == "08007") ++unknown;
        CHECK(alice.check()->final_verdict() == "");
        CHECK(story.complaints() == "");
    }
    CHECK(unknown > 0);
}

TEST_CASE("a ROLLBACK whose answer is lost has rolled back, and is no unknown outcome") {
    int lost = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        WorldOptions options = with({});
        options.seed = seed;
        options.node.think_max = Duration::microseconds(400);
        Story story(options);
        SimClient& alice = story.client("alice", ready_for({"40001", "57P01", "57P02", "57P03"}));
        const std::string token = alice.token();
        story.ask(alice, "BEGIN");
        story.ask(alice, "INSERT INTO t VALUES ('" + token + "')");
        alice.query("ROLLBACK").flush();
        story.pass(Duration::microseconds(static_cast<std::int64_t>(seed) * 30));
        story.node().crash(Duration::milliseconds(10), Duration::milliseconds(50));
        const Answer answer = story.answer(alice);
        INFO("seed ", seed, " sqlstate ", answer.sqlstate);
        if (answer.sqlstate == "40001") ++lost;
        CHECK((answer.sqlstate.empty() || answer.sqlstate == "40001"));
        CHECK_FALSE(story.world().truth().was_committed(*find_token(as_bytes(token))));
        CHECK(story.ask(alice, "SELECT 'on'").value() == "on");
        CHECK(story.complaints() == "");
    }
    CHECK(lost > 0);
}

TEST_CASE("a COMMIT that was pipelined behind its BEGIN may have committed") {
    int committed = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        WorldOptions options = with({});
        options.seed = seed;
        options.node.think_max = Duration::microseconds(400);
        Story story(options);
        SimClient& alice = story.client(
            "alice", ready_for({"08006", "08007", "40001", "57P01", "57P02", "57P03"}));
        const std::string token = alice.token();
        alice.query("BEGIN").query("INSERT INTO t VALUES ('" + token + "')");
        alice.query((seed % 2 == 0 ? "COMMIT"
                                   : "ROLLBACK; INSERT INTO t VALUES ('" + alice.token() + "')"));
        alice.flush();
        story.pass(Duration::microseconds(static_cast<std::int64_t>(seed) * 20));
        story.node().crash(Duration::milliseconds(10), Duration::milliseconds(50));
        story.answer(alice);
        if (story.world().truth().was_committed(*find_token(as_bytes(token)))) ++committed;
        INFO("seed ", seed);
        CHECK((alice.check() == nullptr || alice.check()->final_verdict() == ""));
        CHECK(story.complaints() == "");
    }
    CHECK(committed > 0);
}

TEST_CASE("an error of pgweir's own never lands inside a message of the server") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        WorldOptions options = with({});
        options.seed = seed;
        options.node.notice_one_in = 1;
        options.server_weather.split_one_in = 1;
        Story story(options);
        SimClient& alice = story.client("alice");
        for (int i = 0; i < 5; ++i) {
            story.ask(alice, "SELECT '" + alice.token() + "'");
            story.pass(Duration::microseconds(static_cast<std::int64_t>(seed) * 17));
            alice.bind("", "nothing").execute("").sync().flush();
            CHECK(story.answer(alice).sqlstate == "26000");
        }
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("a reload changes no answer") {
    const Setup setup{.pool_size = 2, .workers = 2};
    Story story(with(setup));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    alice.parse("s", "SELECT $1::text").sync().flush();
    story.answer(alice);
    story.ask(second, "BEGIN");
    for (int i = 0; i < 5; ++i) {
        story.world().front()->reload(with(setup).settings);
        const std::string token = alice.token();
        alice.bind("", "s", {token}).execute("").sync().flush();
        CHECK(story.answer(alice).value() == token);
    }
    CHECK(story.ask(second, "COMMIT").tags == std::vector<std::string>{"COMMIT"});
    CHECK(story.complaints() == "");
}

TEST_CASE("while the node starts up its waiters wait; a refused login fails them at once") {
    Story story(with({}));
    SimClient& alice = story.client("alice", ready_for({"08006", "28000", "57P01", "57P02"}));
    story.ask(alice, "SELECT 'warm'");
    story.node().crash(Duration::milliseconds(100), Duration::milliseconds(1500));
    story.pass(Duration::milliseconds(50));

    SUBCASE("57P03 is not the waiter's business") {
        CHECK(story.ask(alice, "SELECT 'patient'").value() == "patient");
    }
    SUBCASE("28000 is") {
        story.node().options().roles["alice"].may_login = false;
        const Instant since = story.world().now();
        const Answer answer = story.ask(alice, "SELECT 'never'");
        CHECK(answer.sqlstate == "28000");
        CHECK((story.world().now() - since).us < 10'000'000);
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("a refused user's waiters do not disturb another user's") {
    Story story(with({}));
    story.node().options().roles["bob"].may_login = false;
    SimClient& bob = story.arriving("bob", ready_for({"28000"}));
    SimClient& alice = story.client("alice");
    CHECK(story.ask(alice, "SELECT 'fine'").value() == "fine");
    story.pass(Duration::seconds(3));
    if (!bob.is_over())
        CHECK(story.ask(bob, "SELECT 'no'").sqlstate == "28000");
    else
        CHECK(bob.end_sqlstate() == "28000");
    CHECK(story.complaints() == "");
}

TEST_CASE("a server that says what nobody asked for is closed, and nobody notices") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        WorldOptions options = with({});
        options.seed = seed;
        Story story(options);
        SimClient& alice = story.client("alice");
        story.ask(alice, "SELECT 'a'");
        story.pass(Duration::milliseconds(10));
        story.node().babble();
        story.pass(Duration::milliseconds(10));
        CHECK(story.ask(alice, "SELECT 'b'").value() == "b");
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("COPY FROM STDIN ends with its client") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    const std::string token = alice.token();
    alice.query("COPY t FROM STDIN").copy_data(token + "\n").flush();
    story.pass(Duration::milliseconds(10));
    alice.vanish();
    CHECK(story.ask(second, "SELECT 'next'").value() == "next");
    CHECK_FALSE(story.world().truth().was_committed(*find_token(as_bytes(token))));
    CHECK(story.complaints() == "");
}

TEST_CASE("a drained shutdown lets transactions end and leaves nothing") {
    Story story(with({.pool_size = 2, .workers = 2}));
    SimClient& alice = story.client("alice", ready_for({"57P01"}));
    SimClient& idle = story.client("alice", ready_for({"57P01"}));
    story.ask(alice, "BEGIN");
    story.world().front()->shut_down();
    story.pass(Duration::milliseconds(100));
    CHECK(idle.is_over());
    CHECK(story.ask(alice, "SELECT 'still'").value() == "still");
    CHECK(story.ask(alice, "COMMIT").tags == std::vector<std::string>{"COMMIT"});
    story.pass(Duration::milliseconds(100));
    CHECK(alice.is_over());
    CHECK(story.world().front()->is_stopped());
    CHECK(story.world().front()->leftovers() == "");
    CHECK(story.complaints() == "");
}
