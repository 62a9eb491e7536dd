// SPDX-License-Identifier: PostgreSQL
// Another primary: who is closed before it is written to, who waits for it, and how nodes are
// emptied for it.
#include <doctest/doctest.h>

#include "unit/proxy/settled.h"

namespace pgweir::proxy {

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
    const HttpRequestId metrics = s.world.ask_http({.path = "/metrics"});
    CHECK(
        has(s.world.http_answer(metrics)->body, "\npgweir_failovers_total{databases=\"app\"} 1\n"));
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

TEST_CASE("a command runs once when the primary is lost for long enough") {
    Settled s("on_primary_lost = \"promote\"\non_primary_lost_delay = \"2s\"\n");
    std::vector<RunCommand>& commands = s.world.commands();
    lose(s.world, kOne);
    s.world.pass(Duration::milliseconds(1500));
    see(s.world, kOne, {});
    s.world.pass(Duration::seconds(3));
    see(s.world, kOne, {});
    CHECK(commands.empty());  // It was back in time.
    see(s.world, kTwo, {.in_recovery = true});
    lose(s.world, kOne);
    see(s.world, kTwo, {.in_recovery = true});
    s.world.pass(Duration::milliseconds(2100));
    REQUIRE(commands.size() == 1);
    CHECK(commands[0].command == "promote");
    using Variable = std::pair<std::string, std::string>;
    CHECK(commands[0].environment == std::vector<Variable>{{"PGWEIR_DATABASES", "app"},
                                                           {"PGWEIR_PRIMARY", "one:5432"},
                                                           {"PGWEIR_STANDBYS", "two:5432"}});
    s.world.pass(Duration::seconds(10));
    CHECK(commands.size() == 1);
    // The next loss is another one.
    see(s.world, kTwo, {.timeline = 2});
    lose(s.world, kTwo);
    s.world.pass(Duration::milliseconds(2100));
    REQUIRE(commands.size() == 2);
    CHECK(commands[1].environment[1].second == "two:5432");
    CHECK(commands[1].environment[2].second == "");
}

TEST_CASE("a primary that is switched over is not lost") {
    Settled s("on_primary_lost = \"promote\"\non_primary_lost_delay = \"0\"\n");
    const ClientId root = s.open_console();
    s.world.say(root, client::query("switchover"));
    s.world.asked(s.on_one);
    lose(s.world, kOne);
    s.world.pass(Duration::milliseconds(500));
    see(s.world, kTwo, {.timeline = 2});
    s.world.pass(Duration::milliseconds(500));
    CHECK(s.world.commands().empty());
}

TEST_CASE("a standby that was not looked at since its server logged in serves no bound read") {
    Demoted s;
    const ClientId bob = s.world.connect();
    s.world.heard(bob);
    see(s.world, kTwo, {.in_recovery = true});
    s.world.say(bob, client::query("select 1"));
    REQUIRE(has(s.world.asked(s.on_two), "Q(select 1)"));
    s.world.answer(s.on_two, server::columns() + server::row() + server::complete("SELECT 1") +
                                 server::ready());
    // It may have restarted, further back than what bob has read.
    s.world.tell(ServerClosed{s.on_two, "end of file"});
    s.world.pass(Duration::milliseconds(1));
    const ServerId again = s.world.opened_to("two");
    REQUIRE(again);
    s.world.log_in(again);
    s.world.say(bob, client::query("select 2"));
    CHECK_FALSE(has(s.world.asked(again), "select 2"));
    CHECK(has(s.world.asked(s.on_one), "Q(select 2)"));
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
