// SPDX-License-Identifier: PostgreSQL
#include "pgweir/route/router.h"

#include <doctest/doctest.h>

#include "pgweir/config/toml_reader.h"

namespace pgweir::route {

TEST_CASE("a database that is not configured leads nowhere") {
    const Route route = route_of(config::EffectivePool{});
    CHECK(route.node == nullptr);
    CHECK_FALSE(route.reason.empty());
}

TEST_CASE("any unit runs on the first node that is configured") {
    config::EffectivePool pool;
    pool.nodes = {{"10.0.0.1", 5432}, {"10.0.0.2", 5433}};
    const Route route = route_of(pool);
    REQUIRE(route.node != nullptr);
    CHECK(route.node->host == "10.0.0.1");
    CHECK(route.node->port == 5432);
    CHECK_FALSE(route.reason.empty());
}

TEST_CASE("the section of a database in the file says where its units run") {
    const auto settings =
        config::read_toml("[databases.app]\nhost = \"10.1.2.3\"\nport = 6000\n", "pgweir.toml");
    const auto pool = settings->pool_for("app", "alice");
    const Route route = route_of(pool);
    REQUIRE(route.node != nullptr);
    CHECK(route.node->host == "10.1.2.3");
    CHECK(route.node->port == 6000);
    CHECK(route_of(settings->pool_for("other", "alice")).node == nullptr);
}

}  // namespace pgweir::route
