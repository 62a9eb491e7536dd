// SPDX-License-Identifier: PostgreSQL
// Stories: the real core between simulated clients and a simulated node. Beside what a story says,
// every checker watches all of it.
#include <doctest/doctest.h>

#include "sim/setup.h"
#include "sim/swarm_run.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("two clients take turns on one server") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    CHECK(story.ask(alice, "SELECT 'a'").value() == "a");
    CHECK(story.ask(second, "SELECT 'b'").value() == "b");
    CHECK(story.node().sessions() == 1);
    CHECK(story.complaints() == "");
}

TEST_CASE("a transaction keeps its server to itself") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    CHECK(story.ask(alice, "BEGIN").status == 'T');
    second.query("SELECT 'mine'").flush();
    story.pass(Duration::milliseconds(100));
    CHECK(second.answers().empty());
    CHECK(story.ask(alice, "COMMIT").status == 'I');
    CHECK(story.answer(second).value() == "mine");
    CHECK(story.complaints() == "");
}

TEST_CASE("a session's parameters follow it from server to server") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    ClientOptions named;
    named.startup = {{"application_name", "named"}, {"TimeZone", "Europe/Berlin"}};
    SimClient& second = story.client("alice", named);
    story.ask(alice, "SET application_name TO 'mine'");
    CHECK(story.ask(second, "SHOW application_name").value() == "named");
    CHECK(story.ask(alice, "SHOW application_name").value() == "mine");
    CHECK(story.ask(alice, "SHOW TimeZone").value() == "Etc/UTC");
    CHECK(story.ask(second, "SHOW TimeZone").value() == "Europe/Berlin");
    CHECK(story.complaints() == "");
}

