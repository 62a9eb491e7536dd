// SPDX-License-Identifier: PostgreSQL
// Stories of read/write splitting: where units run, and that nobody can tell by the answers. Beside
// what a story says, every checker watches all of it.
#include <doctest/doctest.h>

#include "sim/cluster_setup.h"

using namespace pgweir;
using namespace pgweir::sim;

TEST_CASE("reads go to a standby, writes to the primary") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    CHECK(story.served_by([&] { story.get(alice, 5); }) == "standby");
    CHECK(story.served_by([&] { story.put(alice, 5); }) == "primary");
    CHECK(story.served_by([&] {
        story.ask(alice, "SELECT value FROM registers WHERE id = 5 FOR UPDATE /* " + alice.token() +
                             " */");
    }) == "primary");
    CHECK(story.complaints() == "");
}

TEST_CASE("all standbys serve reads when there is enough to do") {
    ClusterStory story({.standbys = 3, .pool_size = 4});
    std::vector<SimClient*> clients;
    for (int i = 0; i < 9; ++i) clients.push_back(&story.settled("alice"));
    for (int round = 0; round < 5; ++round) {
        for (SimClient* one : clients) {
            one->query("SELECT pg_sleep(0.02), '" + one->token() + "'").flush();
        }
        for (SimClient* one : clients) story.answer(*one);
    }
    for (std::uint32_t node = 1; node <= 3; ++node) {
        CHECK(story.world().watch().routing().turns_on(node) > 5);
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("a session sees what it wrote, however far behind the standby is") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    story.world().replication().set_weather(0, {.delay_max = Duration::milliseconds(400)});
    for (int i = 0; i < 20; ++i) {
        const std::string written = story.put(alice, 5);
        CHECK(story.get(alice, 5) == written);
        story.pass(Duration::milliseconds(30));
    }
    story.world().replication().set_weather(0, {});
    story.pass(Duration::seconds(1));
    CHECK(story.served_by([&] { story.get(alice, 5); }) == "standby");
    CHECK(story.complaints() == "");
}

TEST_CASE("a session never reads backwards when it moves from standby to standby") {
    ClusterStory story({.standbys = 2});
    SimClient& writer = story.settled("alice");
    SimClient& reader = story.settled("alice");
    story.world().replication().pause(1);
    for (int i = 0; i < 20; ++i) {
        story.put(writer, 5);
        story.pass(Duration::milliseconds(10));
        story.get(reader, 5);
    }
    story.world().node(1).crash(Duration::milliseconds(500), Duration::milliseconds(10));
    for (int i = 0; i < 20; ++i) {
        story.get(reader, 5);
        story.pass(Duration::milliseconds(10));
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("a session that reads without a pause comes back to the standbys") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        ClusterStory story({.seed = seed});
        SimClient& alice = story.settled("alice");
        story.put(alice, 5);
        for (int i = 0; i < 10; ++i) story.get(alice, 5);
        CHECK(story.served_by([&] { story.get(alice, 5); }) == "standby");
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("a standby that is too far behind gets no reads until it has caught up") {
    ClusterStory story({});
    SimClient& writer = story.settled("alice");
    SimClient& reader = story.settled("alice");
    story.world().replication().pause(0);
    story.put(writer, 5);
    story.pass(Duration::seconds(3));
    CHECK(story.served_by([&] { story.get(reader, 7); }) == "primary");
    story.world().replication().resume(0);
    story.pass(Duration::seconds(1));
    CHECK(story.served_by([&] { story.get(reader, 7); }) == "standby");
    CHECK(story.complaints() == "");
}

TEST_CASE("an idle primary makes no lag") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    story.pass(Duration::seconds(30));
    CHECK(story.served_by([&] { story.get(alice, 5); }) == "standby");
    CHECK(story.complaints() == "");
}

TEST_CASE("a standby that dies with a read in flight is nobody's trouble") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        ClusterStory story({.standbys = 2, .seed = seed});
        SimClient& alice = story.settled("alice");
        alice.query("SELECT pg_sleep(0.05), '" + alice.token() + "'").flush();
        alice.query(story.reading(alice, 5)).flush();
        story.pass(Duration::milliseconds(5));
        for (std::uint32_t node = 1; node <= 2; ++node) {
            story.world().node(node).crash(Duration::milliseconds(300), Duration::milliseconds(50));
        }
        CHECK(story.answer(alice).sqlstate == "");
        CHECK(story.ask(alice, story.reading(alice, 5)).sqlstate == "");
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("a standby that freezes loses its reads to others, and the client waits at most") {
    ClusterStory story({.standbys = 2});
    SimClient& alice = story.settled("alice");
    story.world().node(1).freeze(Duration::seconds(3));
    story.pass(Duration::seconds(1));
    CHECK(story.served_by([&] { story.get(alice, 5); }) != "nowhere");
    CHECK(story.world().now() < Instant{} + Duration::seconds(5));
    CHECK(story.complaints() == "");
}

TEST_CASE("a read that replay cancels runs again, unseen") {
    ClusterStory story({.standbys = 2});
    SimClient& alice = story.settled("alice");
    alice.query("SELECT value, pg_sleep(0.05) FROM registers WHERE id = 5 /* " + alice.token() +
                " */");
    alice.flush();
    story.pass(Duration::milliseconds(10));
    for (std::uint32_t node = 1; node <= 2; ++node) story.world().node(node).conflict();
    CHECK(story.answer(alice).sqlstate == "");
    CHECK(story.complaints() == "");
}

TEST_CASE("a write that looks like a read runs again on the primary, and is remembered") {
    ClusterStory story({.catalog_lies = true});
    SimClient& alice = story.settled("alice");
    const auto sneak = [&] {
        const Answer answer = story.ask(alice, "SELECT sneaky_write(5, '" + alice.token() + "')");
        CHECK(answer.sqlstate == "");
        CHECK(story.get(alice, 5) == answer.value());
    };
    CHECK(story.served_by(sneak) == "both");
    story.pass(Duration::milliseconds(300));
    CHECK(story.served_by([&] {
        CHECK(story.ask(alice, "SELECT sneaky_write(5, '" + alice.token() + "')").sqlstate == "");
    }) == "primary");
    CHECK(story.complaints() == "");
}

TEST_CASE("a function that the catalog calls volatile goes to the primary at once") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    CHECK(story.served_by([&] {
        CHECK(story.ask(alice, "SELECT sneaky_write(5, '" + alice.token() + "')").sqlstate == "");
    }) == "primary");
    CHECK(story.complaints() == "");
}

TEST_CASE("a transaction runs on the primary from its first statement") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    CHECK(story.served_by([&] {
        story.ask(alice, "BEGIN /* " + alice.token() + " */");
        story.get(alice, 5);
        const std::string written = story.put(alice, 5);
        CHECK(story.get(alice, 5) == written);
        CHECK(story.ask(alice, "COMMIT /* " + alice.token() + " */").status == 'I');
    }) == "primary");
    CHECK(story.complaints() == "");
}

