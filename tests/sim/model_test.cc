// SPDX-License-Identifier: PostgreSQL
// The simulated PostgreSQL on its own: clients speak to the node directly, and hear what
// PostgreSQL 15 says.
#include <doctest/doctest.h>

#include "sim/story.h"
#include "sim/wanderer.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

WorldOptions direct(std::uint64_t seed = 1) {
    WorldOptions options;
    options.seed = seed;
    options.direct = true;
    return options;
}

}  // namespace

TEST_CASE("a client logs in and gets its rows") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    const Answer answer = story.ask(alice, "SELECT 'a', 'b' AS b FROM generate_series(1, 2)");
    REQUIRE(answer.rows.size() == 2);
    CHECK(answer.rows[0] == std::vector<std::string>{"a", "b"});
    CHECK(answer.tags == std::vector<std::string>{"SELECT 2"});
    CHECK(answer.status == 'I');
    CHECK(story.complaints() == "");
}

TEST_CASE("a failed transaction refuses everything until it ends") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    CHECK(story.ask(alice, "BEGIN").status == 'T');
    CHECK(story.ask(alice, "SELECT 'x'::int").sqlstate == "22P02");
    CHECK(story.ask(alice, "SELECT 'y'").sqlstate == "25P02");
    const Answer end = story.ask(alice, "COMMIT");
    CHECK(end.tags == std::vector<std::string>{"ROLLBACK"});
    CHECK(end.status == 'I');
    CHECK(story.complaints() == "");
}

TEST_CASE("settings are transactional") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    story.ask(alice, "SET application_name TO 'one'");
    story.ask(alice, "BEGIN; SET application_name TO 'two'; SAVEPOINT s");
    story.ask(alice, "SET application_name TO 'three'");
    CHECK(story.ask(alice, "ROLLBACK TO s; SHOW application_name").value() == "two");
    story.ask(alice, "ROLLBACK");
    CHECK(story.ask(alice, "SHOW application_name").value() == "one");
    story.ask(alice, "BEGIN; SET LOCAL application_name TO 'four'; COMMIT");
    CHECK(story.ask(alice, "SHOW application_name").value() == "one");
    CHECK(story.complaints() == "");
}

TEST_CASE("after an error everything is skipped up to Sync") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    alice.bind("", "missing").execute("").query("SELECT 'never'").sync().query("SELECT 'then'");
    alice.flush();
    CHECK(story.answer(alice).value() == "then");
    REQUIRE(alice.answers().size() == 2);
    CHECK(alice.answers()[0].sqlstate == "26000");
    CHECK(alice.answers()[0].rows.empty());
    CHECK(story.complaints() == "");
}

TEST_CASE("a portal gives its rows in portions") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    alice.parse("", "SELECT 'r' FROM generate_series(1, 5)").bind("p", "");
    alice.execute("p", 2).execute("p", 2).execute("p", 2).execute("p").sync().flush();
    const Answer answer = story.answer(alice);
    CHECK(answer.rows.size() == 5);
    CHECK(answer.tags == std::vector<std::string>{"SELECT 1", "SELECT 0"});
    CHECK(story.complaints() == "");
}

TEST_CASE("COPY goes both ways") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    CHECK(story.ask(alice, "COPY (SELECT 'r' FROM generate_series(1, 100)) TO STDOUT").tags.at(0) ==
          "COPY 100");
    alice.query("COPY t FROM STDIN; SELECT 'after'").copy_data("1\n").copy_data("2\n").copy_done();
    alice.flush();
    const Answer answer = story.answer(alice);
    CHECK(answer.tags == std::vector<std::string>{"COPY 2", "SELECT 1"});
    CHECK(story.complaints() == "");
}

TEST_CASE("a cancel request ends what runs, and nothing that is idle") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    alice.cancel();
    story.pass(Duration::milliseconds(50));
    CHECK(story.ask(alice, "SELECT 'fine'").value() == "fine");
    alice.query("SELECT pg_sleep(60), '" + alice.token() + "'").flush();
    story.pass(Duration::milliseconds(10));
    alice.cancel();
    CHECK(story.answer(alice).sqlstate == "57014");
    CHECK(story.ask(alice, "SELECT 'fine'").value() == "fine");
    CHECK(story.complaints() == "");
}

TEST_CASE("logins are refused as PostgreSQL refuses them") {
    WorldOptions options = direct();
    options.node.max_connections = 1;
    options.node.roles["carol"] = {"secret"};
    Story story(options);
    ClientOptions expecting;
    expecting.tolerance.errors = {"28P01", "53300", "3D000", "57P03"};
    expecting.tolerance.may_close = true;
    ClientOptions wrong = expecting;
    wrong.password = "guess";
    CHECK(story.client("carol", wrong).end_sqlstate() == "28P01");
    story.pass(Duration::milliseconds(5));
    ClientOptions nowhere = expecting;
    nowhere.database = "nowhere";
    CHECK(story.client("alice", nowhere).end_sqlstate() == "3D000");
    story.pass(Duration::milliseconds(5));
    ClientOptions right = expecting;
    right.password = "secret";
    SimClient& carol = story.client("carol", right);
    CHECK(carol.state() == SimClient::State::Ready);
    CHECK(story.client("alice", expecting).end_sqlstate() == "53300");
    story.node().crash(Duration::milliseconds(10), Duration::milliseconds(100));
    story.pass(Duration::milliseconds(20));
    CHECK(carol.is_over());
    CHECK(story.client("alice", expecting).end_sqlstate() == "57P03");
    CHECK(story.complaints() == "");
}

TEST_CASE("the checkers see an answer that was not owed") {
    Story story(direct());
    SimClient& alice = story.client("alice");
    story.pass(Duration::milliseconds(5));
    for (int i = 0; i < 8 && !story.world().has_violations(); ++i) {
        story.node().babble();
        story.pass(Duration::milliseconds(5));
    }
    CHECK(story.complaints().find("I15: client 1") == 0);
    CHECK(alice.number() == 1);
}

TEST_CASE("wandering clients hear from the node what their model says") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        WorldOptions options = direct(seed);
        options.node.notice_one_in = 5;
        World world(options);
        std::vector<std::unique_ptr<Wanderer>> wanderers;
        for (int i = 0; i < 4; ++i) {
            WandererPlan plan;
            plan.actions = 40;
            plan.cancels = seed % 3 == 0;
            plan.forgets_all = plan.unreported_settings = true;
            wanderers.push_back(std::make_unique<Wanderer>(world, plan));
            wanderers.back()->start({});
        }
        const auto all_done = [&] {
            for (const auto& one : wanderers) {
                if (!one->is_done()) return false;
            }
            return true;
        };
        const bool done = world.run_until(all_done, Duration::seconds(100));
        INFO("seed ", seed);
        std::string story;
        for (const std::string& one : world.transcript().violations()) story += one + "\n";
        if (!story.empty() || !done) story += world.transcript().last_lines(40);
        CHECK(story == "");
        REQUIRE(done);
    }
}

TEST_CASE("the same seed gives the same run") {
    const auto run = [](std::uint64_t seed) {
        World world(direct(seed));
        WandererPlan plan;
        plan.actions = 30;
        Wanderer wanderer(world, plan);
        wanderer.start({});
        world.run_until([&] { return wanderer.is_done(); }, Duration::seconds(100));
        return world.transcript().hash();
    };
    CHECK(run(7) == run(7));
    CHECK(run(7) != run(8));
}
