// SPDX-License-Identifier: PostgreSQL
// How far behind standbys are, without clocks, and what follows.
#include "cluster/lag.h"

#include "unit/cluster/story.h"

namespace pgweir::cluster {

TEST_CASE("lag is the time since the primary was first seen past a place") {
    LagHistory history(Duration::seconds(10));
    history.reached(Lsn{100}, at_ms(0));
    history.reached(Lsn{200}, at_ms(1000));
    history.reached(Lsn{300}, at_ms(2000));
    CHECK(history.lag_time(Lsn{300}, at_ms(2500)) == Duration{});
    CHECK(history.lag_time(Lsn{250}, at_ms(2500)) == Duration::milliseconds(500));
    CHECK(history.lag_time(Lsn{200}, at_ms(2500)) == Duration::milliseconds(500));
    CHECK(history.lag_time(Lsn{199}, at_ms(2500)) == Duration::milliseconds(1500));
    CHECK(history.lag_time(Lsn{1}, at_ms(2500)) == Duration::milliseconds(2500));
    // Seen before the primary was there.
    CHECK(history.lag_time(Lsn{250}, at_ms(1900)) == Duration{});
    CHECK(history.lag_bytes(Lsn{250}, at_ms(1900)) == 0);
    CHECK(history.lag_bytes(Lsn{150}, at_ms(1900)) == 50);
    CHECK(history.lag_bytes(Lsn{150}, at_ms(2000)) == 150);
}

TEST_CASE("an idle primary makes no lag") {
    LagHistory history(Duration::seconds(10));
    for (int i = 0; i < 1000; ++i) history.reached(Lsn{100}, at_ms(i * 1000));
    history.reached(Lsn{200}, at_ms(1'000'000));
    CHECK(history.lag_time(Lsn{100}, at_ms(1'000'000)) == Duration{});
    CHECK(history.lag_time(Lsn{100}, at_ms(1'000'300)) == Duration::milliseconds(300));
}

TEST_CASE("a history of many places is bounded and covers its span") {
    LagHistory history(Duration::seconds(60));
    for (std::int64_t ms = 0; ms < 200'000; ++ms) {
        history.reached(Lsn{static_cast<std::uint64_t>(1000 + ms)}, at_ms(ms));
    }
    const Instant now = at_ms(200'000);
    for (const std::int64_t lag_ms : {100, 1000, 10'000, 59'000}) {
        const Lsn place{static_cast<std::uint64_t>(1000 + 200'000 - lag_ms)};
        const std::int64_t measured = history.lag_time(place, now).us / 1000;
        CHECK(measured <= lag_ms);
        CHECK(measured >= lag_ms - 60);
    }
    CHECK(history.lag_time(Lsn{1}, now) > Duration::seconds(60));
}

TEST_CASE("a place that goes back forgets what lies beyond") {
    LagHistory history(Duration::seconds(10));
    history.reached(Lsn{100}, at_ms(0));
    history.reached(Lsn{200}, at_ms(1000));
    history.reached(Lsn{300}, at_ms(2000));
    history.reached(Lsn{150}, at_ms(3000));
    CHECK(history.last() == Lsn{150});
    CHECK(history.lag_time(Lsn{200}, at_ms(4000)) == Duration{});
    CHECK(history.lag_time(Lsn{120}, at_ms(4000)) == Duration::milliseconds(1000));
}

TEST_CASE("a standby that stops replaying is found out by time") {
    ClusterRules rules;
    rules.max_replica_lag = Duration::seconds(2);
    rules.evidence_age_max = Duration::seconds(60);
    Story s(rules);
    s.begin(100);
    s.pass_ms(3600'000);
    s.primary(kOne, 200);
    s.standby(kTwo, 100);
    CHECK(s.trouble(kTwo) == Trouble::None);  // An hour of idleness is no lag.
    s.pass_ms(1900);
    s.standby(kTwo, 100);
    CHECK(s.trouble(kTwo) == Trouble::None);
    s.pass_ms(200);
    s.standby(kTwo, 150);
    CHECK(s.trouble(kTwo) == Trouble::LagTime);
    CHECK(s.node(kTwo).lag_time >= Duration::milliseconds(2100));
    CHECK(s.node(kTwo).lag_bytes == 50);
    s.standby(kTwo, 200);
    CHECK(s.trouble(kTwo) == Trouble::None);
}

TEST_CASE("a standby too far behind in bytes gets no reads") {
    ClusterRules rules;
    rules.max_replica_lag_bytes = 1000;
    Story s(rules);
    s.begin(100);
    s.primary(kOne, 2000);
    // The standby was last seen before the primary wrote that.
    CHECK(s.trouble(kTwo) == Trouble::None);
    s.standby(kTwo, 900);
    CHECK(s.trouble(kTwo) == Trouble::LagBytes);
    s.standby(kTwo, 1000);
    CHECK(s.trouble(kTwo) == Trouble::None);
}

TEST_CASE("a lag that can't be known is trouble only if there is a bound") {
    Story s;
    s.primary(kOne, 0);
    s.standby(kTwo, 0);
    CHECK(s.trouble(kTwo) == Trouble::LagUnknown);
    ClusterRules rules;
    rules.max_replica_lag = {};
    rules.max_replica_lag_bytes = 0;
    Story unbounded(rules);
    unbounded.primary(kOne, 0);
    unbounded.standby(kTwo, 0);
    CHECK(unbounded.trouble(kTwo) == Trouble::None);
}

TEST_CASE("without a primary nobody falls behind") {
    ClusterRules rules;
    rules.max_replica_lag = Duration::seconds(2);
    Story s(rules);
    s.begin(100);
    s.primary(kOne, 200);
    s.fails(kOne);
    s.fails(kOne);
    for (int i = 0; i < 20; ++i) {
        s.pass_ms(1000);
        s.standby(kTwo, 150);
    }
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kTwo) == Trouble::None);
}

TEST_CASE("a standby that was too far behind when the primary died gets no reads") {
    ClusterRules rules;
    rules.max_replica_lag = Duration::seconds(2);
    Story s(rules);
    s.begin(100);
    for (std::uint64_t i = 1; i <= 5; ++i) {
        s.pass_ms(1000);
        s.primary(kOne, 100 + i * 100);
        s.standby(kTwo, 150);
    }
    CHECK(s.trouble(kTwo) == Trouble::LagTime);
    s.fails(kOne);
    s.fails(kOne);
    s.standby(kTwo, 160);
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kTwo) == Trouble::LagTime);
    s.standby(kTwo, 590);
    CHECK(s.trouble(kTwo) == Trouble::None);
}

TEST_CASE("a standby that is much slower than the others is ejected, but never most of them") {
    Story s;
    s.begin(100);
    for (int i = 0; i < 20; ++i) {
        s.primary(kOne, 100);
        s.answer(kTwo, {.took_us = 300'000});
        s.standby(kThree, 100);
    }
    CHECK(s.trouble(kTwo) == Trouble::Slow);
    CHECK(s.trouble(kThree) == Trouble::None);
    for (int i = 0; i < 20; ++i) s.answer(kThree, {.took_us = 300'000});
    const bool is_one_left = s.trouble(kTwo) == Trouble::None || s.trouble(kThree) == Trouble::None;
    CHECK(is_one_left);
    for (int i = 0; i < 40; ++i) {
        s.standby(kTwo, 100);
        s.standby(kThree, 100);
    }
    CHECK(s.trouble(kTwo) == Trouble::None);
    CHECK(s.trouble(kThree) == Trouble::None);
}

TEST_CASE("the only standby is never ejected for being slow") {
    Story s({}, 2);
    s.primary(kOne, 100);
    for (int i = 0; i < 20; ++i) {
        s.primary(kOne, 100);
        s.answer(kTwo, {.took_us = 500'000});
    }
    CHECK(s.trouble(kTwo) == Trouble::None);
}

}  // namespace pgweir::cluster
