// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/command.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "admin/command_table.h"

using namespace pgweir;
using namespace pgweir::admin;
using wire::RefusalReason;

namespace {

AdminCommand only_command(std::string_view text) {
    const auto statements = parse_console(text, Role::Admin);
    CAPTURE(text);
    REQUIRE(statements.ok());
    REQUIRE(statements->size() == 1);
    return statements->front().command();
}

wire::Refusal refusal_of(std::string_view text, Role role = Role::Admin) {
    const auto statements = parse_console(text, role);
    CAPTURE(text);
    REQUIRE(!statements.ok());
    return statements.error();
}

std::string example_of(const CommandSpec& spec) {
    std::string text(spec.words);
    if (spec.argument == Argument::OptionalDatabase) text += " app";
    if (spec.argument == Argument::Node) text += " n1:5432";
    if (spec.argument == Argument::Statement) text += " SELECT 1";
    return text;
}

}  // namespace

TEST_CASE("commands are understood in any case, with blanks, comments and semicolons") {
    struct Row {
        std::string_view text;
        AdminCommand command;
    };
    const AdminCommand pools{.verb = Verb::Show, .table = ShowTable::Pools};
    const Row rows[] = {
        {"SHOW POOLS", pools},
        {"show pools;", pools},
        {"  Show\n\tPools ; ;", pools},
        {"/* who /* nested */ waits */ show -- now\n pools", pools},
        {"show pools -- the end", pools},
        {"SHOW STATS_TOTALS", {.verb = Verb::Show, .table = ShowTable::StatsTotals}},
        {"RELOAD", {.verb = Verb::Reload}},
        {"PAUSE", {.verb = Verb::Pause}},
        {"PAUSE app", {.verb = Verb::Pause, .database = "app"}},
        {"SWITCHOVER", {.verb = Verb::Switchover}},
        {"SWITCHOVER app", {.verb = Verb::Switchover, .database = "app"}},
        {"DRAIN 10.0.0.1:5432", {.verb = Verb::Drain, .node = "10.0.0.1:5432"}},
        {"DRAIN '[::1]:5432'", {.verb = Verb::Drain, .node = "[::1]:5432"}},
        {"UNDRAIN db-1.example", {.verb = Verb::Undrain, .node = "db-1.example"}},
        {"pause My-App.2;", {.verb = Verb::Pause, .database = "My-App.2"}},
        {"PAUSE \"my \"\"app\"\"\"", {.verb = Verb::Pause, .database = "my \"app\""}},
        {"RESUME 'it''s'", {.verb = Verb::Resume, .database = "it's"}},
        {"reconnect app", {.verb = Verb::Reconnect, .database = "app"}},
        {"kill app", {.verb = Verb::Kill, .database = "app"}},
        {"SHUTDOWN", {.verb = Verb::Shutdown, .shutdown = ShutdownKind::Drain}},
        {"SHUTDOWN WAIT_FOR_SERVERS", {.verb = Verb::Shutdown, .shutdown = ShutdownKind::Drain}},
        {"shutdown wait_for_clients", {.verb = Verb::Shutdown, .shutdown = ShutdownKind::Drain}},
        {"shutdown immediate", {.verb = Verb::Shutdown, .shutdown = ShutdownKind::Now}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(only_command(row.text) == row.command);
    }
}

TEST_CASE("a query may hold several statements, and none") {
    const auto several = parse_console("BEGIN; show version ;; PAUSE app; COMMIT", Role::Admin);
    REQUIRE(several.ok());
    REQUIRE(several->size() == 4);
    CHECK((*several)[2].command() == AdminCommand{.verb = Verb::Pause, .database = "app"});
    for (const std::string_view empty : {"", " ", ";", " ; ;\n", "-- nothing", "/* nothing */"}) {
        CAPTURE(empty);
        const auto none = parse_console(empty, Role::Admin);
        REQUIRE(none.ok());
        CHECK(none->empty());
    }
}

TEST_CASE("EXPLAIN ROUTE takes all the rest of the query, as it is") {
    struct Row {
        std::string_view text;
        std::string_view database;
        std::string_view statement;
    };
    const Row rows[] = {
        {"EXPLAIN ROUTE SELECT 1", "", "SELECT 1"},
        {"explain route\n  select 1;  ", "", "select 1;"},
        {"EXPLAIN /* now */ ROUTE SELECT 1", "", "SELECT 1"},
        {"EXPLAIN ROUTE /* pgweir: primary */ SELECT ';--', \"a\"\"b\" -- end", "",
         "/* pgweir: primary */ SELECT ';--', \"a\"\"b\" -- end"},
        {"EXPLAIN ROUTE BEGIN; SELECT 'it''s'; COMMIT", "", "BEGIN; SELECT 'it''s'; COMMIT"},
        {"EXPLAIN ROUTE SELECT $$ ' $$", "", "SELECT $$ ' $$"},
        {"EXPLAIN ROUTE 'open", "", "'open"},
        {"EXPLAIN ROUTE ON app SELECT 1", "app", "SELECT 1"},
        {"explain route on \"my \"\"app\"\"\"/* pgweir: replica */ SELECT 1", "my \"app\"",
         "/* pgweir: replica */ SELECT 1"},
        {"EXPLAIN ROUTE only", "", "only"},
        {"EXPLAIN ROUTE \"on\" app", "", "\"on\" app"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const AdminCommand command = only_command(row.text);
        CHECK(command.verb == Verb::Show);
        CHECK(command.table == ShowTable::Route);
        CHECK(command.database == row.database);
        CHECK(command.statement == row.statement);
    }
    const auto second = parse_console("SHOW POOLS; EXPLAIN ROUTE a; b", Role::Stats);
    REQUIRE(second.ok());
    REQUIRE(second->size() == 2);
    CHECK((*second)[1].command().statement == "a; b");
}

TEST_CASE("EXPLAIN ROUTE without a statement, or ON without a database, says how it is written") {
    for (const std::string_view text :
         {"EXPLAIN ROUTE", "EXPLAIN ROUTE ;", "EXPLAIN ROUTE ON", "EXPLAIN ROUTE ON app",
          "EXPLAIN ROUTE ON app ;;", "EXPLAIN ROUTE ON \"\" SELECT 1",
          "EXPLAIN ROUTE ON (SELECT 1)", "EXPLAIN ROUTE ON 'app"}) {
        CAPTURE(text);
        const wire::Refusal refusal = refusal_of(text);
        CHECK(refusal.reason == RefusalReason::ConsoleFailed);
        CHECK(refusal.detail == "It is written EXPLAIN ROUTE [ON database] statement.");
    }
    CHECK(refusal_of("EXPLAIN ROUTE SELECT 1", Role::None).reason ==
          RefusalReason::ConsolePermission);
    CHECK(refusal_of("EXPLAIN ROUT SELECT 1").value == "EXPLAIN ROUTE");
}

TEST_CASE("one wrong statement refuses the whole query") {
    CHECK(refusal_of("PAUSE app; RESUEM app").reason == RefusalReason::ConsoleUnknownCommand);
}

TEST_CASE("an unknown command is refused with the nearest one") {
    struct Row {
        std::string_view text;
        std::string_view nearest;
    };
    const Row rows[] = {
        {"SHOW POLLS", "SHOW POOLS"},
        {"show pool", "SHOW POOLS"},
        {"SHWO CLIENTS", "SHOW CLIENTS"},
        {"RELAOD", "RELOAD"},
        {"PUASE app", "PAUSE"},
        {"RESUEM \"app\"", "RESUME"},
        {"SHUTDOWN IMEDIATE", "SHUTDOWN IMMEDIATE"},
        {"SHOW STATS_AVERAGE", "SHOW STATS_AVERAGES"},
        {"SELECT * FROM pg_class", ""},
        {"DROP TABLE users", ""},
        {"PAUSE a b", "PAUSE"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const wire::Refusal refusal = refusal_of(row.text);
        CHECK(refusal.reason == RefusalReason::ConsoleUnknownCommand);
        CHECK(wire::describe(refusal).sqlstate == "42601");
        CHECK(refusal.value == row.nearest);
    }
}

TEST_CASE("what does not end, or names no database, is refused") {
    for (const std::string_view text :
         {"PAUSE \"app", "PAUSE 'app", "SHOW POOLS /* open", "/* /* */", "PAUSE \"\"", "PAUSE (",
          "SHOW", "SHOW POOLS app", "RELOAD now", "SELECT 1 + 1", "\"SHOW\" POOLS", "$1"}) {
        CAPTURE(text);
        CHECK(refusal_of(text).reason == RefusalReason::ConsoleUnknownCommand);
    }
}

TEST_CASE("a refusal repeats a long or dirty statement short and clean") {
    const wire::Refusal dirty = refusal_of("'a\nb\x01'");
    CHECK(dirty.subject == "a?b?");
    const wire::Refusal cut = refusal_of(std::string(63, 'x') + "\u20AC\u20AC\u20AC");
    CHECK(cut.subject == std::string(63, 'x') + "...");
    CHECK(refusal_of(std::string(60'000, 'y')).subject.size() <= 70);
}

TEST_CASE("commands of PgBouncer that pgweir has not are refused as not supported") {
    for (const std::string_view text :
         {"SUSPEND", "DISABLE app", "ENABLE app", "WAIT_CLOSE", "KILL_CLIENT 12", "SHOW FDS",
          "show mem", "SHOW ACTIVE_SOCKETS", "SET pool_size = 5", "SET log_connections TO 1"}) {
        CAPTURE(text);
        const wire::Refusal refusal = refusal_of(text);
        CHECK(refusal.reason == RefusalReason::ConsoleUnsupportedCommand);
        CHECK(wire::describe(refusal).sqlstate == "0A000");
        CHECK(!refusal.detail.empty());
    }
}

TEST_CASE("what drivers send on their own is accepted") {
    for (const std::string_view text :
         {"SET application_name = 'x'", "SET extra_float_digits = 3", "SET client_encoding TO UTF8",
          "set datestyle to 'ISO'", "BEGIN", "BEGIN READ ONLY", "begin transaction", "COMMIT",
          "ROLLBACK", "SELECT 1", "select 1;", "SHOW standard_conforming_strings",
          "show transaction isolation level", "SHOW server_version", "RESET ALL", "DISCARD ALL",
          "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET TIME ZONE 'UTC'",
          "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"}) {
        CAPTURE(text);
        CHECK(parse_console(text, Role::Stats).ok());
    }
}

TEST_CASE("every command is checked against every role") {
    for (const CommandSpec& spec : command_table()) {
        CAPTURE(spec.words);
        CHECK(spec.needs.role != Role::None);
        for (const Role role : {Role::None, Role::Stats, Role::Admin}) {
            const auto statements = parse_console(example_of(spec), role);
            const bool may = role != Role::None && role >= spec.needs.role;
            if (may && spec.verb != Verb::Unsupported) {
                CHECK(statements.ok());
                continue;
            }
            REQUIRE(!statements.ok());
            CHECK(statements.error().reason == (may ? RefusalReason::ConsoleUnsupportedCommand
                                                    : RefusalReason::ConsolePermission));
        }
    }
    CHECK(wire::describe(refusal_of("KILL app", Role::Stats)).sqlstate == "42501");
}

TEST_CASE("every command that changes something needs an administrator") {
    for (const CommandSpec& spec : command_table()) {
        CAPTURE(spec.words);
        switch (spec.verb) {
            case Verb::Pause:
            case Verb::Resume:
            case Verb::Reconnect:
            case Verb::Kill:
            case Verb::Switchover:
            case Verb::Drain:
            case Verb::Undrain:
            case Verb::Reload:
            case Verb::Shutdown:
                CHECK(spec.needs.role == Role::Admin);
                break;
            case Verb::Show:
            case Verb::Answer:
            case Verb::Accept:
            case Verb::Begin:
            case Verb::Commit:
            case Verb::Rollback:
            case Verb::Unsupported:
                CHECK(spec.needs.role == Role::Stats);
                break;
        }
    }
}

TEST_CASE("an order about a node names it") {
    CHECK(wire::describe(refusal_of("DRAIN", Role::Admin)).detail ==
          "It is written DRAIN host:port.");
}

TEST_CASE("every command stands in the table once") {
    std::set<std::string_view> words;
    for (const CommandSpec& spec : command_table()) CHECK(words.insert(spec.words).second);
}
