// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/connection_string.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace pgweir::config;

namespace {

std::string error_of(std::string_view uri) {
    const auto parsed = parse_connection_string(uri);
    return parsed.ok() ? "no error" : parsed.error();
}

}  // namespace

TEST_CASE("a connection string says where, as whom, and what") {
    const auto parsed = parse_connection_string(
        "postgres://alice:se%40cret@n1:5433/app?sslmode=verify-full&application_name=my%20app");
    REQUIRE(parsed.ok());
    CHECK(parsed->nodes == std::vector<NodeAddress>{{"n1", 5433}});
    CHECK(parsed->user == "alice");
    CHECK(parsed->password == "se@cret");
    CHECK(parsed->database == "app");
    CHECK(parsed->application_name == "my app");
    CHECK(parsed->tls_mode == TlsMode::VerifyFull);
}

TEST_CASE("everything but a host may be left out") {
    const auto parsed = parse_connection_string("postgresql://localhost");
    REQUIRE(parsed.ok());
    CHECK(parsed->nodes == std::vector<NodeAddress>{{"localhost", 5432}});
    CHECK(parsed->user.empty());
    CHECK(parsed->database.empty());
    CHECK(!parsed->tls_mode);
    CHECK(parse_connection_string("postgres://h/").ok());
    CHECK(parse_connection_string("postgres://h/?").ok());
}

TEST_CASE("several hosts, addresses in brackets, Unix sockets") {
    CHECK(parse_connection_string("postgres://u@a,b:6,[::1]:7/d")->nodes ==
          std::vector<NodeAddress>{{"a", 5432}, {"b", 6}, {"::1", 7}});
    CHECK(parse_connection_string("postgres://%2Frun%2Fpg:5433/d")->nodes ==
          std::vector<NodeAddress>{{"/run/pg", 5433}});
    CHECK(parse_connection_string("postgres:///d?host=/run/pg&port=5433")->nodes ==
          std::vector<NodeAddress>{{"/run/pg", 5433}});
}

TEST_CASE("a password with an unescaped @ is understood") {
    const auto parsed = parse_connection_string("postgres://u:p@ss@h/d");
    REQUIRE(parsed.ok());
    CHECK(parsed->password == "p@ss");
    CHECK(parsed->nodes.front().host == "h");
}

TEST_CASE("direct TLS is a parameter, as in libpq") {
    CHECK(parse_connection_string("postgres://h/d?sslmode=require&sslnegotiation=direct")
              ->tls_direct);
    CHECK(!parse_connection_string("postgres://h/d?sslnegotiation=postgres")->tls_direct);
}

TEST_CASE("a connection string that can't be meant is refused") {
    CHECK(error_of("mysql://h/d") == "does not begin with postgres:// or postgresql://");
    CHECK(error_of("postgres://") == "has no host");
    CHECK(error_of("postgres:///d") == "has no host");
    CHECK(error_of("postgres://u:p@/d") == "has no host");
    CHECK(error_of("postgres://a,,b/d") == "has no host");
    CHECK(error_of("postgres://h:0/d") == "has the port 0");
    CHECK(error_of("postgres://h:99999/d") ==
          "names the host \"h:99999\", which has \"99999\" as its port, which must be 0 to 65535");
    CHECK(error_of("postgres://h/d%2") ==
          "has a \"%\" in its database that is not followed by two hexadecimal digits");
    CHECK(error_of("postgres://u:%zz@h/d") ==
          "has a \"%\" in its password that is not followed by two hexadecimal digits");
    CHECK(error_of("postgres://u:a%00b@h/d") ==
          "has a \"%\" in its password that is not followed by two hexadecimal digits");
    CHECK(error_of("postgres://h/d?sslmod=require") ==
          "has the parameter \"sslmod\", which pgweir does not know; did you mean \"sslmode\"?");
    CHECK(error_of("postgres://h/d?colour=red") ==
          "has the parameter \"colour\", which pgweir does not know");
    CHECK(error_of("postgres://h/d?sslmode=requires") ==
          "has an sslmode that can't be \"requires\"; did you mean \"require\"? It is one of "
          "disable, allow, prefer, require, verify-ca, verify-full");
    CHECK(error_of("postgres://h/d?port=many") == "has a port that is no number up to 65535");
    CHECK(error_of("postgres://h /d") == "has a space or a control character in it; write %20");
}

TEST_CASE("a list of hosts has an end") {
    std::string uri = "postgres://h";
    for (int i = 0; i < 100; ++i) uri += ",h";
    CHECK(error_of(uri) == "has more than 64 hosts");
}

TEST_CASE("no error repeats the password") {
    for (const char* uri : {"postgres://u:hunter2@h:x/d", "postgres://u:hunter2@/d",
                            "postgres://u:hunter2%@h/d", "postgres://u:hunter2@h/d?x=y"}) {
        CAPTURE(uri);
        CHECK(error_of(uri).find("hunter2") == std::string::npos);
    }
}
