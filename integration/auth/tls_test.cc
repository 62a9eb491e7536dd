// SPDX-License-Identifier: PostgreSQL
// TLS with clients and with servers.
#include <doctest/doctest.h>
#include <signal.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

const Certificates& certificates() {
    return cluster().certificates();
}

PgweirConfig with_client_tls(const std::string& mode) {
    PgweirConfig config(cluster());
    config.tls("client_tls_sslmode", mode)
        .tls("client_tls_cert_file", certificates().server_certificate())
        .tls("client_tls_key_file", certificates().server_key());
    return config;
}

PgweirConfig with_server_tls(const std::string& mode) {
    PgweirConfig config(cluster());
    config.tls("server_tls_sslmode", mode);
    return config;
}

std::string connects(const Target& target, const std::string& more) {
    Connection connection = Connection::attempt(target, more);
    if (!connection.is_ok()) return connection.error();
    return connection.value("select 'fine'") == "fine" ? "" : "not fine";
}

std::string trusting() {
    return " sslrootcert=" + certificates().authority();
}

}  // namespace

TEST_CASE("sslmode disable, prefer and require of pgweir, as seen by libpq") {
    {
        PgweirProcess pgweir(with_client_tls("disable"));
        CHECK(connects(pgweir.target(), "sslmode=prefer") == "");
        CHECK(connects(pgweir.target(), "sslmode=require") != "");
    }
    {
        PgweirProcess pgweir(with_client_tls("prefer"));
        CHECK(connects(pgweir.target(), "sslmode=disable") == "");
        Connection connection(pgweir.target(), "sslmode=require");
        CHECK(PQsslInUse(connection.raw()) == 1);
        CHECK(connects(pgweir.target(), "sslmode=verify-full" + trusting()) == "");
        CHECK(connects(pgweir.target(), "sslmode=verify-full sslrootcert=" +
                                            certificates().stranger_authority()) != "");
    }
    {
        PgweirProcess pgweir(with_client_tls("require"));
        CHECK(connects(pgweir.target(), "sslmode=require") == "");
        RawClient client(pgweir.target());
        client.send(startup({{"user", "trusty"}, {"database", "app"}}));
        client.read_to_end();
        CHECK(has_line(client.transcript(), "ErrorResponse FATAL 28000"));
    }
}

TEST_CASE("channel binding: SCRAM-SHA-256-PLUS over TLS") {
    PgweirConfig config = with_client_tls("prefer");
    config.general("auth_type", "\"scram-sha-256\"")
        .user("scrammer", "password", "\"" + password_of("scrammer") + "\"");
    PgweirProcess pgweir(config);
    Target target = pgweir.target().with_user("scrammer");
    std::string password = " password=" + password_of("scrammer");
    CHECK(connects(target, "sslmode=require channel_binding=require" + password) == "");
    CHECK(connects(target, "sslmode=require channel_binding=disable" + password) == "");
    CHECK(connects(target, "sslmode=disable channel_binding=require" + password) != "");
    CHECK(connects(target, "sslmode=require channel_binding=require password=wrong") != "");
}

TEST_CASE("C22: a client that could bind but says the server can't is refused") {
    PgweirConfig config = with_client_tls("prefer");
    config.general("auth_type", "\"scram-sha-256\"")
        .user("scrammer", "password", "\"" + password_of("scrammer") + "\"");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.send(ssl_request());
    CHECK(client.read_byte() == 'S');
    REQUIRE(client.start_tls());
    client.send(startup({{"user", "scrammer"}, {"database", "app"}}));
    auto offer = client.read();
    REQUIRE(offer.has_value());
    CHECK(describe(*offer).find("SCRAM-SHA-256-PLUS") != std::string::npos);
    std::string first = "y,,n=,r=abcdefgh";
    client.send(frame(
        'p', zero_ended("SCRAM-SHA-256") + int32(static_cast<std::int64_t>(first.size())) + first));
    client.read_to_end();
    CHECK(has_line(client.transcript(), "ErrorResponse FATAL"));
    CHECK(!has_line(client.transcript(), "AuthenticationSASLContinue"));
}

TEST_CASE("C13: SSLRequest, S, and then a startup in clear is closed") {
    PgweirProcess pgweir(with_client_tls("prefer"));
    RawClient client(pgweir.target());
    client.send(ssl_request());
    CHECK(client.read_byte() == 'S');
    client.send(startup({{"user", "trusty"}, {"database", "app"}}));
    while (!client.is_ended()) client.read_byte();
    CHECK(client.is_ended());
    CHECK(serves(pgweir.target()));
}

TEST_CASE("C14: bytes in clear behind an SSLRequest never become part of the session") {
    PgweirProcess pgweir(with_client_tls("prefer"));
    for (const std::string& injected :
         {startup({{"user", "trusty"}, {"database", "app"}}), std::string("x"), ssl_request()}) {
        RawClient client(pgweir.target());
        client.send(ssl_request() + injected);
        // An S or an error; what follows may be in TLS or in clear, but no session.
        if (client.read_byte() == 'S' && client.start_tls()) {
            client.send(startup({{"user", "trusty"}, {"database", "app"}}));
            client.read_to_end();
            CHECK(!has_line(client.transcript(), "AuthenticationOk"));
        }
    }
    CHECK(connects(pgweir.target(), "sslmode=require") == "");
}

