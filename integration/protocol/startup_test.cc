// SPDX-License-Identifier: PostgreSQL
// What a client may say before it is logged in.
#include <doctest/doctest.h>

#include <algorithm>

#include "shared.h"

using namespace pgweir::integration;

namespace {

Parameters as_trusty() {
    return {{"user", "trusty"}, {"database", "app"}};
}

// ParameterStatus comes in no order that matters.
Transcript sorted_login(const Target& target, const Parameters& more,
                        std::int64_t version = kProtocol30) {
    Parameters parameters = as_trusty();
    parameters.insert(parameters.end(), more.begin(), more.end());
    Transcript lines = play(
        target,
        [&](RawClient& client) {
            client.send(startup(parameters, version));
            client.read_until_ready();
        },
        Login::NotYet);
    std::sort(lines.begin(), lines.end());
    return lines;
}

}  // namespace

TEST_CASE("C1, C2: a startup of an impossible length is closed without a word") {
    for (std::int64_t length : {0L, 4L, 7L, -1L, 10005L, 0x7fffffffL}) {
        CAPTURE(length);
        auto lines = same_as_postgresql(
            [&](RawClient& client) {
                client.send(int32(length) + int32(kProtocol30));
                client.read_to_end();
            },
            Compare::Words, Login::NotYet);
        CHECK(lines == Transcript{"closed"});
    }
}

TEST_CASE("C4: one deadline for the login, which bytes do not extend") {
    PgweirConfig config(cluster());
    config.timeout("client_login_timeout", "700ms");
    PgweirProcess pgweir(config);
    auto begin = std::chrono::steady_clock::now();
    SUBCASE("a client that says nothing") {
        RawClient client(pgweir.target());
        client.read_to_end();
        CHECK(client.transcript() == Transcript{"closed"});
    }
    SUBCASE("a client that asks for encryption and says nothing then") {
        RawClient client(pgweir.target());
        client.send(ssl_request());
        CHECK(client.read_byte() == 'N');
        client.read_to_end();
        CHECK(client.transcript() == Transcript{"closed"});
    }
    SUBCASE("a client that says one byte now and then") {
        RawClient client(pgweir.target());
        client.send(int32(9000) + int32(kProtocol30));
        int sent = 0;
        while (sent < 2000 && !client.has_something(std::chrono::milliseconds(50))) {
            client.send("x");
            ++sent;
        }
        CHECK(sent < 2000);
        client.read_to_end();
    }
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(650));
    CHECK(serves(pgweir.target()));
}

TEST_CASE("C5: protocol 2.0 gets an error that it can read, and the end") {
    for (const Target& target : {cluster().target(), shared_pgweir().target()}) {
        RawClient client(target);
        client.send(untyped(int32(2 << 16) + std::string(288, '\0')));
        CHECK(client.read_byte() == 'E');
        std::string text;
        // Words that a client of either version finds; zeros are part of version 3's error.
        while (client.has_something(patience())) {
            char c = client.read_byte();
            if (c == 0 && client.is_ended()) break;
            text += c;
        }
        CHECK(text.find("unsupported frontend protocol 2.0") != std::string::npos);
    }
}

TEST_CASE("C6: newer minor versions are negotiated, once") {
    for (std::int64_t minor : {1, 2, 99}) {
        CAPTURE(minor);
        RawClient client(shared_pgweir().target());
        client.send(startup(as_trusty(), kProtocol30 + minor));
        client.read_until_ready();
        CHECK(has_line(client.transcript(), "AuthenticationOk"));
        CHECK(has_line(client.transcript(), "ReadyForQuery I"));
        // 3.1 was never spoken: 3.0 it is.
        auto expected = minor == 2 ? 0U : 1U;
        CHECK(count_lines(client.transcript(), "NegotiateProtocolVersion") == expected);
        if (minor > 2) CHECK(client.transcript()[0] == "NegotiateProtocolVersion 196610");
        // Protocol 3.2 has keys of up to 256 bytes.
        if (minor >= 2) {
            CHECK(client.key().size() > 4);
        } else {
            CHECK(client.key().size() == 4);
        }
        client.ask(query("select 1"));
        CHECK(has_line(client.transcript(), "DataRow [1]"));
    }
}

