// SPDX-License-Identifier: PostgreSQL
// The extended query protocol in every order, pipelines, portals, errors in between.
#include <doctest/doctest.h>

#include "shared.h"

using namespace pgweir::integration;

TEST_CASE("C34: a Bind of a statement that was never parsed is 26000") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(bind_portal("", "nope") + execute() + sync_point());
        client.ask(describe_statement("nope") + sync_point());
        client.ask(bind_portal("", "") + execute() + sync_point());
        client.ask(query("select 1"));
    });
    CHECK(count_lines(lines, "ErrorResponse ERROR 26000") == 3);
}

TEST_CASE("C35: an unknown portal is 34000, closing one is no error") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(execute("nope") + sync_point());
        client.ask(describe_portal("nope") + sync_point());
        client.ask(close_portal("nope") + close_statement("nope") + sync_point());
        client.ask(frame('D', "X" + zero_ended("x")) + sync_point());
    });
    CHECK(count_lines(lines, "ErrorResponse ERROR 34000") == 2);
    CHECK(count_lines(lines, "CloseComplete") == 2);
    CHECK(has_line(lines, "ErrorResponse ERROR 08P01"));
}

TEST_CASE("C36: a name that is taken is 42P05, and the first statement stays") {
    // The words name the statement as the server knows it, which is not the client's name.
    auto lines = same_as_postgresql(
        [](RawClient& client) {
            client.ask(parse("twice", "select 1") + parse("twice", "select 2") + sync_point());
            client.ask(bind_portal("", "twice") + execute() + sync_point());
            client.ask(parse("twice", "select 3") + sync_point());
            client.ask(close_statement("twice") + parse("twice", "select 4") +
                       bind_portal("", "twice") + execute() + sync_point());
        },
        Compare::Codes);
    CHECK(count_lines(lines, "ErrorResponse ERROR 42P05") == 2);
    CHECK(has_line(lines, "DataRow [1]"));
    CHECK(has_line(lines, "DataRow [4]"));
}

TEST_CASE("C37: a Parse error is told at once, without Sync or Flush") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send(parse("", "selec 1"));
        auto message = client.read();
        REQUIRE(message.has_value());
        CHECK(message->type == 'E');
        // Everything up to Sync is skipped.
        client.ask(parse("", "select 1") + bind_portal("", "") + execute() + sync_point());
        client.ask(query("select 2"));
    });
    CHECK(has_line(lines, "ErrorResponse ERROR 42601"));
    CHECK(!has_line(lines, "DataRow [1]"));
    CHECK(has_line(lines, "DataRow [2]"));
}

TEST_CASE("C39: a Query after an extended query without Sync: both run, one ReadyForQuery") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send(parse("", "select 1") + bind_portal("", "") + execute() + query("select 2"));
        client.read_until_ready();
        client.ask(query("select 3"));
    });
    CHECK(count_lines(lines, "ReadyForQuery") == 2);
    CHECK(count_lines(lines, "DataRow") == 3);
}

TEST_CASE("C40: three Syncs are answered by three ReadyForQuery") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send(sync_point() + sync_point() + sync_point());
        for (int i = 0; i < 3; ++i) client.read_until_ready();
        client.send(parse("", "select 1") + bind_portal("", "") + execute() + sync_point() +
                    sync_point() + query("select 2") + sync_point());
        for (int i = 0; i < 4; ++i) client.read_until_ready();
    });
    CHECK(count_lines(lines, "ReadyForQuery I") == 7);
}

TEST_CASE("C41: units sent ahead of the answers of earlier ones are answered in order") {
    auto lines = same_as_postgresql([](RawClient& client) {
        std::string bytes;
        for (int i = 0; i < 500; ++i) {
            bytes += parse("", "select $1::text") + bind_portal("", "", {std::to_string(i)}) +
                     execute() + sync_point();
        }
        client.send(bytes);
        for (int i = 0; i < 500; ++i) client.read_until_ready();
    });
    CHECK(count_lines(lines, "ReadyForQuery I") == 500);
    CHECK(has_line(lines, "DataRow [499]"));
}