TEST_CASE("C15: an SSLRequest inside of TLS is refused") {
    PgweirProcess pgweir(with_client_tls("prefer"));
    RawClient client(pgweir.target());
    client.send(ssl_request());
    CHECK(client.read_byte() == 'S');
    REQUIRE(client.start_tls());
    client.send(ssl_request());
    client.read_to_end();
    CHECK(has_line(client.transcript(), "ErrorResponse FATAL 0A000"));
}

TEST_CASE("direct TLS: a handshake at once, with ALPN") {
    PgweirProcess pgweir(with_client_tls("prefer"));
    {
        RawClient client(pgweir.target());
        REQUIRE(client.start_tls({.alpn = true}));
        client.login();
        client.ask(query("select 'direct'"));
        CHECK(has_line(client.transcript(), "DataRow [direct]"));
    }
    {
        // TLS 1.3: the client may be done with the handshake before the server's alert arrives.
        RawClient client(pgweir.target());
        client.start_tls({.alpn = false});
        client.send(startup({{"user", "trusty"}, {"database", "app"}}));
        client.read_to_end();
        CHECK(!has_line(client.transcript(), "AuthenticationOk"));
    }
    CHECK(connects(pgweir.target(), "sslmode=require") == "");
}

TEST_CASE("direct TLS without TLS configured is closed") {
    RawClient client(shared_pgweir().target());
    CHECK(!client.start_tls({.alpn = true}));
    CHECK(serves(shared_pgweir().target()));
}

TEST_CASE("C21: clients that break off the handshake leave nothing behind") {
    PgweirProcess pgweir(with_client_tls("prefer"));
    CHECK(connects(pgweir.target(), "sslmode=require") == "");
    std::size_t files = pgweir.open_files();
    std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    hello += std::string(600, 'r');
    for (std::size_t length = 0; length < hello.size(); length += 7) {
        RawClient client(pgweir.target());
        client.send(ssl_request());
        CHECK(client.read_byte() == 'S');
        client.send(hello.substr(0, length));
        client.close(length % 2 == 0 ? RawClient::End::Reset : RawClient::End::Orderly);
    }
    CHECK(connects(pgweir.target(), "sslmode=require") == "");
    CHECK(happens([&] { return pgweir.open_files() <= files; }));
}

TEST_CASE("client certificates: the name in it must be the user's, the signature ours") {
    PgweirConfig config = with_client_tls("require");
    config.tls("client_tls_ca_file", certificates().authority());
    config.hba("type = \"hostssl\"\nuser = [\"certified\"]\nmethod = \"cert\"")
        .hba("type = \"hostssl\"\nmethod = \"any\"");
    // Servers log in as somebody whom PostgreSQL trusts.
    config.database("app", "user", "\"trusty\"");
    PgweirProcess pgweir(config);
    Target target = pgweir.target().with_user("certified");
    auto with = [](const std::string& certificate, const std::string& key) {
        return "sslmode=require sslcert=" + certificate + " sslkey=" + key;
    };
    TemporaryFolder folder("keys");
    // libpq wants keys that belong to the user who runs it.
    auto own = [&](const std::string& path) {
        auto copy = folder.path() / std::filesystem::path(path).filename();
        write_file(copy, read_file(path));
        std::filesystem::permissions(copy, std::filesystem::perms(0600));
        return copy.string();
    };
    std::string ours = with(certificates().client_certificate(), own(certificates().client_key()));
    std::string strange = with(certificates().stranger_client_certificate(),
                               own(certificates().stranger_client_key()));
    CHECK(connects(target, ours) == "");
    CHECK(connects(target, "sslmode=require sslcert=/nonexistent") != "");
    CHECK(connects(target, strange) != "");
    // Another user may come, by another rule; "certified" with that certificate only.
    CHECK(connects(pgweir.target(), ours) == "");
}

TEST_CASE("a new certificate is served after a reload, and old sessions go on") {
    // Files of its own: the cluster's stay as they are.
    TemporaryFolder folder("renewal");
    Certificates own(folder.path());
    PgweirConfig config(cluster());
    config.tls("client_tls_sslmode", "prefer")
        .tls("client_tls_cert_file", own.server_certificate())
        .tls("client_tls_key_file", own.server_key());
    PgweirProcess pgweir(config);
    Connection old_session(pgweir.target(), "sslmode=require");
    auto serial = [&] {
        RawClient client(pgweir.target());
        client.send(ssl_request());
        client.read_byte();
        return client.start_tls() ? client.peer_serial() : std::string("no TLS");
    };
    std::string before = serial();
    std::string renewed = own.renew_server_certificate();
    CHECK(before != renewed);
    pgweir.process().signal(SIGHUP);
    wait_until("the new certificate", [&] { return serial() == renewed; });
    CHECK(old_session.value("select 'old'") == "old");
    // A broken one is refused, and the good one stays.
    write_file(own.server_certificate(), "no certificate");
    pgweir.process().signal(SIGHUP);
    for (int i = 0; i < 10; ++i) CHECK(serial() == renewed);
}

