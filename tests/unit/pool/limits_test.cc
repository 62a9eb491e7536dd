// SPDX-License-Identifier: PostgreSQL
// Permits: all claims or none, and what was given back can be had again, from any thread.
#include "pgweir/pool/limits.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace pgweir::pool {

namespace {
std::optional<Permit> acquire(Limits& limits, std::vector<Claim> claims) {
    std::size_t refused_by = 0;
    return limits.acquire(claims, refused_by);
}
}  // namespace

TEST_CASE("a limit of two lets two in") {
    Limits limits;
    const std::vector<Claim> claims = {{Scope::ServersOfPool, "app/u on n:1", 2}};
    auto one = acquire(limits, claims);
    auto two = acquire(limits, claims);
    REQUIRE(one);
    REQUIRE(two);
    CHECK_FALSE(acquire(limits, claims));
    CHECK(limits.count(Scope::ServersOfPool, "app/u on n:1") == 2);
    one->give_back();
    CHECK(acquire(limits, claims));
}

TEST_CASE("a refused claim leaves nothing of the others behind") {
    Limits limits;
    auto held = acquire(limits, {{Scope::ServersOfNode, "n:1", 1}});
    REQUIRE(held);
    std::size_t refused_by = 99;
    const std::vector<Claim> claims = {{Scope::ServersOfPool, "p", 5},
                                       {Scope::ServersInAll, {}, 5},
                                       {Scope::ServersOfNode, "n:1", 1}};
    CHECK_FALSE(limits.acquire(claims, refused_by));
    CHECK(refused_by == 2);
    CHECK(limits.count(Scope::ServersOfPool, "p") == 0);
    CHECK(limits.count(Scope::ServersInAll, {}) == 0);
}

TEST_CASE("of several full limits the first is named") {
    Limits limits;
    auto held = acquire(limits, {{Scope::ServersOfPool, "p", 1}, {Scope::ServersOfUser, "u", 1}});
    std::size_t refused_by = 99;
    const std::vector<Claim> claims = {{Scope::ServersInAll, {}, 10},
                                       {Scope::ServersOfUser, "u", 1},
                                       {Scope::ServersOfPool, "p", 1}};
    CHECK_FALSE(limits.acquire(claims, refused_by));
    CHECK(refused_by == 1);
}

TEST_CASE("a limit of 0 is none, and is counted") {
    Limits limits;
    std::vector<Permit> permits;
    for (int i = 0; i < 100; ++i) {
        auto permit = acquire(limits, {{Scope::ClientsInAll, {}, 0}});
        REQUIRE(permit);
        permits.push_back(std::move(*permit));
    }
    CHECK(limits.count(Scope::ClientsInAll, {}) == 100);
    permits.clear();
    CHECK(limits.count(Scope::ClientsInAll, {}) == 0);
}

TEST_CASE("the same name in two scopes, and two names in one, are counted apart") {
    Limits limits;
    auto node = acquire(limits, {{Scope::ServersOfNode, "x", 1}});
    CHECK(acquire(limits, {{Scope::ServersOfUser, "x", 1}}));
    CHECK(acquire(limits, {{Scope::ServersOfNode, "y", 1}}));
    CHECK_FALSE(acquire(limits, {{Scope::ServersOfNode, "x", 1}}));
}

TEST_CASE("a limit that shrinks below what is held refuses until enough is given back") {
    Limits limits;
    auto one = acquire(limits, {{Scope::ServersOfPool, "p", 3}});
    auto two = acquire(limits, {{Scope::ServersOfPool, "p", 3}});
    CHECK_FALSE(acquire(limits, {{Scope::ServersOfPool, "p", 1}}));
    one->give_back();
    CHECK_FALSE(acquire(limits, {{Scope::ServersOfPool, "p", 1}}));
    two->give_back();
    CHECK(acquire(limits, {{Scope::ServersOfPool, "p", 1}}));
}

TEST_CASE("a permit is given back once, wherever it was moved") {
    Limits limits;
    auto permit = acquire(limits, {{Scope::ServersOfPool, "p", 0}});
    Permit moved = std::move(*permit);
    CHECK_FALSE(static_cast<bool>(*permit));
    permit->give_back();
    CHECK(limits.count(Scope::ServersOfPool, "p") == 1);
    auto other = acquire(limits, {{Scope::ServersOfPool, "q", 0}});
    moved = std::move(*other);
    CHECK(limits.count(Scope::ServersOfPool, "p") == 0);
    CHECK(limits.count(Scope::ServersOfPool, "q") == 1);
    moved.give_back();
    moved.give_back();
    CHECK(limits.count(Scope::ServersOfPool, "q") == 0);
}

TEST_CASE("a starving worker is told once") {
    Limits limits;
    CHECK_FALSE(limits.anyone_starves());
    limits.mark_starving(3);
    limits.mark_starving(63);
    limits.mark_starving(3);
    CHECK(limits.anyone_starves());
    CHECK(limits.take_starving() == ((std::uint64_t{1} << 3) | (std::uint64_t{1} << 63)));
    CHECK(limits.take_starving() == 0);
    CHECK_FALSE(limits.anyone_starves());
}

TEST_CASE("workers with a pool of the same name share its board, others do not") {
    Limits limits;
    auto one = limits.wait_board("p");
    auto same = limits.wait_board("p");
    auto other = limits.wait_board("q");
    CHECK(one == same);
    CHECK(one != other);
    one->oldest_wait_since_us[0].store(5);
    one.reset();
    same.reset();
    // Nobody held it: it is a new one.
    CHECK(limits.wait_board("p")->oldest_wait_since_us[0].load() == 0);
}

TEST_CASE("threads that claim at once never hold more than the limit") {
    Limits limits;
    constexpr std::uint64_t kLimit = 3;
    std::atomic<std::uint64_t> held{0};
    std::atomic<bool> exceeded{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                std::size_t refused_by = 0;
                const std::array<Claim, 2> claims = {
                    {{Scope::ServersOfPool, "p", kLimit}, {Scope::ServersInAll, {}, 0}}};
                auto permit = limits.acquire(claims, refused_by);
                if (!permit) continue;
                if (held.fetch_add(1) + 1 > kLimit) exceeded = true;
                held.fetch_sub(1);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_FALSE(exceeded.load());
    CHECK(limits.count(Scope::ServersOfPool, "p") == 0);
    CHECK(limits.count(Scope::ServersInAll, {}) == 0);
}

}  // namespace pgweir::pool
