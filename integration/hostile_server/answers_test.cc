// SPDX-License-Identifier: PostgreSQL
// A server that is logged in and then breaks the protocol: its connection goes, the client that it
// answered hears at most an error, and nobody else notices.
#include <doctest/doctest.h>

#include "fake_server.h"
#include "shared.h"

using namespace pgweir::integration;

namespace {

using Attack = std::function<void(FakeConnection&)>;

// A node whose first server attacks; all later ones are well-behaved and answer "fine".
class Attacker {
 public:
    explicit Attacker(Attack attack)
        : attack_(std::move(attack)), node_([this](FakeConnection& server) { serve(server); }) {}

    PgweirConfig config() const {
        PgweirConfig config("127.0.0.1", node_.port());
        return config.limit("default_pool_size", 1).timeout("server_clean_timeout", "500ms");
    }
    std::size_t logins() const { return logins_; }
    // Whether the first server was attacking and has then seen its end.
    bool is_dropped() const { return is_dropped_; }

 private:
    void serve(FakeConnection& server) {
        if (!server.accept_login()) return;
        if (logins_++ > 0) return server.serve("fine");
        attack_(server);
        server.wait_for_end();
        is_dropped_ = true;
    }

    Attack attack_;
    std::atomic<std::size_t> logins_{0};
    std::atomic<bool> is_dropped_{false};
    FakeServer node_;
};

std::string answer_of(const std::string& text) {
    return row_description({"text"}) + data_row({text}) + command_complete("SELECT 1");
}

bool is_fine(RawClient& client) {
    client.forget_transcript();
    client.ask(query("select 'fine'"));
    return has_line(client.transcript(), "DataRow [fine]") &&
           has_line(client.transcript(), "ReadyForQuery I");
}

// One query is answered with those bytes. Returns what its client heard up to its end, or up to
// ReadyForQuery.
Transcript hear(const std::string& answer, const std::string& question = query("select 1")) {
    CAPTURE(answer);
    Attacker attacker([&](FakeConnection& server) {
        if (server.read()) server.send(answer);
    });
    PgweirProcess pgweir(attacker.config());
    RawClient bystander(pgweir.target());
    bystander.login();
    RawClient client(pgweir.target());
    client.login();
    client.ask(question);
    wait_until("the server is dropped", [&] { return attacker.is_dropped(); });
    CHECK(is_fine(bystander));
    CHECK(attacker.logins() == 2);
    return client.transcript();
}

void check_refused(const std::string& answer, const std::string& question = query("select 1")) {
    Transcript lines = hear(answer, question);
    CAPTURE(joined(lines));
    CHECK(has_line(lines, "ErrorResponse FATAL 08P01"));
    CHECK(lines.back() == "closed");
    CHECK(count_lines(lines, "ReadyForQuery") == 0);
}

}  // namespace

TEST_CASE("C59: an answer of an unknown type, or of an impossible length") {
    check_refused(frame('?', "what"));
    check_refused(frame('\0', ""));
    check_refused(frame_with_length('D', 0, ""));
    check_refused(frame_with_length('T', 3, ""));
    check_refused(frame_with_length('D', 0x7fffffff, "x"));
    check_refused(frame_with_length('C', 0x7fffffff, "x"));
    check_refused(frame_with_length('Z', -1, "I"));
    check_refused(frame_with_length('E', 0x3ffffff0, "x"));
}

TEST_CASE("C59: an answer that is malformed") {
    check_refused(row_description({"text"}) + frame('C', "SELECT 1"));
    check_refused(row_description({"text"}) + frame('C', ""));
    check_refused(answer_of("x") + frame('Z', ""));
    check_refused(answer_of("x") + frame('Z', "X"));
    check_refused(answer_of("x") + frame('Z', "II"));
    check_refused(frame('E', "SERROR"));
    check_refused(frame('S', "TimeZone"));
    check_refused(frame('I', "x"));
}