TEST_CASE("a prepared statement is found on every server") {
    Story story(with({.pool_size = 3}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    alice.parse("s", "SELECT 'of the first', $1").sync().flush();
    second.parse("s", "SELECT 'of the second', $1").sync().flush();
    story.answer(alice);
    story.answer(second);
    for (int i = 0; i < 5; ++i) {
        alice.bind("", "s", {alice.token()}).execute("").sync().flush();
        second.bind("", "s", {second.token()}).execute("").sync().flush();
        CHECK(story.answer(alice).value() == "of the first");
        CHECK(story.answer(second).value() == "of the second");
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("an unnamed statement outlives its batch") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    alice.parse("", "SELECT 'unnamed', $1").sync().flush();
    story.answer(alice);
    story.ask(second, "SELECT 'between'");
    alice.bind("", "", {alice.token()}).execute("").sync().flush();
    CHECK(story.answer(alice).value() == "unnamed");
    CHECK(story.complaints() == "");
}

TEST_CASE("a cancel request ends its own query") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    alice.query("SELECT pg_sleep(60), '" + alice.token() + "'").flush();
    story.pass(Duration::milliseconds(50));
    alice.cancel();
    CHECK(story.answer(alice).sqlstate == "57014");
    CHECK(story.ask(alice, "SELECT 'on'").value() == "on");
    CHECK(story.complaints() == "");
}

TEST_CASE("a late cancel request never hits the next user") {
    for (int delay = 0; delay < 40; ++delay) {
        Story story(with({}));
        SimClient& alice = story.client("alice");
        SimClient& second = story.client("alice");
        alice.query("SELECT pg_sleep(0.005), '" + alice.token() + "'").flush();
        second.query("SELECT pg_sleep(0.02), '" + second.token() + "'").flush();
        story.pass(Duration::microseconds(250 * delay));
        alice.cancel();
        CHECK(story.answer(second).sqlstate == "");
        story.answer(alice);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("a cancel request never hits the restoration of a session's settings") {
    int cancelled = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        WorldOptions options = with({});
        options.seed = seed;
        options.node.think_max = Duration::microseconds(400);
        Story story(options);
        SimClient& alice = story.client("alice");
        SimClient& second = story.client("alice");
        story.ask(alice, "SET TimeZone TO 'Europe/Berlin'");
        story.ask(second, "SET TimeZone TO 'Asia/Tokyo'");
        alice.query("SELECT pg_sleep(0.5), '" + alice.token() + "'").flush();
        story.pass(Duration::microseconds(static_cast<std::int64_t>(seed) * 5));
        alice.cancel();
        const std::string sqlstate = story.answer(alice).sqlstate;
        INFO("seed ", seed, " sqlstate ", sqlstate);
        CHECK((sqlstate.empty() || sqlstate == "57014"));
        if (!sqlstate.empty()) ++cancelled;
        CHECK(story.ask(alice, "SHOW TimeZone").value() == "Europe/Berlin");
        CHECK(story.complaints() == "");
    }
    CHECK(cancelled > 50);
}

TEST_CASE("a cancel request takes a waiter out of the line without a word to the node") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    story.ask(alice, "BEGIN");
    second.query("SELECT '" + second.token() + "'").flush();
    story.pass(Duration::milliseconds(10));
    second.cancel();
    CHECK(story.answer(second).sqlstate == "57014");
    CHECK(story.node().cancels_received() == 0);
    CHECK(story.ask(alice, "COMMIT").status == 'I');
    CHECK(story.ask(second, "SELECT 'on'").value() == "on");
    CHECK(story.complaints() == "");
}

TEST_CASE("a cancel request with a wrong key causes no traffic") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    alice.query("SELECT pg_sleep(0.1), '" + alice.token() + "'").flush();
    story.pass(Duration::milliseconds(10));
    second.cancel_with(alice.process(), as_bytes("abcd"));
    CHECK(story.answer(alice).sqlstate == "");
    CHECK(story.node().cancels_received() == 0);
    CHECK(story.complaints() == "");
}

TEST_CASE("waiters are served first come, first served") {
    Story story(with({}));
    SimClient& holder = story.client("alice");
    std::vector<SimClient*> waiters;
    for (int i = 0; i < 5; ++i) waiters.push_back(&story.client("alice"));
    story.ask(holder, "BEGIN");
    for (SimClient* waiter : waiters) {
        waiter->query("SELECT pg_sleep(0.01), '" + waiter->token() + "'").flush();
        story.pass(Duration::milliseconds(2));
    }
    holder.query("COMMIT").flush();
    for (std::size_t i = 0; i < waiters.size(); ++i) {
        story.world().run_until([&] { return !waiters[i]->answers().empty(); },
                                Duration::seconds(1));
        CHECK(waiters[i]->answers().size() == 1);
        for (std::size_t later = i + 1; later < waiters.size(); ++later) {
            CHECK(waiters[later]->answers().empty());
        }
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("who waits too long is told which limit it was") {
    Story story(with({.timeouts = "query_wait_timeout = \"1s\"\nquery_wait_notify = \"200ms\"\n"}));
    SimClient& holder = story.client("alice");
    SimClient& waiter = story.client("alice", ready_for({"53300"}));
    story.ask(holder, "BEGIN");
    const Instant since = story.world().now();
    const Answer answer = story.ask(waiter, "SELECT 'never'");
    CHECK(answer.sqlstate == "53300");
    CHECK(answer.message.find("query_wait_timeout") != std::string::npos);
    CHECK(answer.message.find("pool_size = ") != std::string::npos);
    CHECK((story.world().now() - since).us < 1'100'000);
    REQUIRE(waiter.notices().size() == 1);
    CHECK(story.ask(holder, "COMMIT").status == 'I');
    CHECK(story.complaints() == "");
}

TEST_CASE("a server is free again after COPY FROM STDIN behind a batch") {
    Story story(with({}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    alice.parse("", "SELECT $1::text").bind("", "", {alice.token()}).execute("").sync();
    alice.query("COPY t FROM STDIN").copy_data(alice.token() + "\n").copy_done().flush();
    CHECK(story.answer(alice).tags == std::vector<std::string>{"COPY 1"});
    CHECK(story.ask(second, "SELECT 'next'").value() == "next");
    CHECK(story.complaints() == "");
}

TEST_CASE("two users who share one connection of a database both get their turns") {
    Story story(with({.limits = "max_db_connections = 1\n"}));
    SimClient& alice = story.client("alice");
    SimClient& bob = story.client("bob");
    for (int i = 0; i < 5; ++i) {
        CHECK(story.ask(alice, "SELECT 'a'").value() == "a");
        CHECK(story.ask(bob, "SELECT 'b'").value() == "b");
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("a node with one connection serves two users in turn") {
    for (const std::uint32_t workers : {1U, 2U}) {
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            WorldOptions options = with({.pool_size = 4,
                                         .workers = workers,
                                         .timeouts = "server_login_retry_max = \"1s\"\n"});
            options.seed = seed;
            options.node.max_connections = 1;
            Story story(options);
            SimClient& alice = story.client("alice");
            SimClient& bob = story.client("bob");
            for (int i = 0; i < 5; ++i) {
                INFO("seed ", seed, ", round ", i);
                CHECK(story.ask(alice, "SELECT 'a'").value() == "a");
                CHECK(story.ask(bob, "SELECT 'b'").value() == "b");
            }
            CHECK(story.complaints() == "");
        }
    }
}

TEST_CASE("a full node gets one trial at a time, however many wait") {
    WorldOptions options = with({.pool_size = 10});
    options.node.max_connections = 2;
    Story story(options);
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    story.ask(alice, "BEGIN");
    story.ask(second, "BEGIN");
    for (int i = 0; i < 8; ++i) story.arriving("bob");
    story.pass(Duration::seconds(60));
    // Eight at first, before anybody knows; then one at a time, after pauses that double.
    CHECK(story.world().transcript().faults().at("node.too_many") < 30);
    story.ask(alice, "COMMIT");
    SimClient& bob = *story.world().clients().back();
    CHECK(story.world().run_until([&] { return bob.state() == SimClient::State::Ready; },
                                  Duration::seconds(20)));
    CHECK(story.ask(bob, "SELECT 'b'").value() == "b");
    story.ask(second, "COMMIT");
    CHECK(story.complaints() == "");
}

TEST_CASE("a worker with waiters gets a server from a worker that holds an idle one") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        WorldOptions options = with({.workers = 4});
        options.seed = seed;
        Story story(options);
        std::vector<SimClient*> clients;
        for (int i = 0; i < 8; ++i) clients.push_back(&story.client("alice"));
        for (int round = 0; round < 3; ++round) {
            for (SimClient* client : clients) {
                const Instant since = story.world().now();
                const std::string token = client->token();
                CHECK(story.ask(*client, "SELECT '" + token + "'").value() == token);
                CHECK((story.world().now() - since).us < 500'000);
            }
        }
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("all workers together keep to one limit, and everybody is served") {
    Story story(with({.pool_size = 2, .workers = 4}));
    std::vector<SimClient*> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(&story.client("alice"));
    for (SimClient* client : clients) {
        for (int i = 0; i < 5; ++i) {
            client->query("SELECT pg_sleep(0.003), '" + client->token() + "'");
        }
        client->flush();
    }
    for (SimClient* client : clients) {
        story.answer(*client);
        CHECK(client->answers().size() == 5);
    }
    CHECK(story.node().sessions() <= 2);
    CHECK(story.complaints() == "");
}

TEST_CASE("a client that does not read holds up its own server only, within bounded memory") {
    Story story(with({.pool_size = 2}));
    SimClient& slow = story.client("alice");
    SimClient& other = story.client("alice");
    slow.stop_reading();
    slow.query("SELECT repeat('" + slow.token() + "', 100) FROM generate_series(1, 20000)").flush();
    story.pass(Duration::milliseconds(200));
    CHECK(story.ask(other, "SELECT 'on'").value() == "on");
    slow.read_on();
    CHECK(story.answer(slow).rows.size() == 20000);
    CHECK(story.complaints() == "");
}

TEST_CASE("session mode gives every client its own server, and cleans it") {
    Story story(with({.mode = "session", .pool_size = 2}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    story.ask(alice, "SET search_path TO 'private'");
    CHECK(story.ask(second, "SHOW search_path").value() == "\"$user\", public");
    CHECK(story.ask(alice, "SHOW search_path").value() == "private");
    alice.terminate();
    SimClient& third = story.client("alice");
    CHECK(story.ask(third, "SHOW search_path").value() == "\"$user\", public");
    CHECK(story.node().sessions() == 2);
    CHECK(story.complaints() == "");
}

TEST_CASE("statement mode refuses transactions of several statements") {
    Story story(with({.mode = "statement"}));
    SimClient& alice = story.client("alice", ready_for({"08P01", "0A000", "25001", "25000"}));
    CHECK(story.ask(alice, "SELECT 'one'").value() == "one");
    const Answer refused = story.ask(alice, "BEGIN");
    CHECK(refused.sqlstate != "");
    story.pass(Duration::milliseconds(20));
    SimClient& second = story.client("alice");
    CHECK(story.ask(second, "SELECT 'two'").value() == "two");
    CHECK(story.complaints() == "");
}

TEST_CASE("a run repeats from its seed") {
    const auto hash = [](std::uint64_t seed) {
        return run_swarm({.seed = seed, .steps = 3000}).hash;
    };
    for (std::uint64_t seed = 1; seed <= 10; ++seed) CHECK(hash(seed) == hash(seed));
    CHECK(hash(1) != hash(2));
}

TEST_CASE("PAUSE lets transactions end and holds new ones, RESUME lets them go on") {
    Story story(with({.pool_size = 2, .workers = 2, .general = "admin_users = [\"root\"]\n"}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    ClientOptions console;
    console.database = "pgweir";
    console.is_console = true;
    SimClient& root = story.client("root", console);
    REQUIRE(root.state() == SimClient::State::Ready);
    story.ask(alice, "BEGIN");
    root.query("PAUSE").flush();
    story.pass(Duration::milliseconds(50));
    CHECK(root.answers().empty());
    second.query("SELECT 'held'").flush();
    story.pass(Duration::milliseconds(50));
    CHECK(second.answers().empty());
    CHECK(story.ask(alice, "COMMIT").tags == std::vector<std::string>{"COMMIT"});
    story.pass(Duration::milliseconds(50));
    REQUIRE(root.answers().size() == 1);
    CHECK(root.answers().back().sqlstate == "");
    CHECK(second.answers().empty());
    CHECK(story.ask(root, "RESUME").sqlstate == "");
    CHECK(story.answer(second).value() == "held");
    CHECK(story.ask(alice, "SELECT 'on'").value() == "on");
    CHECK(story.complaints() == "");
}

TEST_CASE("SHOW POOLS counts what the world sees (I38)") {
    Story story(with({.pool_size = 2, .workers = 2, .general = "admin_users = [\"root\"]\n"}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    SimClient& third = story.client("alice");
    ClientOptions console;
    console.database = "pgweir";
    console.is_console = true;
    SimClient& root = story.client("root", console);
    story.ask(alice, "BEGIN");
    story.ask(second, "BEGIN");
    third.query("SELECT 'waits'").flush();
    story.pass(Duration::milliseconds(50));
    const Answer pools = story.ask(root, "SHOW POOLS");
    std::vector<std::string> row;
    for (const auto& one : pools.rows) {
        if (one.size() > 8 && one[0] == "app" && one[1] == "alice") row = one;
    }
    REQUIRE(row.size() > 8);
    CHECK(row[2] == "2");  // cl_active
    CHECK(row[3] == "1");  // cl_waiting
    story.ask(alice, "COMMIT");
    story.ask(second, "COMMIT");
    CHECK(story.answer(third).value() == "waits");
    CHECK(story.complaints() == "");
}