TEST_CASE("C42: Flush brings the answers so far, and the lease is kept until Sync") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send(parse("a", "select $1::int") + describe_statement("a") + flush());
        client.read_until('T');
        CHECK(client.is_silent());
        client.send(bind_portal("", "a", {"5"}) + execute() + flush());
        client.read_until('C');
        CHECK(client.is_silent());
        client.ask(sync_point());
    });
    CHECK(lines.back() == "ReadyForQuery I");
    CHECK(count_lines(lines, "ReadyForQuery") == 1);
}

TEST_CASE("C44: 65,535 parameters") {
    auto lines = same_as_postgresql([](RawClient& client) {
        std::string sql = "select 0";
        std::vector<std::optional<std::string>> values;
        sql.reserve(1 << 20);
        sql = "select array_length(array[";
        for (int i = 1; i <= 65535; ++i) {
            sql += (i > 1 ? ",$" : "$") + std::to_string(i);
            values.emplace_back("x");
        }
        sql += "]::text[], 1)";
        client.ask(parse("many", sql) + bind_portal("", "many", values) + execute() + sync_point());
        client.ask(bind_portal("", "many", values) + execute() + sync_point());
    });
    CHECK(count_lines(lines, "DataRow [65535]") == 2);
}

TEST_CASE("C46: a suspended portal goes on where it was, until Sync") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send(parse("", "select n from numbers order by n") + bind_portal("cursor", "") +
                    execute("cursor", 2) + flush());
        client.read_until('s');
        client.send(execute("cursor", 2) + flush());
        client.read_until('s');
        client.ask(sync_point());
        client.ask(execute("cursor", 2) + sync_point());
    });
    CHECK(count_lines(lines, "PortalSuspended") == 2);
    CHECK(has_line(lines, "DataRow [4]"));
    CHECK(has_line(lines, "ErrorResponse ERROR 34000"));
}

TEST_CASE("C46: in a transaction a portal outlives Sync") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(query("begin"));
        client.ask(parse("", "select n from numbers order by n") + bind_portal("cursor", "") +
                   execute("cursor", 1) + sync_point());
        client.ask(execute("cursor", 1) + sync_point());
        client.ask(close_portal("cursor") + sync_point());
        client.ask(execute("cursor", 1) + sync_point());
        client.ask(query("rollback"));
    });
    CHECK(has_line(lines, "DataRow [2]"));
    CHECK(has_line(lines, "ErrorResponse ERROR 34000"));
}

TEST_CASE("C50: a stale plan is PostgreSQL's error, and a new Parse cures it") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(
            query("drop table if exists shifting; create table shifting (a int); "
                  "insert into shifting values (1)"));
        client.ask(parse("stale", "select * from shifting") + bind_portal("", "stale") + execute() +
                   sync_point());
        client.ask(query("begin; alter table shifting add column b int default 2"));
        client.ask(bind_portal("", "stale") + execute() + sync_point());
        client.ask(query("rollback; alter table shifting add column b int default 2"));
        client.ask(close_statement("stale") + parse("stale", "select * from shifting") +
                   bind_portal("", "stale") + execute() + sync_point());
        client.ask(query("drop table shifting"));
    });
    CHECK(has_line(lines, "ErrorResponse ERROR 0A000: cached plan must not change result type"));
    CHECK(has_line(lines, "DataRow [1|2]"));
}

TEST_CASE("C51: the transaction status is the server's") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(query("begin"));
        client.ask(query("select 1/0"));
        client.ask(sync_point());
        client.ask(query("select 1"));
        client.ask(query("commit"));
        client.ask(query("begin; select 1; commit; begin"));
        client.ask(query("savepoint a; rollback to a; release a"));
        client.ask(query("commit and chain"));
        client.ask(query("rollback"));
        client.ask(query("commit"));
    });
    CHECK(has_line(lines, "ReadyForQuery E"));
    CHECK(has_line(lines, "CommandComplete ROLLBACK"));
    CHECK(lines.back() == "ReadyForQuery I");
}

