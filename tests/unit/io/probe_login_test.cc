// SPDX-License-Identifier: PostgreSQL
// How a look logs in: parameters, addresses, environment, and refusals.
#include "io/probe_login.h"

#include <doctest/doctest.h>

#include <map>

#include "prober_fixture.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

std::map<std::string, std::string> said_to_libpq(const NodeAddress& node,
                                                 const std::vector<SocketAddress>& addresses,
                                                 const MonitorLogin& login) {
    std::map<std::string, std::string> said;
    for (const auto& [keyword, value] : probe_parameters(node, addresses, login)) {
        said[keyword] = value;
    }
    return said;
}

}  // namespace

TEST_CASE_FIXTURE(ProberFixture, "nobody listens: the look fails with libpq's words, in one line") {
    server.stop_listening();
    const Observation seen = look();
    CHECK(seen.failure.find("Connection refused") != std::string::npos);
    CHECK(seen.failure.find('\n') == std::string::npos);
    CHECK(seen.failure.find("secret") == std::string::npos);
    CHECK(seen.started_at <= seen.ended_at);
    // The next look tries again.
    CHECK_FALSE(look().answered());
}

TEST_CASE_FIXTURE(ProberFixture, "a login that is refused fails the look with the server's words") {
    server.logs_in = false;
    prober->look(order());
    REQUIRE(until([&] { return !server.connections.empty() && server.latest().has_started; }));
    say(server.latest().socket, error_response("FATAL", "28P01", "password authentication failed"));
    server.latest().socket.reset();
    const Observation seen = next();
    CHECK(seen.failure.ends_with("FATAL: password authentication failed"));
    CHECK(seen.sqlstate == "28P01");
}

TEST_CASE_FIXTURE(ProberFixture,
                  "a name is resolved by the loop, and all its addresses are tried") {
    // "localhost" may be ::1 first, where nobody listens.
    LookAtNode named = order();
    named.address.host = "localhost";
    CHECK(look(named).answered());
    named.address.host = "no-such-host.invalid";
    const Observation seen = look(named);
    CHECK(seen.failure.starts_with("could not resolve \"no-such-host.invalid\": "));
}

TEST_CASE("libpq is given each address of a name with the name") {
    std::vector<SocketAddress> addresses(2);
    REQUIRE(SocketAddress::numeric("::1", 0, addresses[0]));
    REQUIRE(SocketAddress::numeric("127.0.0.1", 0, addresses[1]));
    const auto said = said_to_libpq({"db.example", 6000}, addresses, watcher());
    CHECK(said.at("host") == "db.example,db.example");
    CHECK(said.at("hostaddr") == "::1,127.0.0.1");
    CHECK(said.at("port") == "6000");
    CHECK_FALSE(said_to_libpq({"/tmp", 6000}, {}, watcher()).contains("hostaddr"));
}

TEST_CASE("libpq is given the files of TLS, or files that can't exist") {
    MonitorLogin login = watcher();
    login.tls_mode = TlsMode::Require;
    auto said = said_to_libpq({"db.example", 6000}, {}, login);
    CHECK(said.at("sslmode") == "require");
    for (const char* file : {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}) {
        CHECK(said.at(file) == "/dev/null/none");
    }
    login.tls_mode = TlsMode::VerifyFull;
    // The system's authorities.
    CHECK(said_to_libpq({"db.example", 6000}, {}, login).at("sslrootcert") != "/dev/null/none");
    login.tls_ca_file = "ca.crt";
    login.tls_cert_file = "me.crt";
    login.tls_key_file = "me.key";
    said = said_to_libpq({"db.example", 6000}, {}, login);
    CHECK(said.at("sslmode") == "verify-full");
    CHECK(said.at("sslrootcert") == "ca.crt");
    CHECK(said.at("sslcert") == "me.crt");
    CHECK(said.at("sslkey") == "me.key");
}

TEST_CASE_FIXTURE(ProberFixture, "a directory is a Unix socket, as in libpq") {
    const TemporaryFolder folder;
    FakePostgresql local(folder.file(".s.PGSQL.6000"));
    LookAtNode there = order();
    there.address = {folder.text(), 6000};
    prober->look(there);
    REQUIRE(run_until(loop, [&] {
        local.turn();
        return !told.seen.empty();
    }));
    CHECK(told.seen[0].answered());
    there.address.port = 6001;
    CHECK(look(there).failure.find("No such file") != std::string::npos);
}

TEST_CASE_FIXTURE(ProberFixture, "neither the environment nor files of the user have a say") {
    const std::vector<const char*> names = {"PGOPTIONS", "PGSERVICE", "PGTZ",   "PGPASSWORD",
                                            "PGSSLMODE", "PGAPPNAME", "PGHOST", "PGUSER",
                                            "PGGEQO",    "PGHOSTADDR"};
    for (const char* name : names) ::setenv(name, "nonsense", 1);
    ::setenv("PGWEIR_KEPT", "yes", 1);
    forget_libpq_environment();
    for (const char* name : names) CHECK(::getenv(name) == nullptr);
    CHECK(::getenv("PGWEIR_KEPT") != nullptr);
    ::unsetenv("PGWEIR_KEPT");
    CHECK(look().answered());
    const std::map<std::string, std::string> expected = {{"user", "watcher"},
                                                         {"database", "postgres"},
                                                         {"application_name", "pgweir monitor"},
                                                         {"client_encoding", "UTF8"}};
    CHECK(server.latest().parameters == expected);
}

TEST_CASE_FIXTURE(ProberFixture, "TLS that is only preferred does without") {
    login.tls_mode = TlsMode::Prefer;
    CHECK(look().answered());
    login.tls_mode = TlsMode::Require;
    CHECK(look().failure.find("SSL") != std::string::npos);
}
