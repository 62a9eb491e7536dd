// SPDX-License-Identifier: PostgreSQL
// Messages that are not what they say, after the login.
#include <doctest/doctest.h>

#include "shared.h"

using namespace pgweir::integration;

TEST_CASE("C23: an unknown message type ends the session with 08P01") {
    for (char type : {'!', '\0', 'z', '\x7f', 'Z'}) {
        CAPTURE(static_cast<int>(type));
        auto lines = same_as_postgresql(
            [&](RawClient& client) {
                client.send(frame(type, "abc"));
                client.read_to_end();
            },
            Compare::Codes);
        CHECK(lines == Transcript{"ErrorResponse FATAL 08P01", "closed"});
    }
}

TEST_CASE("C23: an unknown type in a transaction drops that server and nobody else") {
    Connection observer(cluster().owner());
    observer.must("create table if not exists kept (n int)");
    observer.must("grant all on kept to public");
    {
        RawClient client(shared_pgweir().target());
        client.login();
        client.ask(query("begin; insert into kept values (1)"));
        client.send(frame('!', ""));
        client.read_to_end();
        CHECK(has_line(client.transcript(), "ErrorResponse FATAL 08P01"));
    }
    wait_until("the transaction is gone", [&] {
        return observer.value(
                   "select count(*) from pg_stat_activity where state like 'idle in%'") == "0";
    });
    CHECK(observer.value("select count(*) from kept") == "0");
    CHECK(serves(shared_pgweir().target()));
}

TEST_CASE("C24: impossible lengths end the session") {
    struct Case {
        char type;
        std::int64_t length;
    };
    for (Case one : {Case{'Q', 0},
                     {'Q', 3},
                     {'Q', -1},
                     {'Q', 0x7fffffff},
                     {'S', 20000},
                     {'P', 0},
                     {'B', 3},
                     {'E', -1}}) {
        CAPTURE(one.type);
        CAPTURE(one.length);
        RawClient client(shared_pgweir().target());
        client.login();
        client.send(frame_with_length(one.type, one.length, "x"));
        client.read_to_end();
        // PostgreSQL closes without a word; a word is allowed.
        for (const auto& line : client.transcript()) {
            CHECK((line == "closed" || line.rfind("ErrorResponse FATAL 08P01", 0) == 0 ||
                   line.rfind("ErrorResponse FATAL 54000", 0) == 0));
        }
        CHECK(serves(shared_pgweir().target()));
    }
}

TEST_CASE("C25: memory follows the bytes received, not the length declared") {
    CHECK(serves(shared_pgweir().target()));
    std::size_t before = shared_pgweir().resident_kib();
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
        auto& client = clients.emplace_back(std::make_unique<RawClient>(shared_pgweir().target()));
        client->login();
        client->send(frame_with_length(i % 2 == 0 ? 'Q' : 'd', 0x3ffffffe, "s"));
    }
    CHECK(clients.front()->is_silent());
    clients.clear();
    CHECK(serves(shared_pgweir().target()));
    CHECK(shared_pgweir().resident_kib() < before + 20 * 64 + 4096);
}

TEST_CASE(
    "C27: a Query without its zero, or with text after it, is 08P01 and the session goes on") {
    for (const std::string& body :
         {std::string("select 1"), zero_ended("select 1") + "drop table numbers",
          zero_ended("select 1") + zero_ended("select 2")}) {
        auto lines = same_as_postgresql([&](RawClient& client) {
            client.ask(frame('Q', body));
            client.ask(query("select 3"));
        });
        CHECK(has_line(lines, "ErrorResponse ERROR 08P01"));
        CHECK(has_line(lines, "DataRow [3]"));
    }
}

TEST_CASE("C28: an empty Query is answered by EmptyQueryResponse, one without a body by 08P01") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(query(""));
        client.ask(query(" ; ;; -- nothing\n"));
        client.ask(frame('Q', ""));
    });
    CHECK(count_lines(lines, "EmptyQueryResponse") == 2);
    CHECK(has_line(lines, "ErrorResponse ERROR 08P01"));
}

TEST_CASE("C29: every message split at every byte is the same message") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send_bytewise(parse("s1", "select $1::int + 1") + bind_portal("p1", "s1", {"41"}) +
                             describe_statement("s1") + describe_portal("p1") + execute("p1") +
                             close_portal("p1") + close_statement("s1") + flush() + sync_point());
        client.read_until_ready();
        client.send_bytewise(query("select n from numbers where n < 4"));
        client.read_until_ready();
    });
    CHECK(has_line(lines, "DataRow [42]"));
}

TEST_CASE("C29: thousands of messages in one go are answered one by one") {
    same_as_postgresql([](RawClient& client) {
        std::string bytes;
        for (int i = 0; i < 3000; ++i) bytes += query("select " + std::to_string(i));
        client.send(bytes);
        for (int i = 0; i < 3000; ++i) client.read_until_ready();
    });
}

