// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/timer_queue.h"

#include <doctest/doctest.h>

#include <map>

#include "pgweir/base/random.h"

using namespace pgweir;

namespace {
Instant at(std::int64_t us) {
    return Instant{us};
}
}  // namespace

TEST_CASE("without timers the next deadline is never") {
    TimerQueue timers;
    CHECK(timers.next().is_never());
    CHECK_FALSE(timers.expire(at(1'000'000)));
}

TEST_CASE("timers expire earliest first, and not before their time") {
    TimerQueue timers;
    timers.set(1, at(30));
    timers.set(2, at(10));
    timers.set(3, at(20));
    CHECK(timers.next() == at(10));
    CHECK_FALSE(timers.expire(at(9)));
    CHECK(timers.expire(at(20)) == 2);
    CHECK(timers.expire(at(20)) == 3);
    CHECK_FALSE(timers.expire(at(20)));
    CHECK(timers.next() == at(30));
    CHECK(timers.size() == 1);
}

TEST_CASE("of equal deadlines the one that was set first expires first") {
    TimerQueue timers;
    for (const TimerQueue::Key key : {9, 3, 7, 1}) timers.set(key, at(5));
    timers.set(9, at(5));  // Set anew: now it is the last.
    for (const TimerQueue::Key key : {3, 7, 1, 9}) CHECK(timers.expire(at(5)) == key);
}

TEST_CASE("a timer that is moved does not expire at its old time") {
    TimerQueue timers;
    timers.set(1, at(10));
    timers.set(1, at(50));
    CHECK(timers.next() == at(50));
    CHECK_FALSE(timers.expire(at(49)));
    timers.set(1, at(5));
    CHECK(timers.expire(at(5)) == 1);
    CHECK_FALSE(timers.expire(at(100)));
}

TEST_CASE("a timer that is cleared, or set to never, does not expire") {
    TimerQueue timers;
    timers.set(1, at(10));
    timers.set(2, at(10));
    timers.clear(1);
    timers.set(2, Instant::never());
    timers.clear(77);
    CHECK(timers.next().is_never());
    CHECK(timers.size() == 0);
    CHECK_FALSE(timers.expire(at(1000)));
}

TEST_CASE("timers do what a map does, whatever the order of calls") {
    Random random(7);
    TimerQueue timers;
    std::map<TimerQueue::Key, Instant> model;
    Instant now = at(0);
    for (int step = 0; step < 20000; ++step) {
        const TimerQueue::Key key = random.below(40);
        switch (random.below(4)) {
            case 0:
            case 1: {
                const Instant deadline =
                    now + Duration{static_cast<std::int64_t>(random.below(50))};
                timers.set(key, deadline);
                model[key] = deadline;
                break;
            }
            case 2:
                timers.clear(key);
                model.erase(key);
                break;
            default:
                now = now + Duration{static_cast<std::int64_t>(random.below(20))};
                while (const auto expired = timers.expire(now)) {
                    REQUIRE(model.contains(*expired));
                    REQUIRE(model[*expired] <= now);
                    model.erase(*expired);
                }
        }
        Instant earliest = Instant::never();
        for (const auto& [unused, deadline] : model) earliest = std::min(earliest, deadline);
        REQUIRE(timers.next() == earliest);
        REQUIRE(timers.size() == model.size());
    }
}
