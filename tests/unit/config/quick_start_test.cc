// SPDX-License-Identifier: PostgreSQL
#include <doctest/doctest.h>

#include <string>

#include "pgweir/config/settings.h"

using namespace pgweir;
using namespace pgweir::config;

namespace {

std::string error_of(std::string_view uri) {
    try {
        settings_from_connection_string(uri);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a connection string serves its database under its name, on loopback") {
    const auto settings =
        settings_from_connection_string("postgres://alice:secret@n1:5433,[::1]:5434/app");
    CHECK(settings->listen_addresses() == std::vector<ListenAddress>{{"127.0.0.1", 6432}});
    CHECK(settings->general.auth_type() == AuthMethod::Any);
    const EffectivePool pool = settings->pool_for("app", "somebody");
    CHECK(pool.nodes == std::vector<NodeAddress>{{"n1", 5433}, {"::1", 5434}});
    CHECK(pool.server_user == "alice");
    CHECK(pool.server_password == "secret");
    CHECK(pool.server_database == "app");
    CHECK(settings->find_database("other") == nullptr);
    CHECK(settings->is_admin("alice"));
}

TEST_CASE("without a database's name it is the user's, as in libpq") {
    CHECK(settings_from_connection_string("postgres://alice@h")->find_database("alice") != nullptr);
    CHECK(settings_from_connection_string("postgres://h")->find_database("postgres") != nullptr);
}

TEST_CASE("without a user servers log in as the client's") {
    const auto settings = settings_from_connection_string("postgres://h/app");
    CHECK(settings->pool_for("app", "bob").server_user == "bob");
    CHECK(!settings->pool_for("app", "bob").user_is_fixed);
}

TEST_CASE("a Unix socket's directory is a host") {
    const auto settings = settings_from_connection_string("postgres:///app?host=/run/pg&port=5433");
    CHECK(settings->pool_for("app", "bob").nodes == std::vector<NodeAddress>{{"/run/pg", 5433}});
}

TEST_CASE("TLS is as the connection string says") {
    const auto settings = settings_from_connection_string(
        "postgres://h/app?sslmode=verify-full&sslrootcert=/ca.pem&sslnegotiation=direct");
    CHECK(settings->tls.server_tls_sslmode() == TlsMode::VerifyFull);
    CHECK(settings->tls.server_tls_ca_file() == "/ca.pem");
    CHECK(settings->tls.server_tls_direct());
    CHECK(error_of("postgres://h/app?sslmode=verify-full") ==
          "server_tls_sslmode = \"verify-full\" needs server_tls_ca_file in [tls]");
}

TEST_CASE("nonsense is refused") {
    CHECK(error_of("h/app") ==
          "the connection string does not begin with postgres:// or postgresql://");
    CHECK(error_of("postgres://:secret@h/app") ==
          "the connection string has a password but no user");
    CHECK(error_of("postgres:///app") == "the connection string has no host");
}
