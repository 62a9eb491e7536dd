// SPDX-License-Identifier: PostgreSQL
// One trial at a time while a node fails, many while it does not.
#include "pgweir/pool/login_gate.h"

#include <doctest/doctest.h>

namespace pgweir::pool {

namespace {
constexpr Duration kBase = Duration::milliseconds(100);
constexpr Duration kMax = Duration::seconds(5);

// Tries as often as it is let, each a failure; returns the trials within `span`.
int trials_within(LoginGate& gate, Duration span, Random& random) {
    int trials = 0;
    Instant now{};
    const Instant end = now + span;
    while (now < end) {
        if (gate.may_try(now)) {
            gate.tried();
            gate.failed(now, random);
            ++trials;
        }
        now = gate.next_try();
    }
    return trials;
}
}  // namespace

TEST_CASE("while logins succeed, many may be under way at once, and no more") {
    LoginGate gate(kBase, kMax);
    int under_way = 0;
    while (gate.may_try(Instant{}) && under_way < 1000) {
        gate.tried();
        ++under_way;
    }
    CHECK(under_way == 32);
    CHECK(gate.next_try().is_never());
    gate.succeeded();
    CHECK(gate.may_try(Instant{}));
}

TEST_CASE("after a failure nobody tries before the back-off is over, and then one alone") {
    Random random(1);
    LoginGate gate(kBase, kMax);
    const Instant now{1'000'000};
    gate.tried();
    gate.failed(now, random);
    CHECK(gate.is_failing());
    CHECK_FALSE(gate.may_try(now));
    const Instant next = gate.next_try();
    CHECK(next > now);
    CHECK(next <= now + kBase);
    REQUIRE(gate.may_try(next));
    gate.tried();
    CHECK_FALSE(gate.may_try(next));
    CHECK(gate.next_try().is_never());
}

TEST_CASE("logins that were under way together and failed together are one failure") {
    Random random(1);
    LoginGate gate(kBase, kMax);
    const Instant now{1'000'000};
    for (int i = 0; i < 32; ++i) gate.tried();
    for (int i = 0; i < 32; ++i) gate.failed(now, random);
    CHECK(gate.failures() == 1);
    CHECK(gate.next_try() <= now + kBase);
    gate.tried();
    gate.failed(now + kBase, random);
    CHECK(gate.failures() == 2);
}

TEST_CASE("a success opens the gate at once") {
    Random random(1);
    LoginGate gate(kBase, kMax);
    for (int i = 0; i < 8; ++i) {
        gate.tried();
        gate.failed(Instant{}, random);
    }
    CHECK(gate.failures() == 8);
    gate.tried();
    gate.succeeded();
    CHECK_FALSE(gate.is_failing());
    CHECK(gate.may_try(Instant{}));
}

TEST_CASE("a trial that says nothing about the node changes nothing") {
    Random random(1);
    LoginGate gate(kBase, kMax);
    gate.tried();
    gate.failed(Instant{}, random);
    const Instant next = gate.next_try();
    gate.tried();
    gate.abandoned();
    CHECK(gate.failures() == 1);
    CHECK(gate.next_try() == next);
}

TEST_CASE("the back-off doubles up to its bound, so an outage costs few trials") {
    Random random(3);
    LoginGate gate(kBase, kMax);
    // 60 seconds at full back-off of at least 5/8 s: far below one trial per base.
    const int trials = trials_within(gate, Duration::seconds(60), random);
    CHECK(trials >= 12);
    CHECK(trials <= 60 * 8 / 5 + 12);
}

TEST_CASE("the back-off never exceeds its bound, however many failures there were") {
    Random random(4);
    LoginGate gate(kBase, kMax);
    Instant now{};
    for (int i = 0; i < 100; ++i) {
        gate.tried();
        gate.failed(now, random);
        CHECK(gate.next_try() > now);
        CHECK(gate.next_try() <= now + kMax);
        now = gate.next_try();
    }
}

TEST_CASE("two proxies that failed together come back apart") {
    Random one(1);
    Random other(2);
    int same = 0;
    for (int i = 0; i < 50; ++i) {
        LoginGate a(kMax, kMax);
        LoginGate b(kMax, kMax);
        a.tried();
        b.tried();
        a.failed(Instant{}, one);
        b.failed(Instant{}, other);
        if (a.next_try() == b.next_try()) ++same;
    }
    CHECK(same <= 1);
}

TEST_CASE("a trial that failed for want of room is due again as soon as room was made") {
    Random random(1);
    LoginGate gate(kMax, kMax);
    const Instant now{1'000'000};
    gate.tried();
    gate.failed(now, random);
    gate.room_made(now);
    CHECK_FALSE(gate.may_try(now));  // That was not what was missing.
    gate.want_room();
    gate.room_made(now);
    REQUIRE(gate.may_try(now));
    gate.tried();
    CHECK(gate.has_room());
    CHECK_FALSE(gate.may_try(now));  // One at a time.
    gate.failed(now, random);
    CHECK_FALSE(gate.has_room());
    gate.room_made(now);  // Nobody asked again.
    CHECK_FALSE(gate.may_try(now));
    CHECK(gate.next_try() > now);
}

TEST_CASE("a failure among logins that were under way keeps the others counted") {
    Random random(1);
    LoginGate gate(kBase, kMax);
    gate.tried();
    gate.tried();
    gate.failed(Instant{}, random);
    // The second is still under way: nobody else tries, not even after the back-off.
    CHECK_FALSE(gate.may_try(Instant{} + kMax));
    gate.succeeded();
    CHECK(gate.may_try(Instant{}));
}

}  // namespace pgweir::pool
