// SPDX-License-Identifier: PostgreSQL
// What the settings say of logins to servers: less is not given, more is not asked for.
#include <mutex>

#include "lying_login.h"

using namespace pgweir::integration;

TEST_CASE("T11: server_require_auth: nothing is given to who asks for less") {
    struct Row {
        const char* required;
        std::string asked;
    };
    const std::vector<Row> rows = {
        {"scram-sha-256", authentication_ok()},  // Trust.
        {"scram-sha-256", authentication(3)},
        {"scram-sha-256", authentication(5, "salt")},
        {"scram-sha-256", authentication(9)},
        {"!password", authentication(3)},
        {"!md5,!password", authentication(5, "salt")},
        {"md5", sasl_offer()},
        {"password,md5,scram-sha-256", authentication_ok()},
    };
    for (const Row& row : rows) {
        CAPTURE(std::string(row.required));
        CAPTURE(row.asked);
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard& what) {
                if (server.read_startup().empty()) return;
                server.send(row.asked);
                expect_silence(server, what);
            },
            heard, "disable", {{"server_require_auth", row.required}});
    }
}

TEST_CASE("T11: channel binding that is required is not done without") {
    const std::string plus = zero_ended("SCRAM-SHA-256-PLUS");
    for (const std::string& asked :
         {authentication_ok(), authentication(3), authentication(5, "salt"), sasl_offer(),
          // Offered without TLS: there is nothing to bind to.
          authentication(10, plus + zero_ended("SCRAM-SHA-256") + '\0'),
          authentication(10, plus + '\0')}) {
        CAPTURE(asked);
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard& what) {
                server.read_startup();
                server.send("N");
                if (server.read_startup().empty()) return;
                server.send(asked);
                expect_silence(server, what);
            },
            heard, "prefer", {{"server_channel_binding", "require"}});
    }
}

TEST_CASE("protocol 3.2 with a server: it is asked for where the settings say so") {
    const std::string long_secret(256, 'k');
    for (const char* version : {"3.0", "3.2"}) {
        CAPTURE(std::string(version));
        std::mutex mutex;
        std::string asked;
        std::string cancelled;
        FakeServer node([&](FakeConnection& server) {
            std::string body = server.read_startup();
            if (body.empty()) return;
            if (is_cancel_request(body)) {
                std::lock_guard lock(mutex);
                cancelled = body;
                return;
            }
            {
                std::lock_guard lock(mutex);
                asked = body.substr(0, 4);
            }
            server.send(authentication_ok() + frame('K', int32(4000) + long_secret) +
                        ready_for_query());
            if (!server.read_until('Q')) return;
            wait_until("the cancel request", [&] {
                std::lock_guard lock(mutex);
                return !cancelled.empty();
            });
            server.send(error_response("ERROR", "57014", "cancelled") + ready_for_query());
            server.wait_for_end();
        });
        PgweirConfig config = config_of(node);
        config.tls("server_tls_sslmode", "disable").tls("server_max_protocol_version", version);
        PgweirProcess pgweir(config);
        Connection client(pgweir.target());
        client.send("select pg_sleep(600)");
        wait_until("the server has the query", [&] { return node.open() > 0; });
        wait_until("it is cancelled", [&] {
            CHECK(client.cancel());
            std::lock_guard lock(mutex);
            return !cancelled.empty();
        });
        CHECK(client.answer().sqlstate == "57014");
        std::lock_guard lock(mutex);
        CHECK(asked == (std::string(version) == "3.0" ? std::string("\0\3\0\0", 4)
                                                      : std::string("\0\3\0\2", 4)));
        // The whole of the long key comes back.
        CHECK(cancelled == int32(80877102) + int32(4000) + long_secret);
    }
}
