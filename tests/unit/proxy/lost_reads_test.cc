// SPDX-License-Identifier: PostgreSQL
// Reads whose node is silent, lost, or busy: where they run instead.
#include <doctest/doctest.h>

#include "unit/proxy/settled.h"

namespace pgweir::proxy {

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
        s.world.pass(Duration::milliseconds(150));
        CHECK_FALSE(s.world.is_server_closed(s.on_two));
        fail_look(s.world, kTwo, cluster::ProbeOver::New);
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

TEST_CASE("a read that has lost two servers is not taken back from a third that is only silent") {
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
            if (!has(s.world.asked(id), "Q(select 1)")) continue;
            if (++runs < 3) {
                s.world.tell(ServerClosed{id, "end of file"});
                continue;
            }
            lose(s.world, s.world.opened_to("one") == id ? kOne : kTwo);
            CHECK_FALSE(s.world.is_server_closed(id));
        }
    }
    CHECK(runs == 3);
    CHECK(s.world.heard(bob) == "");
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

}  // namespace pgweir::proxy
