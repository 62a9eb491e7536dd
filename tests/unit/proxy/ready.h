// SPDX-License-Identifier: PostgreSQL
// The world in which most tests of the proxy begin: one client, one server, nothing to do.
#pragma once

#include <doctest/doctest.h>

#include <string_view>

#include "unit/proxy/by_hand.h"

namespace pgweir::proxy {

using testing::ByHand;
namespace client = testing::client;
namespace server = testing::server;

inline constexpr std::string_view kSettings = R"(
[pgweir]
auth_type = "any"
admin_users = ["operator"]
[tls]
server_tls_sslmode = "disable"
[timeouts]
query_wait_timeout = "5s"
[databases.app]
host = "127.0.0.1"
pool_size = 1
)";

inline testing::Said one_row() {
    return server::columns() + server::row() + server::complete("SELECT 1") + server::ready();
}

// A client whose server is logged in, both with nothing to do.
struct Ready : ByHand {
    explicit Ready(std::string_view toml = kSettings) : ByHand(toml), alice(connect()) {
        REQUIRE(opened().size() == 1);
        one = opened()[0];
        log_in(one);
        CHECK(heard(alice) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
    }
    ClientId alice;
    ServerId one;
};

}  // namespace pgweir::proxy