TEST_CASE("C30: a Bind whose inner lengths disagree is 08P01, and the session goes on") {
    std::string beginning = zero_ended("") + zero_ended("");
    for (const std::string& body :
         {beginning + int16(0) + int16(1) + int32(100) + "abc" + int16(0),
          beginning + int16(0) + int16(1) + int32(-2) + int16(0), beginning + int16(5),
          beginning + int16(0) + int16(-1) + int16(0), std::string(""), std::string("abc"),
          beginning + int16(0) + int16(1) + int32(1) + "7" + int16(0) + "more"}) {
        CAPTURE(body);
        auto lines = same_as_postgresql([&](RawClient& client) {
            client.ask(parse("", "select $1::int") + frame('B', body) + execute() + sync_point());
            client.ask(query("select 5"));
        });
        CHECK(has_line(lines, "ErrorResponse ERROR"));
        CHECK(has_line(lines, "DataRow [5]"));
    }
}

TEST_CASE("malformed Parse, Describe, Close and Execute are answered as PostgreSQL answers them") {
    for (const std::string& bytes :
         {frame('P', ""), frame('P', "name"), frame('P', zero_ended("n") + "select 1"),
          frame('P', zero_ended("n") + zero_ended("select 1")),
          frame('P', zero_ended("n") + zero_ended("select 1") + int16(3)),
          frame('P', zero_ended("n") + zero_ended("select 1") + int16(0) + "x"), frame('D', ""),
          frame('D', "S"), frame('D', "X" + zero_ended("")), frame('C', ""), frame('C', "Sabc"),
          frame('C', "X" + zero_ended("a")), frame('E', ""), frame('E', zero_ended("")),
          frame('E', zero_ended("") + int32(0) + "x"), frame('H', "x"), frame('B', "a")}) {
        CAPTURE(bytes);
        auto lines = same_as_postgresql(
            [&](RawClient& client) {
                client.ask(bytes + sync_point());
                client.ask(query("select 6"));
            },
            Compare::Codes);
        CHECK(lines.size() > 1);
    }
}

TEST_CASE("C32: FunctionCall reaches the server") {
    auto lines = same_as_postgresql([](RawClient& client) {
        // int4pl is function 177; text format.
        client.ask(frame(
            'F', int32(177) + int16(0) + int16(2) + int32(2) + "40" + int32(1) + "2" + int16(0)));
        client.ask(query("select 7"));
    });
    CHECK(has_line(lines, "FunctionCallResponse 42"));
}

TEST_CASE("C33: a large message is streamed with bounded memory") {
    CHECK(serves(shared_pgweir().target()));
    std::size_t before = shared_pgweir().resident_kib();
    RawClient client(shared_pgweir().target());
    client.login();
    std::string text(48 * 1024 * 1024, 'x');
    client.ask(query("select length('" + text + "')"));
    CHECK(has_line(client.transcript(), "DataRow [50331648]"));
    client.ask(parse("", "select length($1)") + bind_portal("", "", {text}) + execute() +
               sync_point());
    CHECK(count_lines(client.transcript(), "DataRow [50331648]") == 2);
    CHECK(shared_pgweir().resident_kib() < before + 8 * 1024);
}

TEST_CASE("a message over max_message_size is refused with 54000") {
    PgweirConfig config(cluster());
    config.set("limits", "max_message_size", "\"64KiB\"");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.send(query("select '" + std::string(100000, 'x') + "'"));
    client.read_to_end();
    CHECK(has_line(client.transcript(), "ErrorResponse FATAL 54000"));
    CHECK(serves(pgweir.target()));
}

TEST_CASE("a named Parse too long to be kept is refused with 54000, the unnamed one is streamed") {
    PgweirConfig config(cluster());
    config.set("limits", "max_buffered_message", "\"64KiB\"");
    PgweirProcess pgweir(config);
    std::string sql = "select length('" + std::string(100000, 'x') + "')";
    RawClient client(pgweir.target());
    client.login();
    client.ask(parse("", sql) + bind_portal("", "") + execute() + sync_point());
    CHECK(has_line(client.transcript(), "DataRow [100000]"));
    client.send(parse("named", sql) + sync_point());
    while (auto message = client.read()) {
        if (message->type == 'Z' || message->type == 'E') break;
    }
    CHECK(client.transcript().back().find(" 54000: ") != std::string::npos);
    CHECK(serves(pgweir.target()));
}

TEST_CASE("password messages after the login are what PostgreSQL takes them for") {
    same_as_postgresql(
        [](RawClient& client) {
            client.send(password_message("again"));
            client.read_to_end();
        },
        Compare::Codes);
}

TEST_CASE("an orderly Terminate and a half-closed socket are both an end") {
    for (const std::string& bytes : {terminate(), std::string()}) {
        auto lines = same_as_postgresql([&](RawClient& client) {
            client.ask(query("select 1"));
            client.send(bytes);
            client.shut_down_sending();
            client.read_to_end();
        });
        CHECK(lines.back() == "closed");
    }
}
