// SPDX-License-Identifier: PostgreSQL
// Who gets which server, and when another is wanted.
#include "pgweir/pool/pool.h"

#include <doctest/doctest.h>

#include <memory>

namespace pgweir::pool {

namespace {

constexpr ServerId kOne{1};
constexpr ServerId kTwo{2};
constexpr ServerId kThree{3};
constexpr ClientId kAlice{11};
constexpr ClientId kBob{12};

Instant at_ms(std::int64_t ms) {
    return Instant{} + Duration::milliseconds(ms);
}

struct Fixture {
    std::shared_ptr<WaitBoard> board = std::make_shared<WaitBoard>();
    Pool pool{PoolId{1}, PoolKey{"app", "alice", "10.0.0.1:5432"}, board, 0};

    // An idle server, logged in at `now`.
    void add(ServerId server, Instant now) {
        pool.opening();
        CHECK_FALSE(pool.opened(server, now));
    }
};

}  // namespace

TEST_CASE("a pool is named for people") {
    Fixture f;
    CHECK(f.pool.key().text() == "app/alice on 10.0.0.1:5432");
}

TEST_CASE("an empty pool has no server to give") {
    Fixture f;
    CHECK_FALSE(f.pool.acquire());
    CHECK(f.pool.size() == 0);
}

TEST_CASE("the server that was used last is given first") {
    Fixture f;
    f.add(kOne, at_ms(1));
    f.add(kTwo, at_ms(2));
    CHECK(f.pool.acquire() == kTwo);
    CHECK(f.pool.acquire() == kOne);
    CHECK_FALSE(f.pool.acquire());
    CHECK(f.pool.leased() == 2);
    CHECK(f.pool.size() == 2);
    CHECK_FALSE(f.pool.give_back(kTwo, at_ms(3)));
    CHECK_FALSE(f.pool.give_back(kOne, at_ms(4)));
    CHECK(f.pool.acquire() == kOne);
}

TEST_CASE("a server that comes back goes to the first in line") {
    Fixture f;
    f.add(kOne, at_ms(0));
    f.pool.acquire();
    f.pool.wait(kAlice, at_ms(5));
    f.pool.wait(kBob, at_ms(6));
    const auto granted = f.pool.give_back(kOne, at_ms(20));
    REQUIRE(granted);
    CHECK(granted->client == kAlice);
    CHECK(granted->server == kOne);
    CHECK(granted->waited_since == at_ms(5));
    CHECK(f.pool.waiting() == 1);
    CHECK(f.pool.leased() == 1);
    CHECK(f.pool.idle().empty());
}

TEST_CASE("a server that has logged in goes to the first in line") {
    Fixture f;
    f.pool.wait(kAlice, at_ms(5));
    f.pool.opening();
    CHECK(f.pool.size() == 1);
    const auto granted = f.pool.opened(kOne, at_ms(7));
    REQUIRE(granted);
    CHECK(granted->client == kAlice);
    CHECK(f.pool.opening_count() == 0);
    CHECK(f.pool.leased() == 1);
}

TEST_CASE("nobody overtakes those who wait") {
    Fixture f;
    f.pool.wait(kAlice, at_ms(0));
    f.pool.pause();
    f.add(kOne, at_ms(1));
    f.pool.resume();
    // An idle server and a waiter: the next to ask is not served before the waiter.
    CHECK_FALSE(f.pool.acquire());
    const auto granted = f.pool.grant_idle();
    REQUIRE(granted);
    CHECK(granted->client == kAlice);
}

TEST_CASE("who left the line is not served") {
    Fixture f;
    f.add(kOne, at_ms(0));
    f.pool.acquire();
    const auto ticket = f.pool.wait(kAlice, at_ms(1));
    f.pool.wait(kBob, at_ms(2));
    f.pool.leave(ticket);
    CHECK(f.pool.give_back(kOne, at_ms(3))->client == kBob);
}

TEST_CASE("a paused pool gives nothing, opens nothing, and keeps its line") {
    Fixture f;
    f.add(kOne, at_ms(0));
    f.pool.pause();
    CHECK_FALSE(f.pool.acquire());
    f.pool.wait(kAlice, at_ms(1));
    CHECK(f.pool.servers_wanted(5) == 0);
    CHECK_FALSE(f.pool.grant_idle());
    CHECK(f.pool.waiting() == 1);
    f.pool.resume();
    CHECK(f.pool.grant_idle());
    CHECK_FALSE(f.pool.grant_idle());
}

TEST_CASE("a server is wanted for each waiter that none is on its way for") {
    Fixture f;
    CHECK(f.pool.servers_wanted(0) == 0);
    f.pool.wait(kAlice, at_ms(0));
    f.pool.wait(kBob, at_ms(0));
    CHECK(f.pool.servers_wanted(0) == 2);
    f.pool.opening();
    CHECK(f.pool.servers_wanted(0) == 1);
    f.pool.opening();
    CHECK(f.pool.servers_wanted(0) == 0);
    f.pool.opening_failed();
    CHECK(f.pool.servers_wanted(0) == 1);
}

TEST_CASE("servers up to the minimum are wanted without anybody waiting") {
    Fixture f;
    CHECK(f.pool.servers_wanted(2) == 2);
    f.add(kOne, at_ms(0));
    CHECK(f.pool.servers_wanted(2) == 1);
    f.pool.acquire();
    CHECK(f.pool.servers_wanted(2) == 1);
    f.pool.lost_leased();
    CHECK(f.pool.servers_wanted(2) == 2);
}

TEST_CASE("the server that makes room is the one that was not used for longest") {
    Fixture f;
    f.add(kOne, at_ms(1));
    f.add(kTwo, at_ms(2));
    f.add(kThree, at_ms(3));
    f.pool.lost_idle(kTwo);
    CHECK(f.pool.take_idle() == kOne);
    CHECK(f.pool.take_idle() == kThree);
    CHECK_FALSE(static_cast<bool>(f.pool.take_idle()));
    CHECK(f.pool.size() == 0);
}

TEST_CASE("a worker with nobody in line yields to one whose clients wait") {
    Fixture f;
    CHECK_FALSE(f.pool.should_yield(at_ms(100), 2));
    f.board->oldest_wait_since_us[1] = at_ms(50).us;
    CHECK(f.pool.should_yield(at_ms(100), 2));
    // Worker 1 does not exist in a process of one.
    CHECK_FALSE(f.pool.should_yield(at_ms(100), 1));
}

TEST_CASE("a worker whose clients wait, too, yields only to a much longer wait") {
    Fixture f;
    f.pool.wait(kAlice, at_ms(900));
    f.board->oldest_wait_since_us[1] = at_ms(850).us;
    CHECK_FALSE(f.pool.should_yield(at_ms(1000), 2));
    f.board->oldest_wait_since_us[1] = at_ms(100).us;
    CHECK(f.pool.should_yield(at_ms(1000), 2));
}

TEST_CASE("the board says since when the first in line waits, and when nobody does") {
    Fixture f;
    const auto& told = f.board->oldest_wait_since_us[0];
    const auto alice = f.pool.wait(kAlice, at_ms(3));
    f.pool.wait(kBob, at_ms(8));
    CHECK(told.load() == at_ms(3).us);
    f.pool.leave(alice);
    CHECK(told.load() == at_ms(8).us);
    f.pool.opening();
    f.pool.opened(kOne, at_ms(9));
    CHECK(told.load() == 0);
    // A wait since the origin of time is a wait.
    f.pool.wait(kAlice, Instant{});
    CHECK(told.load() == 1);
}

}  // namespace pgweir::pool