TEST_CASE("a read-only transaction runs on one standby to its end") {
    ClusterStory story({.standbys = 3});
    SimClient& alice = story.settled("alice");
    for (const char* begin : {"BEGIN READ ONLY", "START TRANSACTION READ ONLY",
                              "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"}) {
        CHECK(story.served_by([&] {
            CHECK(story.ask(alice, std::string(begin) + " /* " + alice.token() + " */").status ==
                  'T');
            for (int i = 0; i < 5; ++i) {
                story.get(alice, i);
                story.pass(Duration::milliseconds(20));
            }
            CHECK(story.ask(alice, story.writing(5, alice.token())).sqlstate == "25006");
            CHECK(story.ask(alice, "ROLLBACK /* " + alice.token() + " */").status == 'I');
        }) == "standby");
        story.pass(Duration::milliseconds(200));
    }
    CHECK(story.complaints() == "");
}

TEST_CASE("SET TRANSACTION READ ONLY behind BEGIN sends the transaction to a standby") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    CHECK(story.served_by([&] {
        story.ask(alice, "BEGIN /* " + alice.token() + " */");
        story.ask(alice, "SET TRANSACTION READ ONLY /* " + alice.token() + " */");
        story.get(alice, 5);
        story.ask(alice, "COMMIT /* " + alice.token() + " */");
    }) == "standby");
    CHECK(story.complaints() == "");
}