TEST_CASE("TLS towards the server, as libpq's sslmode") {
    std::string question = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    for (const char* mode : {"prefer", "require"}) {
        PgweirProcess pgweir(with_server_tls(mode));
        Connection connection(pgweir.target());
        CHECK(connection.value(question) == "t");
    }
    {
        PgweirProcess pgweir(with_server_tls("disable"));
        Connection connection(pgweir.target());
        CHECK(connection.value(question) == "f");
    }
    for (const char* mode : {"verify-ca", "verify-full"}) {
        PgweirConfig config = with_server_tls(mode);
        config.tls("server_tls_ca_file", certificates().authority());
        PgweirProcess pgweir(config);
        Connection connection(pgweir.target());
        CHECK(connection.value(question) == "t");
        PgweirConfig wrong = with_server_tls(mode);
        wrong.tls("server_tls_ca_file", certificates().stranger_authority());
        wrong.timeout("query_wait_timeout", "2s");
        PgweirProcess refusing(wrong);
        CHECK(!Connection::attempt(refusing.target()).is_ok());
    }
}

TEST_CASE("a password login to the server over TLS, with channel binding, and by certificate") {
    {
        PgweirConfig config = with_server_tls("require");
        config.user("scrammer", "password", "\"" + password_of("scrammer") + "\"");
        PgweirProcess pgweir(config);
        Connection connection(pgweir.target().with_user("scrammer"));
        CHECK(connection.value("select current_user") == "scrammer");
    }
    {
        PgweirConfig config = with_server_tls("require");
        config.tls("server_tls_cert_file", certificates().client_certificate())
            .tls("server_tls_key_file", certificates().client_key());
        PgweirProcess pgweir(config);
        Connection connection(pgweir.target().with_user("certified"));
        CHECK(connection.value("select current_user") == "certified");
    }
}

TEST_CASE("server_channel_binding = require: SCRAM over TLS, and nothing else") {
    PgweirConfig config = with_server_tls("require");
    config.tls("server_channel_binding", "require")
        .user("scrammer", "password", "\"" + password_of("scrammer") + "\"")
        .user("md5er", "password", "\"" + password_of("md5er") + "\"");
    PgweirProcess pgweir(config);
    Connection connection(pgweir.target().with_user("scrammer"));
    CHECK(connection.value("select current_user") == "scrammer");
    // md5, and no authentication at all.
    for (const char* user : {"md5er", "trusty"}) {
        CAPTURE(std::string(user));
        CHECK(!Connection::attempt(pgweir.target().with_user(user)).is_ok());
    }
}

TEST_CASE("allow: in clear, and with TLS where the server wants it") {
    std::string question = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    PgweirConfig config = with_server_tls("allow");
    config.tls("server_tls_cert_file", certificates().client_certificate())
        .tls("server_tls_key_file", certificates().client_key());
    PgweirProcess pgweir(config);
    Connection in_clear(pgweir.target().with_user("trusty"));
    CHECK(in_clear.value(question) == "f");
    // pg_hba.conf rejects this user without TLS.
    Connection secured(pgweir.target().with_user("certified"));
    CHECK(secured.value(question) == "t");
    CHECK(secured.value("select current_user") == "certified");
    // Refused both ways, at once.
    auto refused = Connection::attempt(pgweir.target().with_user("nobody_knows"));
    CHECK(!refused.is_ok());
}

TEST_CASE("protocol 3.2 is asked for, and a server that knows 3.0 only is none the worse") {
    PgweirConfig config = with_server_tls("prefer");
    config.tls("server_max_protocol_version", "3.2");
    PgweirProcess pgweir(config);
    Connection connection(pgweir.target());
    CHECK(connection.value("select 'fine'") == "fine");
    connection.send("select pg_sleep(600) /* 3.2 */");
    Connection observer(cluster().owner());
    wait_until("PostgreSQL runs it", [&] {
        return observer.value(
                   "select count(*) from pg_stat_activity where state = 'active' and "
                   "pid <> pg_backend_pid() and query like '%/* 3.2 */%'") != "0";
    });
    CHECK(connection.cancel());
    CHECK(connection.answer().sqlstate == "57014");
}

TEST_CASE("large results and many small queries over TLS on both sides") {
    PgweirConfig config = with_client_tls("require");
    config.tls("server_tls_sslmode", "require");
    PgweirProcess pgweir(config);
    Connection connection(pgweir.target(), "sslmode=require");
    CHECK(connection.value("select length(repeat('x', 20000000))") == "20000000");
    CHECK(connection.value("select repeat('x', 20000000)").size() == 20000000);
    for (int i = 0; i < 300; ++i) {
        CHECK(connection.value("select " + std::to_string(i)) == std::to_string(i));
    }
}
