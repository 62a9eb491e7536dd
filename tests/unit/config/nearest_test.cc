// SPDX-License-Identifier: PostgreSQL
#include "config/nearest.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using pgweir::config::nearest;

namespace {
constexpr std::array<std::string_view, 4> kNames{"pool_size", "pool_mode", "min_pool_size", "port"};
}  // namespace

TEST_CASE("a name with one letter wrong, missing, or swapped is recognised") {
    CHECK(nearest("pool_sise", kNames) == "pool_size");
    CHECK(nearest("pol_mode", kNames) == "pool_mode");
    CHECK(nearest("prot", kNames) == "port");
    CHECK(nearest("minpoolsize", kNames) == "min_pool_size");
}

TEST_CASE("a name that resembles none gets no suggestion") {
    CHECK(!nearest("colour", kNames));
    CHECK(!nearest("", kNames));
    CHECK(!nearest("x", kNames));
    CHECK(!nearest(std::string(100'000, 'p'), kNames));
    CHECK(!nearest("port", {}));
}