TEST_CASE("an error in a pipeline skips to the next Sync, and the next unit runs") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.send(parse("", "select 1/0") + bind_portal("", "") + execute() +
                    parse("", "select 'skipped'") + bind_portal("", "") + execute() + sync_point() +
                    parse("", "select 'runs'") + bind_portal("", "") + execute() + sync_point());
        client.read_until_ready();
        client.read_until_ready();
    });
    CHECK(!has_line(lines, "DataRow [skipped]"));
    CHECK(has_line(lines, "DataRow [runs]"));
}

TEST_CASE("a pipeline that begins and commits by itself, statement by statement") {
    auto lines = same_as_postgresql([](RawClient& client) {
        auto run = [](const std::string& sql) {
            return parse("", sql) + bind_portal("", "") + describe_portal("") + execute();
        };
        client.ask(run("begin") + run("select 1") + run("commit") + sync_point());
        client.send(run("begin") + sync_point() + run("select 2") + sync_point() + run("commit") +
                    sync_point());
        for (int i = 0; i < 3; ++i) client.read_until_ready();
    });
    CHECK(count_lines(lines, "CommandComplete COMMIT") == 2);
}

TEST_CASE("multi-statement queries, notices and parameter reports come as they came") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(query("select 1; select 2, null; select 3"));
        client.ask(query("select 1; select 1/0; select 3"));
        client.ask(query("do $$ begin raise notice 'one'; raise warning 'two'; end $$"));
        client.ask(query("begin; set local timezone = 'Asia/Tokyo'"));
        client.ask(query("commit"));
        client.ask(query("drop table if exists no_such_table"));
        client.ask(query("select repeat('x', 100000)"));
        client.ask(query("explain (costs off) select * from numbers"));
    });
    CHECK(count_lines(lines, "NoticeResponse") == 3);
    CHECK(has_line(lines, "ParameterStatus TimeZone=Asia/Tokyo"));
}

TEST_CASE("errors keep all their fields: detail, hint, position, context") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(query("select nonsense from numbers"));
        client.ask(query("select lenght('x')"));
        client.ask(query("do $$ begin perform 1/0; end $$"));
        client.ask(query("select 'x'::int"));
        client.ask(parse("", "select $1::int") + bind_portal("", "", {"x"}) + execute() +
                   sync_point());
    });
    CHECK(count_lines(lines, "ErrorResponse") == 5);
    lines = same_as_postgresql(
        [](RawClient& client) {
            client.ask(parse("p", "select $1::int") + sync_point());
            client.ask(bind_portal("", "p", {"1", "2"}) + sync_point());
        },
        Compare::Codes);
    CHECK(has_line(lines, "ErrorResponse ERROR 08P01"));
}

TEST_CASE("binary parameters and results, and formats per column, pass through") {
    same_as_postgresql([](RawClient& client) {
        // One binary int4 parameter; the result in binary.
        client.ask(parse("", "select $1 + 1", {23}) +
                   frame('B', zero_ended("") + zero_ended("") + int16(1) + int16(1) + int16(1) +
                                  int32(4) + int32(41) + int16(1) + int16(1)) +
                   describe_portal("") + execute() + sync_point());
    });
}

TEST_CASE("Flush, Describe and Close alone, in any place") {
    same_as_postgresql([](RawClient& client) {
        client.ask(flush() + sync_point());
        client.send(flush());
        CHECK(client.is_silent());
        client.ask(close_statement("") + close_portal("") + sync_point());
        client.ask(parse("d", "insert into numbers values (-1, $1)") + describe_statement("d") +
                   sync_point());
        client.ask(describe_statement("d") + sync_point());
        client.ask(close_statement("d") + describe_statement("d") + sync_point());
        client.ask(parse("e", "") + bind_portal("", "e") + describe_portal("") + execute() +
                   sync_point());
    });
}
