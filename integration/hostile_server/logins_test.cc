// SPDX-License-Identifier: PostgreSQL
// A server that misbehaves before it is logged in: pgweir tells it nothing that it should not know,
// tells its clients none of its words, and does not knock more often than it must.
#include "lying_login.h"

using namespace pgweir::integration;

TEST_CASE("C63: 'N' when TLS is required: no startup is sent in clear") {
    for (const char* mode : {"require", "verify-full"}) {
        CAPTURE(std::string(mode));
        Heard heard;
        check_fails_closed(
            [](FakeConnection& server, Heard& what) {
                server.read_startup();
                server.send("N");
                if (!server.read_startup().empty()) ++what.after_lie;
            },
            heard, mode);
    }
}

TEST_CASE("CVE-2024-10977: an error before TLS is neither believed nor shown") {
    Heard heard;
    check_fails_closed(
        [](FakeConnection& server, Heard& what) {
            server.read_startup();
            server.send(error_response("FATAL", "28P01", kCanary + std::string(100000, 'x')));
            if (!server.read_startup().empty()) ++what.after_lie;
        },
        heard, "require");
}

TEST_CASE("CVE-2021-23222: bytes behind 'S' are not taken for protected ones") {
    Heard heard;
    check_fails_closed(
        [](FakeConnection& server, Heard& what) {
            server.read_startup();
            server.send("S" + authentication_ok() + parameter_status("x", kCanary));
            if (!server.read_startup().empty()) ++what.after_lie;
        },
        heard, "require");
}

TEST_CASE("C63: neither yes nor no to SSLRequest, and no TLS behind yes") {
    for (const std::string& answer :
         {std::string("X"), std::string("\0", 1), std::string("s"), authentication_ok()}) {
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard&) {
                server.read_startup();
                server.send(answer);
            },
            heard, "require");
    }
    Heard heard;
    check_fails_closed(
        [](FakeConnection& server, Heard&) {
            server.read_startup();
            server.send("S");
            // Waits for ClientHello, answers by rubbish.
            server.send(std::string(64, 'x'));
        },
        heard, "require");
}

TEST_CASE("TLS is not required: 'N' is an answer, and the login goes on in clear") {
    FakeServer node([](FakeConnection& server) {
        server.read_startup();
        server.send("N");
        if (server.accept_login()) server.serve("fine");
    });
    PgweirConfig config = config_of(node);
    config.tls("server_tls_sslmode", "prefer");
    PgweirProcess pgweir(config);
    Connection client(pgweir.target());
    CHECK(client.value("select 1") == "fine");
}

TEST_CASE("C59: a login of impossible or unexpected messages fails") {
    for (const std::string& bytes :
         {frame_with_length('R', 0, ""),
          frame_with_length('R', 3, ""),
          frame_with_length('R', 0x7fffffff, ""),
          frame('?', ""),
          frame('R', ""),
          frame('R', "\0"),
          authentication(99),
          authentication(7),
          data_row({kCanary}),
          ready_for_query(),
          parameter_status("x", kCanary),
          authentication(0, "more"),
          authentication_ok() + authentication_ok(),
          authentication_ok() + frame('?', ""),
          authentication_ok() + ready_for_query('T'),
          authentication_ok() + frame('Z', ""),
          authentication_ok() + frame('K', ""),
          authentication_ok() + frame('S', "x"),
          authentication_ok() + data_row({kCanary}),
          authentication_ok() + ready_for_query() + data_row({kCanary}),
          authentication_ok() + frame_with_length('S', 0x7fffffff, kCanary)}) {
        CAPTURE(bytes);
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard& what) {
                if (server.read_startup().empty()) return;
                server.send(bytes);
                expect_silence(server, what);
            },
            heard);
    }
}

TEST_CASE("a login that never ends takes neither memory nor for ever") {
    std::atomic<bool> has_ended{false};
    FakeServer node([&](FakeConnection& server) {
        if (server.read_startup().empty()) return;
        server.send(authentication_ok());
        for (int i = 0; i < 4000; ++i) {
            server.send(parameter_status("name" + std::to_string(i), std::string(10000, 'x')));
        }
        server.wait_for_end();
        has_ended = true;
    });
    PgweirProcess pgweir(config_of(node));
    auto before = pgweir.resident_kib();
    Transcript lines = hear_login(pgweir.target());
    CHECK(has_line(lines, "ErrorResponse FATAL"));
    wait_until("the server is left", [&] { return has_ended.load(); });
    CHECK(pgweir.resident_kib() < before + 8192);
}

TEST_CASE("a server that accepts and says nothing is left at server_login_timeout") {
    Heard heard;
    FakeServer node([&](FakeConnection& server) {
        ++heard.attempts;
        server.wait_for_end();
        heard.has_ended = true;
    });
    PgweirConfig config = config_of(node);
    config.timeout("server_login_timeout", "300ms");
    PgweirProcess pgweir(config);
    CHECK(has_line(hear_login(pgweir.target()), "ErrorResponse FATAL 57P03"));
    CHECK(heard.has_ended);
}

