// SPDX-License-Identifier: PostgreSQL
// First come, first served, also when the middle of the line goes away.
#include "pgweir/pool/waiting_line.h"

#include <doctest/doctest.h>

#include <deque>

#include "pgweir/base/random.h"

namespace pgweir::pool {

namespace {
ClientId client(std::uint64_t n) {
    return ClientId{n};
}
}  // namespace

TEST_CASE("an empty line has no first") {
    WaitingLine line;
    CHECK(line.empty());
    CHECK(line.front() == nullptr);
    CHECK_FALSE(line.pop());
}

TEST_CASE("whoever came first is served first") {
    WaitingLine line;
    for (std::uint64_t n = 1; n <= 40; ++n) line.push(client(n), Instant{std::int64_t(n)});
    CHECK(line.size() == 40);
    for (std::uint64_t n = 1; n <= 40; ++n) {
        const auto waiter = line.pop();
        REQUIRE(waiter);
        CHECK(waiter->client == client(n));
        CHECK(waiter->since.us == std::int64_t(n));
    }
    CHECK(line.empty());
}

TEST_CASE("whoever leaves from the middle is not served, and the others keep their order") {
    WaitingLine line;
    line.push(client(1), Instant{});
    const auto second = line.push(client(2), Instant{});
    line.push(client(3), Instant{});
    line.leave(second);
    CHECK(line.size() == 2);
    CHECK(line.pop()->client == client(1));
    CHECK(line.pop()->client == client(3));
    CHECK(line.empty());
}

TEST_CASE("the first in line is the first who still waits") {
    WaitingLine line;
    const auto first = line.push(client(1), Instant{1});
    const auto second = line.push(client(2), Instant{2});
    line.push(client(3), Instant{3});
    line.leave(second);
    line.leave(first);
    REQUIRE(line.front() != nullptr);
    CHECK(line.front()->client == client(3));
    std::size_t seen = 0;
    line.for_each([&](const Waiter& waiter) {
        ++seen;
        CHECK(waiter.client == client(3));
    });
    CHECK(seen == 1);
}

TEST_CASE("a ticket is good as long as its client waits, however the line grows") {
    WaitingLine line;
    // The ring has turned around before it grows.
    for (std::uint64_t n = 1; n <= 12; ++n) line.push(client(n), Instant{});
    for (int i = 0; i < 10; ++i) line.pop();
    const auto ticket = line.push(client(100), Instant{});
    for (std::uint64_t n = 200; n < 300; ++n) line.push(client(n), Instant{});
    line.leave(ticket);
    CHECK(line.pop()->client == client(11));
    CHECK(line.pop()->client == client(12));
    CHECK(line.pop()->client == client(200));
}

TEST_CASE("the line does what a list does, in any order of arrivals, services and departures") {
    struct Known {
        std::uint64_t client;
        WaitingLine::Ticket ticket;
    };
    Random random(7);
    WaitingLine line;
    std::deque<Known> model;
    std::uint64_t next = 1;
    for (int step = 0; step < 20000; ++step) {
        switch (random.below(5)) {
            case 0:
            case 1:
                model.push_back({next, line.push(client(next), Instant{})});
                ++next;
                break;
            case 2:
            case 3:
                if (model.empty()) {
                    CHECK_FALSE(line.pop());
                } else {
                    const auto waiter = line.pop();
                    REQUIRE(waiter);
                    REQUIRE(waiter->client == client(model.front().client));
                    model.pop_front();
                }
                break;
            default:
                if (model.empty()) break;
                const auto at = static_cast<std::ptrdiff_t>(random.below(model.size()));
                line.leave(model[static_cast<std::size_t>(at)].ticket);
                model.erase(model.begin() + at);
        }
        REQUIRE(line.size() == model.size());
    }
}

}  // namespace pgweir::pool