TEST_CASE("C60: an answer to a question that nobody asked") {
    check_refused(frame('1', ""));
    check_refused(frame('2', ""));
    check_refused(frame('3', ""));
    check_refused(frame('n', ""));
    check_refused(frame('s', ""));
    check_refused(frame('V', int32(-1)));
    check_refused(authentication_ok());
    check_refused(backend_key_data(1, 2));
    std::string batch = parse("", "select 1") + bind_portal("", "") + execute() + sync_point();
    check_refused(ready_for_query(), batch);
    check_refused(frame('2', ""), batch);
    check_refused(frame('1', "") + frame('1', ""), batch);
    check_refused(frame('1', "") + frame('2', "") + command_complete("SELECT 0") +
                      command_complete("SELECT 0"),
                  batch);
}

TEST_CASE(
    "C59: a length that is never kept, and then the end: the client is closed, not deceived") {
    Attacker attacker([](FakeConnection& server) {
        if (!server.read()) return;
        server.send(row_description({"text"}) + frame_with_length('D', 0x3fffffff, "begins"));
    });
    PgweirProcess pgweir(attacker.config());
    RawClient bystander(pgweir.target());
    bystander.login();
    RawClient client(pgweir.target());
    client.login();
    auto before = pgweir.resident_kib();
    client.send(query("select 1"));
    // The beginning of the row is passed on as it comes.
    auto first = client.read();
    REQUIRE(first);
    CHECK(first->type == 'T');
    CHECK(client.has_something(patience()));
    CHECK(pgweir.resident_kib() < before + 4096);
    client.close();
    wait_until("the server is dropped", [&] { return attacker.is_dropped(); });
    CHECK(is_fine(bystander));
}

TEST_CASE("C60: a second ReadyForQuery reaches nobody") {
    Transcript lines = hear(answer_of("once") + ready_for_query() + ready_for_query());
    CAPTURE(joined(lines));
    CHECK(count_lines(lines, "DataRow [once]") == 1);
    CHECK(count_lines(lines, "ReadyForQuery") == 1);
}

TEST_CASE("C60: a whole second answer reaches nobody") {
    Transcript lines =
        hear(answer_of("once") + ready_for_query() + answer_of("twice") + ready_for_query());
    CAPTURE(joined(lines));
    CHECK(count_lines(lines, "DataRow [twice]") == 0);
    CHECK(count_lines(lines, "ReadyForQuery") == 1);
}

TEST_CASE("C60: a missing ReadyForQuery ends at query_timeout; the server is not used again") {
    Attacker attacker([](FakeConnection& server) {
        if (server.read()) server.send(answer_of("never ends"));
    });
    PgweirConfig config = attacker.config();
    config.timeout("query_timeout", "500ms");
    PgweirProcess pgweir(config);
    RawClient bystander(pgweir.target());
    bystander.login();
    RawClient client(pgweir.target());
    client.login();
    client.send(query("select 1"));
    client.read_to_end();
    CHECK(has_line(client.transcript(), "ErrorResponse FATAL 57014"));
    CHECK(count_lines(client.transcript(), "ReadyForQuery") == 0);
    wait_until("the server is dropped", [&] { return attacker.is_dropped(); });
    CHECK(is_fine(bystander));
}

TEST_CASE("CVE-2026-6666: an error without SQLSTATE, or without any field, is passed on") {
    for (const std::string& fields :
         {std::string("SERROR\0Mno state\0", 17), std::string(), std::string("C42601\0", 7)}) {
        Attacker attacker([&](FakeConnection& server) {
            if (server.read()) server.send(frame('E', fields + '\0') + ready_for_query());
            server.serve("fine");
        });
        PgweirProcess pgweir(attacker.config());
        RawClient client(pgweir.target());
        client.login();
        client.ask(query("select 1"));
        CHECK(count_lines(client.transcript(), "ErrorResponse") == 1);
        CHECK(client.transcript().back() == "ReadyForQuery I");
        CHECK(is_fine(client));
        CHECK(attacker.logins() == 1);
    }
}