TEST_CASE("a serializable transaction runs on the primary") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    CHECK(story.served_by([&] {
        story.ask(alice,
                  "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY /* " + alice.token() + " */");
        story.get(alice, 5);
        story.ask(alice, "COMMIT /* " + alice.token() + " */");
    }) == "primary");
    CHECK(story.complaints() == "");
}

TEST_CASE("a statement that was parsed on one node is bound on another") {
    ClusterStory story({.standbys = 3, .pool_size = 1});
    SimClient& alice = story.settled("alice");
    alice.parse("r", "SELECT $1::text, value FROM registers WHERE id = $2").sync().flush();
    story.answer(alice);
    alice.parse("w", "UPDATE registers SET value = $1 WHERE id = $2").sync().flush();
    story.answer(alice);
    for (int i = 0; i < 20; ++i) {
        const std::string value = alice.token();
        alice.bind("", "w", {value, "5"}).execute("").sync().flush();
        CHECK(story.answer(alice).sqlstate == "");
        story.pass(Duration::milliseconds(i % 3 * 40));
        alice.bind("", "r", {alice.token(), "5"}).execute("").sync().flush();
        CHECK(story.answer(alice).rows.at(0).at(1) == value);
    }
    CHECK(story.on_standbys() > 4);
    CHECK(story.complaints() == "");
}

TEST_CASE("reads and writes in one pipeline are answered in order") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        ClusterStory story({.seed = seed});
        SimClient& alice = story.settled("alice");
        const std::size_t before = alice.answers().size();
        const std::string first = alice.token();
        const std::string second = alice.token();
        alice.query(story.writing(5, first)).query(story.reading(alice, 5));
        alice.query(story.writing(5, second)).query(story.reading(alice, 5)).flush();
        story.world().run_until([&] { return alice.answers().size() == before + 4; },
                                Duration::seconds(10));
        REQUIRE(alice.answers().size() == before + 4);
        CHECK(alice.answers()[before + 1].value() == first);
        CHECK(alice.answers()[before + 3].value() == second);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("a batch that writes runs on the primary, all of it") {
    ClusterStory story({});
    SimClient& alice = story.settled("alice");
    CHECK(story.served_by([&] {
        const std::string value = alice.token();
        alice.parse("", story.reading(alice, 5)).bind("", "").execute("");
        alice.parse("", story.writing(5, value)).bind("", "").execute("");
        alice.parse("", story.reading(alice, 5)).bind("", "").execute("").sync().flush();
        CHECK(story.answer(alice).rows.at(1).at(0) == value);
    }) == "primary");
    CHECK(story.complaints() == "");
}

TEST_CASE("a strong read sees what somebody else was told, wherever it runs") {
    ClusterStory story({.standbys = 2,
                        .routing = "replica_wait = \"200ms\"\n",
                        .database = "consistency = \"strong\"\n"});
    SimClient& writer = story.settled("alice", ReadLevel::Strong);
    SimClient& reader = story.settled("bob", ReadLevel::Strong);
    story.world().replication().set_weather(0, {.delay_max = Duration::milliseconds(50)});
    story.world().replication().set_weather(1, {.delay_max = Duration::milliseconds(5)});
    const std::uint64_t before = story.on_standbys();
    for (int i = 0; i < 40; ++i) {
        const std::string written = story.put(writer, 5);
        story.pass(Duration::milliseconds(i % 4));
        CHECK(story.get(reader, 5) == written);
    }
    CHECK(story.on_standbys() > before + 20);
    CHECK(story.complaints() == "");
}

TEST_CASE("an eventual read goes to a standby even behind a write of its own") {
    ClusterStory story({.database = "consistency = \"eventual\"\n"});
    SimClient& alice = story.settled("alice", ReadLevel::Eventual);
    story.world().replication().pause(0);
    const std::string before = story.get(alice, 5);
    story.put(alice, 5);
    CHECK(story.served_by([&] { CHECK(story.get(alice, 5) == before); }) == "standby");
    CHECK(story.complaints() == "");
}

TEST_CASE("the level primary keeps reads on the primary") {
    ClusterStory story({.database = "consistency = \"primary\"\n"});
    SimClient& alice = story.settled("alice", ReadLevel::Strong);
    CHECK(story.served_by([&] { story.get(alice, 5); }) == "primary");
    CHECK(story.on_standbys() == 0);
    CHECK(story.complaints() == "");
}

