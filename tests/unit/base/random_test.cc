// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/random.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace pgweir;

TEST_CASE("a seed repeats its numbers, and another seed gives others") {
    Random a(42);
    Random b(42);
    Random c(43);
    int equal = 0;
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t value = a.next();
        CHECK(value == b.next());
        equal += value == c.next() ? 1 : 0;
    }
    CHECK(equal == 0);
}

TEST_CASE("a seed of zero is a seed") {
    Random random(0);
    CHECK(random.next() != random.next());
}

TEST_CASE("numbers below a bound are below it, and all of them come") {
    Random random(1);
    std::array<int, 10> count{};
    for (int i = 0; i < 10000; ++i) {
        const std::uint64_t value = random.below(10);
        REQUIRE(value < 10);
        ++count[value];
    }
    for (const int n : count) {
        CHECK(n > 800);
        CHECK(n < 1200);
    }
    for (int i = 0; i < 10; ++i) CHECK(random.below(1) == 0);
    for (int i = 0; i < 10; ++i) CHECK(random.below(UINT64_MAX) < UINT64_MAX);
}

TEST_CASE("fill writes every byte it is given and none behind") {
    for (std::size_t size = 0; size < 20; ++size) {
        CAPTURE(size);
        std::vector<std::uint8_t> seen(size, 0);
        // In sixteen rounds a byte that is written is zero every time once in 2^128.
        Random random(size);
        for (int round = 0; round < 16; ++round) {
            std::vector<std::uint8_t> memory(size + 1, 0);
            random.fill(std::span(memory).first(size));
            for (std::size_t i = 0; i < size; ++i) seen[i] |= memory[i];
            CHECK(memory[size] == 0);
        }
        for (const std::uint8_t byte : seen) CHECK(byte != 0);
    }
}