TEST_CASE("C60: what an idle server says unasked costs its connection, and no client") {
    for (const std::string& bytes :
         {data_row({"x"}), command_complete("SELECT 1"), row_description({"x"}), ready_for_query(),
          error_response("ERROR", "22000", "unasked"), error_response("FATAL", "57P01", "goes"),
          frame('?', ""), frame_with_length('D', 0, ""), frame('G', int32(0)),
          data_row({"x"}).substr(0, 7), std::string("Z"), frame('1', "")}) {
        CAPTURE(bytes);
        Attacker attacker([&](FakeConnection& server) {
            if (server.read()) server.send(answer_of("fine") + ready_for_query());
            if (!server.read()) return;
            server.send(answer_of("fine") + ready_for_query());
            server.send(bytes);
        });
        PgweirProcess pgweir(attacker.config());
        RawClient client(pgweir.target());
        client.login();
        RawClient bystander(pgweir.target());
        bystander.login();
        CHECK(is_fine(client));
        // The attack may still be read as a part of this answer's turn: its client may be told.
        bystander.ask(query("select 1"));
        CHECK(has_line(bystander.transcript(), "DataRow [fine]"));
        CHECK(count_lines(bystander.transcript(), "ReadyForQuery") == 1);
        wait_until("the server is dropped", [&] { return attacker.is_dropped(); });
        CHECK(is_fine(client));
        CHECK(attacker.logins() == 2);
    }
}

TEST_CASE("what an idle server may say unasked costs nothing") {
    Attacker attacker([](FakeConnection& server) {
        if (server.read()) server.send(answer_of("fine") + ready_for_query());
        server.send(notice_response("by the way") + parameter_status("TimeZone", "UTC") +
                    frame('A', int32(7) + zero_ended("channel") + zero_ended("")));
        server.serve("fine");
    });
    PgweirProcess pgweir(attacker.config());
    RawClient client(pgweir.target());
    client.login();
    CHECK(is_fine(client));
    for (int i = 0; i < 20; ++i) CHECK(is_fine(client));
    CHECK(attacker.logins() == 1);
}

TEST_CASE("C62: what became of a server while it was idle, its next client is told first") {
    Attacker attacker([](FakeConnection& server) {
        if (server.read()) {
            server.send(answer_of("fine") + ready_for_query() +
                        parameter_status("in_hot_standby", "on"));
        }
        server.serve("fine");
    });
    PgweirProcess pgweir(attacker.config());
    RawClient client(pgweir.target());
    client.login();
    CHECK(is_fine(client));
    RawClient other(pgweir.target());
    other.login();
    wait_until("it is told", [&] {
        other.forget_transcript();
        CHECK(is_fine(other));
        return has_line(other.transcript(), "ParameterStatus in_hot_standby=on");
    });
    // Once.
    other.forget_transcript();
    CHECK(is_fine(other));
    CHECK(!has_line(other.transcript(), "ParameterStatus"));
    client.forget_transcript();
    CHECK(is_fine(client));
    CHECK(has_line(client.transcript(), "ParameterStatus in_hot_standby=on"));
    CHECK(attacker.logins() == 1);
}

TEST_CASE(
    "T13: a server that drops or doubles a message never shifts an answer to the next client") {
    // Every connection answers two queries well, and at the third adds, drops or doubles.
    std::atomic<std::size_t> logins{0};
    FakeServer node([&](FakeConnection& server) {
        if (!server.accept_login()) return;
        std::size_t kind = logins++ % 3;
        for (int asked = 0;; ++asked) {
            auto message = server.read();
            if (!message || message->type != 'Q') return;
            std::string token = message->body.substr(0, message->body.size() - 1);
            std::string answer = answer_of(token) + ready_for_query();
            if (asked == 2 && kind == 0) answer += answer;
            if (asked == 2 && kind == 1) answer = data_row({token}) + answer + ready_for_query();
            if (asked == 2 && kind == 2) answer = ready_for_query() + answer;
            server.send(answer);
        }
    });
    PgweirConfig config("127.0.0.1", node.port());
    config.limit("default_pool_size", 1);
    PgweirProcess pgweir(config);
    for (int round = 0; round < 40; ++round) {
        std::string token = "token" + std::to_string(round);
        RawClient client(pgweir.target());
        client.login();
        client.ask(query(token));
        for (const auto& line : client.transcript()) {
            if (line.rfind("DataRow", 0) == 0) CHECK(line == "DataRow [" + token + "]");
        }
        client.close();
    }
    CHECK(logins > 1);
}