TEST_CASE("without splitting, and in its shadow, standbys serve nothing") {
    for (const char* split : {"off", "shadow"}) {
        ClusterStory story({.routing = "split = \"" + std::string(split) + "\"\n"});
        SimClient& alice = story.settled("alice", ReadLevel::Strong);
        story.put(alice, 5);
        story.get(alice, 5);
        story.ask(alice, "BEGIN READ ONLY /* " + alice.token() + " */");
        story.get(alice, 5);
        story.ask(alice, "COMMIT /* " + alice.token() + " */");
        CHECK(story.on_standbys() == 0);
        CHECK(story.on_primary() > 0);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("workers agree on what they know of the nodes") {
    ClusterStory story({.standbys = 2, .workers = 3});
    std::vector<SimClient*> clients;
    for (int i = 0; i < 6; ++i) clients.push_back(&story.settled("alice"));
    for (int i = 0; i < 30; ++i) {
        story.put(*clients[static_cast<std::size_t>(i) % 6], i % 4);
        for (SimClient* one : clients) story.get(*one, i % 4);
    }
    CHECK(story.on_standbys() > 30);
    CHECK(story.complaints() == "");
}

TEST_CASE("a session that keeps its server does not begin on a standby") {
    ClusterSetup setup{.mode = "session"};
    WorldOptions options = with(setup);
    options.look_weather.delay_max = Duration::milliseconds(50);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        options.seed = seed;
        Story story(options);
        SimClient& alice = story.client("alice");
        story.ask(alice, ClusterStory::writing(5, alice.token()));
        story.pass(Duration::seconds(1));
        CHECK(alice.answers().back().sqlstate == "");
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("in a transaction that finds no node everything is answered") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        ClusterStory story({.cluster = "failover_timeout = \"300ms\"\n",
                            .timeouts = "query_wait_timeout = \"300ms\"\n",
                            .seed = seed});
        SimClient& alice =
            story.settled("alice", ReadLevel::Session, ready_for({"57P03", "53300"}));
        // It has lost a server, and some time has passed.
        alice.tolerance().errors.insert({"08007", "57P01", "57P02", "08006"});
        alice.query(story.writing(4, alice.token())).flush();
        story.pass(Duration::microseconds(static_cast<std::int64_t>(seed) * 30));
        for (std::uint32_t node = 0; node < 2; ++node) {
            story.world().node(node).crash(Duration::seconds(30), Duration::milliseconds(10));
        }
        story.answer(alice);
        story.pass(Duration::seconds(1));
        const std::size_t before = alice.answers().size();
        alice.query("BEGIN READ ONLY").query(story.reading(alice, 5));
        alice.query(story.reading(alice, 6));
        alice.parse("", story.reading(alice, 7)).bind("", "").execute("").flush();
        story.pass(Duration::milliseconds(static_cast<std::int64_t>(seed % 2) * 400));
        alice.sync().query("COMMIT").flush();
        story.pass(Duration::seconds(5));
        INFO("seed ", seed);
        CHECK(alice.answers().size() == before + 5);
        CHECK(story.complaints() == "");
    }
}

// These two hold of every world; the swarm found them with registers.
TEST_CASE("a statement that does not exist fails the transaction it is bound in") {
    Story story(with(Setup{}));
    SimClient& alice = story.client("alice");
    story.ask(alice, "BEGIN");
    alice.bind("", "missing").execute("").sync().flush();
    const Answer answer = story.answer(alice);
    CHECK(answer.sqlstate == "26000");
    CHECK(answer.status == 'E');
    CHECK(story.ask(alice, "COMMIT").tags == std::vector<std::string>{"ROLLBACK"});
    CHECK(story.complaints() == "");
}

TEST_CASE("a failed transaction refuses to parse, though the server knows the statement") {
    Story story(with(Setup{}));
    SimClient& alice = story.client("alice");
    SimClient& second = story.client("alice");
    second.parse("s", "SELECT $1::text").sync().flush();
    story.answer(second);
    story.ask(alice, "BEGIN");
    story.ask(alice, "SELECT 'x'::int");
    alice.parse("s", "SELECT $1::text").sync().flush();
    CHECK(story.answer(alice).sqlstate == "25P02");
    CHECK(story.complaints() == "");
}
