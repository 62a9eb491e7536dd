// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/listen_address.h"

#include <doctest/doctest.h>

#include <string>

using namespace pgweir::config;

namespace {

std::string error_of(const std::string& text) {
    const auto parsed = parse_listen_address(text);
    return parsed.ok() ? "no error" : parsed.error();
}

}  // namespace

TEST_CASE("addresses to listen on, as people write them") {
    CHECK(*parse_listen_address("127.0.0.1:0") == ListenAddress{"127.0.0.1", 0});
    CHECK(*parse_listen_address("localhost:6432") == ListenAddress{"localhost", 6432});
    CHECK(*parse_listen_address("[::1]:65535") == ListenAddress{"::1", 65535});
    CHECK(*parse_listen_address("*:6432") == ListenAddress{"*", 6432});
    CHECK(*parse_listen_address("/run/pgweir") == ListenAddress{"/run/pgweir", 6432});
    CHECK(*parse_listen_address("/run/pgweir", 7000) == ListenAddress{"/run/pgweir", 7000});
    CHECK(*parse_listen_address("/run/pgweir:5433") == ListenAddress{"/run/pgweir", 5433});
}

TEST_CASE("a Unix socket lies where libpq looks for it") {
    const auto address = *parse_listen_address("/tmp:5433");
    CHECK(address.is_unix());
    CHECK(address.socket_path() == "/tmp/.s.PGSQL.5433");
    CHECK(!parse_listen_address("tmp:5433")->is_unix());
}

TEST_CASE("an address that can't be meant is refused") {
    CHECK(error_of("") == "is empty");
    CHECK(error_of("127.0.0.1") == "has no port; write host:port, e.g. 127.0.0.1:6432");
    CHECK(error_of("[::1]") == "has no port; write host:port, e.g. 127.0.0.1:6432");
    CHECK(error_of("h:65536") == "has \"65536\" as its port, which must be 0 to 65535");
    CHECK(error_of("h:") == "has \"\" as its port, which must be 0 to 65535");
    CHECK(error_of("h:-1") == "has \"-1\" as its port, which must be 0 to 65535");
    CHECK(error_of("h:64x") == "has \"64x\" as its port, which must be 0 to 65535");
    CHECK(error_of(":6432") == "has no host");
    CHECK(error_of("[]:6432") == "has no host");
    CHECK(error_of("::1:6432") == "has several \":\"; an IPv6 address needs brackets: [::1]:5432");
    CHECK(error_of("[::1:6432") == "has no \"]\"");
    CHECK(error_of("[::1]6432") == "has something after \"]\" that is no port");
    CHECK(error_of("127.0.0.1 :6432") == "has a space or a control character in it");
    CHECK(error_of("/" + std::string(100, 'd')) ==
          "is too long for a Unix socket (107 characters)");
}