TEST_CASE("C63: SCRAM of a server that lies is broken off before a proof is sent") {
    Heard heard;
    // The nonce is not ours, or is ours and nothing more.
    check_fails_closed(scram_that_says([](const std::string&) {
                           return "r=" + kCanary + "nonce,s=" + kSalt + ",i=4096";
                       }),
                       heard);
    // pgjdbc's CVE-2026-42198: a number of rounds that takes for ever.
    check_fails_closed(scram_that_says([](const std::string& nonce) {
                           return "r=" + nonce + kCanary + ",s=" + kSalt + ",i=2147483647";
                       }),
                       heard);
    for (const std::string& end :
         {",s=" + kSalt + ",i=0", ",s=" + kSalt + ",i=-1", ",s=" + kSalt, std::string(",i=4096"),
          std::string(",s=!!!,i=4096"), ",s=" + kSalt + ",i=99999999999999999999",
          std::string(",s=,i=4096"), ",m=ext,s=" + kSalt + ",i=4096"}) {
        CAPTURE(end);
        check_fails_closed(
            scram_that_says([&](const std::string& nonce) { return "r=" + nonce + kCanary + end; }),
            heard);
    }
    check_fails_closed(scram_that_says([](const std::string& nonce) {
                           return "r=" + nonce + std::string(60000, 'n') + ",s=" + kSalt +
                                  ",i=4096";
                       }),
                       heard);
}

TEST_CASE("C63: a server that does not know the password is not believed") {
    for (const std::string& final :
         {std::string("v=") + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", std::string("v="),
          std::string("v=!"), "e=" + kCanary, std::string()}) {
        CAPTURE(final);
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard& what) {
                if (server.read_startup().empty()) return;
                server.send(sasl_offer());
                auto initial = server.read();
                if (!initial) return;
                server.send(
                    authentication(11, "r=" + nonce_of(*initial) + "more,s=" + kSalt + ",i=4096"));
                if (!server.read()) return;
                server.send(authentication(12, final));
                server.finish_login();
                expect_silence(server, what);
            },
            heard);
    }
    // The same without any proof: AuthenticationOk in the middle of SCRAM.
    Heard heard;
    check_fails_closed(
        [](FakeConnection& server, Heard& what) {
            if (server.read_startup().empty()) return;
            server.send(sasl_offer());
            if (!server.read()) return;
            server.finish_login();
            expect_silence(server, what);
        },
        heard);
}

TEST_CASE("C63: an unknown SASL mechanism, or a list that does not end") {
    for (const std::string& list : {zero_ended("PLAIN") + '\0', std::string(1, '\0'),
                                    std::string("SCRAM-SHA-256"), std::string(5000, 'x')}) {
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard& what) {
                if (server.read_startup().empty()) return;
                server.send(authentication(10, list));
                expect_silence(server, what);
            },
            heard);
    }
}

TEST_CASE("C63: who has SCRAM keys only gives nothing to a server that asks for less") {
    // The client proves itself by SCRAM against a verifier; pgweir never knows the password.
    Connection admin(cluster().owner());
    std::string verifier =
        admin.value("select rolpassword from pg_authid where rolname = 'scrammer'");
    for (const std::string& request : {authentication(3), authentication(5, "salt")}) {
        std::atomic<int> after_lie{0};
        std::atomic<bool> has_ended{false};
        FakeServer node([&](FakeConnection& server) {
            if (server.read_startup().empty()) return;
            server.send(request);
            if (server.read()) ++after_lie;
            server.wait_for_end();
            has_ended = true;
        });
        PgweirConfig config("127.0.0.1", node.port());
        config.general("auth_type", "\"scram-sha-256\"")
            .user("scrammer", "password", "\"" + verifier + "\"")
            .timeout("query_wait_timeout", "1s");
        PgweirProcess pgweir(config);
        auto client = Connection::attempt(pgweir.target().with_user("scrammer"),
                                          "password=" + password_of("scrammer"));
        CHECK(!client.is_ok());
        wait_until("the server is left", [&] { return has_ended.load(); });
        CHECK(after_lie == 0);
    }
}

TEST_CASE("an error at login without SQLSTATE, or cut short, is a failed login and no more") {
    for (const std::string& body :
         {"SFATAL" + std::string(1, '\0') + "M" + kCanary + std::string(2, '\0'),
          std::string(1, '\0'), std::string(), "C" + kCanary, std::string("C\0\0", 3),
          "SFATAL" + std::string(1, '\0') + "C" + kCanary + std::string(1, '\0') + "M" + kCanary +
              std::string(2, '\0')}) {
        CAPTURE(body);
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard&) {
                if (server.read_startup().empty()) return;
                server.send(frame('E', body));
            },
            heard);
    }
}