TEST_CASE("C7: protocol 4.0 is refused with 0A000") {
    auto lines = same_as_postgresql(
        [](RawClient& client) {
            client.send(startup(as_trusty(), 4 << 16));
            client.read_to_end();
        },
        Compare::Codes, Login::NotYet);
    CHECK(lines == Transcript{"ErrorResponse FATAL 0A000", "closed"});
}

TEST_CASE("C8: unknown protocol options are named, and the login goes on") {
    auto direct = sorted_login(cluster().target(), {{"_pq_.x", "1"}, {"_pq_.why", "2"}});
    auto through = sorted_login(shared_pgweir().target(), {{"_pq_.x", "1"}, {"_pq_.why", "2"}});
    CHECK(has_line(direct, "NegotiateProtocolVersion 196608 _pq_.x _pq_.why"));
    CHECK_MESSAGE(direct == through, joined(direct), joined(through));
}

TEST_CASE("a login hears the same ParameterStatus messages as from PostgreSQL") {
    for (const Parameters& more :
         {Parameters{},
          {{"application_name", "träge"}},
          {{"client_encoding", "LATIN1"}},
          {{"DateStyle", "German"}, {"TimeZone", "Asia/Tokyo"}, {"IntervalStyle", "iso_8601"}}}) {
        auto direct = sorted_login(cluster().target(), more);
        auto through = sorted_login(shared_pgweir().target(), more);
        CHECK_MESSAGE(direct == through, joined(direct), joined(through));
    }
}

TEST_CASE("C10: startup parameters are settings of the session") {
    struct Case {
        Parameters parameters;
        std::string question;
    };
    for (const Case& one :
         {Case{{{"search_path", "evil"}}, "show search_path"},
          {{{"options", "-c work_mem=1234kB -c statement_timeout=7s"}},
           "select current_setting('work_mem'), current_setting('statement_timeout')"},
          {{{"options", "--enable-seqscan=off"}}, "show enable_seqscan"},
          {{{"options", "-c DateStyle=German,\\ DMY"}}, "show datestyle"},
          {{{"my.setting", "mine"}}, "show my.setting"},
          {{{"extra_float_digits", "2"}}, "show extra_float_digits"},
          {{{"application_name", "it's me"}}, "show application_name"}}) {
        CAPTURE(one.question);
        auto lines = same_as_postgresql(
            [&](RawClient& client) {
                client.login(one.parameters);
                client.ask(query(one.question));
                // In the next transaction, too, whatever happened in between.
                client.ask(query(one.question));
            },
            Compare::Words, Login::NotYet);
        CHECK(count_lines(lines, "DataRow") == 2);
    }
}

TEST_CASE("C10: an unknown or impossible setting at startup is refused") {
    for (const Parameters& more : {Parameters{{"no_such_setting", "1"}},
                                   {{"options", "-c no_such_setting=1"}},
                                   {{"work_mem", "many"}},
                                   {{"client_encoding", "KLINGON"}}}) {
        Parameters parameters = as_trusty();
        parameters.insert(parameters.end(), more.begin(), more.end());
        auto lines = [&](const Target& target) {
            RawClient client(target);
            client.send(startup(parameters));
            std::string code;
            for (const auto& message : client.read_to_end()) {
                if (message.type == 'E') code = message.field('V') + " " + message.sqlstate();
            }
            return code;
        };
        CAPTURE(more[0].first);
        std::string direct = lines(cluster().target());
        CHECK(direct.rfind("FATAL ", 0) == 0);
        CHECK(lines(shared_pgweir().target()) == direct);
        CHECK(serves(shared_pgweir().target()));
    }
}

TEST_CASE("a startup without a user, with a broken layout, or cut short is refused") {
    for (const std::string& bytes :
         {startup({{"database", "app"}}), startup({{"user", ""}}),
          untyped(int32(kProtocol30) + "user"), untyped(int32(kProtocol30)),
          untyped(int32(kProtocol30) + zero_ended("user") + "trusty" + std::string(1, '\0')),
          untyped(int32(kProtocol30) + zero_ended("user") + zero_ended("trusty"))}) {
        CAPTURE(bytes);
        same_as_postgresql(
            [&](RawClient& client) {
                client.send(bytes);
                client.read_to_end();
            },
            Compare::Codes, Login::NotYet);
    }
    // The database defaults to the user's name; an empty one does too.
    Target target = shared_pgweir().target();
    RawClient client(target);
    client.send(startup({{"user", "trusty"}}));
    client.read_to_end();
    CHECK(has_line(client.transcript(), "ErrorResponse FATAL 3D000: database \"trusty\""));
}