TEST_CASE("what a server says when it refuses a login is not for clients") {
    for (const char* sqlstate : {"28P01", "28000", "3D000", "57P03", "53300", "42501", "XX000"}) {
        CAPTURE(std::string(sqlstate));
        Heard heard;
        check_fails_closed(
            [&](FakeConnection& server, Heard&) {
                if (server.read_startup().empty()) return;
                server.send(error_response("FATAL", sqlstate, kCanary));
            },
            heard);
    }
}

namespace {

// Many clients log in at once, each in a thread of its own; what they heard.
std::vector<Transcript> all_hear_login(const Target& target, std::size_t count) {
    std::vector<std::unique_ptr<RawClient>> clients;
    for (std::size_t i = 0; i < count; ++i) {
        clients.push_back(std::make_unique<RawClient>(target));
        clients.back()->send(startup({{"user", target.user}, {"database", target.database}}));
    }
    std::vector<Transcript> all;
    for (auto& client : clients) {
        client->read_until_ready();
        all.push_back(client->transcript());
    }
    return all;
}

}  // namespace

TEST_CASE("C65: 57P03 and 53300 at login keep the waiters waiting, and are served when it passes") {
    for (const char* sqlstate : {"57P03", "53300"}) {
        CAPTURE(std::string(sqlstate));
        std::atomic<int> refusals{0};
        std::atomic<bool> is_up{false};
        FakeServer node([&](FakeConnection& server) {
            std::string body = server.read_startup();
            if (body.empty() || is_cancel_request(body)) return;
            if (!is_up) {
                ++refusals;
                server.send(error_response("FATAL", sqlstate, "not now"));
                return;
            }
            server.finish_login();
            server.serve("fine");
        });
        PgweirConfig config = config_of(node);
        config.timeout("query_wait_timeout", "10min")
            .timeout("server_login_retry_max", "2s")
            .limit("default_pool_size", 50);
        PgweirProcess pgweir(config);
        std::vector<std::unique_ptr<Connection>> clients;
        for (int i = 0; i < 40; ++i) {
            clients.push_back(std::make_unique<Connection>(Connection::begin(pgweir.target())));
        }
        auto in_all = [&](auto&& asks) {
            for (auto& client : clients) asks(*client);
        };
        wait_until("several trials failed", [&] {
            in_all([](Connection& client) { PQconnectPoll(client.raw()); });
            return refusals >= 6;
        });
        in_all([](Connection& client) { CHECK(PQstatus(client.raw()) != CONNECTION_BAD); });
        is_up = true;
        wait_until("all are logged in", [&] {
            bool all = true;
            in_all([&](Connection& client) {
                if (!client.is_ok()) PQconnectPoll(client.raw());
                all = all && client.is_ok();
            });
            return all;
        });
        in_all([](Connection& client) { CHECK(client.value("select 1") == "fine"); });
    }
}

TEST_CASE("no login storm: clients that wait are not trials") {
    std::atomic<int> attempts{0};
    FakeServer node([&](FakeConnection& server) {
        if (server.read_startup().empty()) return;
        ++attempts;
        server.send(error_response("FATAL", "57P03", "starting up"));
    });
    PgweirConfig config = config_of(node);
    config.limit("default_pool_size", 100).timeout("query_wait_timeout", "2s");
    PgweirProcess pgweir(config);
    auto all = all_hear_login(pgweir.target(), 100);
    for (const auto& lines : all) CHECK(has_line(lines, "ErrorResponse FATAL 57P03"));
    CHECK(attempts >= 2);
    // At most 32 before the first refusal; then pauses of at least 25 ms, 50 ms, 100 ms and so on.
    CHECK(attempts < 100);
}

TEST_CASE("C65: 28P01 and 3D000 at login fail the waiters of that pool, and no others") {
    for (const char* sqlstate : {"28P01", "3D000"}) {
        CAPTURE(std::string(sqlstate));
        std::atomic<int> refusals{0};
        FakeServer node([&](FakeConnection& server) {
            std::string body = server.read_startup();
            if (body.empty() || is_cancel_request(body)) return;
            if (body.find(std::string("database\0app", 12)) != std::string::npos) {
                ++refusals;
                server.send(error_response("FATAL", sqlstate, "no"));
                return;
            }
            server.finish_login();
            server.serve("fine");
        });
        PgweirConfig config = config_of(node);
        // Long enough to tell "at once" from "at the end of patience".
        config.timeout("query_wait_timeout", "10min").limit("default_pool_size", 50);
        PgweirProcess pgweir(config);
        Connection neighbour(pgweir.target().with_database("other"));
        auto all = all_hear_login(pgweir.target(), 40);
        for (const auto& lines : all) {
            CHECK(has_line(lines, std::string("ErrorResponse FATAL ") + sqlstate));
        }
        CHECK(refusals >= 1);
        CHECK(refusals <= 40);
        CHECK(neighbour.value("select 1") == "fine");
        CHECK(Connection(pgweir.target().with_database("other")).value("select 1") == "fine");
    }
}