TEST_CASE("names of every length are answered, not swallowed") {
    for (std::size_t length : {63U, 64U, 127U, 1000U, 9800U}) {
        CAPTURE(length);
        RawClient client(shared_pgweir().target());
        client.send(startup({{"user", "trusty"}, {"database", std::string(length, 'd')}}));
        client.read_to_end();
        CHECK(has_line(client.transcript(), "ErrorResponse FATAL 3D000"));
    }
    CHECK(serves(shared_pgweir().target()));
}

TEST_CASE("C12: an unknown database is refused with 3D000") {
    auto lines = same_as_postgresql(
        [](RawClient& client) {
            client.send(startup({{"user", "trusty"}, {"database", "nowhere"}}));
            client.read_to_end();
        },
        Compare::Codes, Login::NotYet);
    CHECK(has_line(lines, "ErrorResponse FATAL 3D000"));
}

TEST_CASE("C17: GSSENCRequest is refused with N, and SSLRequest and a startup may follow") {
    RawClient client(shared_pgweir().target());
    client.send(gssenc_request());
    CHECK(client.read_byte() == 'N');
    client.send(ssl_request());
    CHECK(client.read_byte() == 'N');
    client.login();
    client.ask(query("select 1"));
    CHECK(has_line(client.transcript(), "DataRow [1]"));
}

TEST_CASE("T4: encryption requests do not go round in circles") {
    RawClient client(shared_pgweir().target());
    int asked = 0;
    while (asked < 100) {
        client.send(asked % 2 == 0 ? ssl_request() : gssenc_request());
        if (client.read_byte() != 'N') break;
        ++asked;
    }
    CHECK(asked >= 2);
    CHECK(asked <= 4);
    CHECK(serves(shared_pgweir().target()));
}

TEST_CASE("C18: a CancelRequest with a wrong key, or of a wrong length, is closed without a word") {
    for (const std::string& bytes :
         {cancel_request(1, int32(1)), cancel_request(-1, int32(-1)),
          untyped(int32(80877102) + int32(5)), cancel_request(77, std::string(288, 'k'))}) {
        CAPTURE(bytes.size());
        auto lines = same_as_postgresql(
            [&](RawClient& client) {
                client.send(bytes);
                client.read_to_end();
            },
            Compare::Words, Login::NotYet);
        CHECK(lines == Transcript{"closed"});
    }
}

TEST_CASE("a typed message before the startup is closed") {
    for (const std::string& bytes : {query("select 1"), password_message("x"), sync_point()}) {
        auto lines = same_as_postgresql(
            [&](RawClient& client) {
                client.send(bytes);
                client.shut_down_sending();
                client.read_to_end();
            },
            Compare::Codes, Login::NotYet);
        CHECK(lines.back() == "closed");
    }
}

TEST_CASE("C29: a login split at every byte is the same login") {
    RawClient client(shared_pgweir().target());
    client.send_bytewise(startup(as_trusty()));
    client.read_until_ready();
    client.forget_transcript();
    client.send_bytewise(query("select 'one', 2"));
    client.read_until_ready();
    CHECK(has_line(client.transcript(), "DataRow [one|2]"));
}

TEST_CASE("C21: clients that leave at every byte of the startup leave nothing behind") {
    std::string bytes = startup(as_trusty());
    CHECK(serves(shared_pgweir().target()));
    std::size_t before = shared_pgweir().open_files();
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
        RawClient client(shared_pgweir().target());
        client.send(std::string_view(bytes).substr(0, length));
        client.close(length % 2 == 0 ? RawClient::End::Reset : RawClient::End::Orderly);
    }
    CHECK(serves(shared_pgweir().target()));
    CHECK(happens([&] { return shared_pgweir().open_files() <= before; }));
}
