// SPDX-License-Identifier: PostgreSQL
// COPY in, out and both ways of ending badly.
#include <doctest/doctest.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

// By the owner, so that no script hears of it.
void make_table(const std::string& name) {
    Connection admin(cluster().owner());
    admin.must("drop table if exists " + name);
    admin.must("create table " + name + " (a int, b text)");
    admin.must("grant all on " + name + " to public");
}

// The number of servers that PostgreSQL sees busy or in a transaction.
std::string unfinished(Connection& observer) {
    return observer.value(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' "
        "and pid <> pg_backend_pid() and state <> 'idle'");
}

}  // namespace

TEST_CASE("COPY in and out by simple query") {
    auto lines = same_as_postgresql([](RawClient& client) {
        make_table("copied");
        client.send(query("copy copied from stdin"));
        client.read_until('G');
        client.send(copy_data("1\tone\n2\ttw") + copy_data("o\n") + copy_data("\\N\t\\N\n") +
                    copy_done());
        client.read_until_ready();
        client.ask(query("copy (select * from copied order by a) to stdout"));
        client.ask(query("copy copied to stdout (format csv, header)"));
    });
    CHECK(has_line(lines, "CommandComplete COPY 3"));
    CHECK(has_line(lines, "CopyData 2\ttwo"));
}

TEST_CASE("COPY in and out by extended query") {
    auto lines = same_as_postgresql([](RawClient& client) {
        make_table("copied");
        client.send(parse("", "copy copied from stdin") + bind_portal("", "") + execute() +
                    flush());
        client.read_until('G');
        client.send(copy_data("1\tone\n") + copy_done() + sync_point());
        client.read_until_ready();
        client.ask(parse("", "copy copied to stdout") + bind_portal("", "") + execute() +
                   sync_point());
        // Data, end and Sync sent ahead of any answer.
        client.ask(parse("", "copy copied from stdin") + bind_portal("", "") + execute() +
                   copy_data("2\ttwo\n") + copy_done() + sync_point());
        // A Sync between Execute and the data is ignored by PostgreSQL.
        client.send(parse("", "copy copied from stdin") + bind_portal("", "") + execute() +
                    sync_point());
        client.read_until('G');
        client.send(flush() + sync_point() + copy_data("3\tthree\n") + copy_done() + sync_point());
        client.read_until_ready();
        client.ask(query("select count(*) from copied"));
    });
    CHECK(has_line(lines, "DataRow [3]"));
}

TEST_CASE("COPY among other statements of one query") {
    auto lines = same_as_postgresql([](RawClient& client) {
        make_table("copied");
        client.send(
            query("select 'before'; copy copied from stdin; select count(*) from copied; "
                  "copy copied from stdin; select count(*) from copied"));
        client.read_until('G');
        client.send(copy_data("1\tone\n") + copy_done());
        client.read_until('G');
        client.send(copy_data("2\ttwo\n") + copy_done());
        client.read_until_ready();
    });
    CHECK(has_line(lines, "DataRow [2]"));
}

TEST_CASE("C52: a Query during COPY in is the end of the session, as PostgreSQL ends it") {
    auto lines = same_as_postgresql([](RawClient& client) {
        make_table("copied");
        client.send(query("copy copied from stdin"));
        client.read_until('G');
        client.send(copy_data("1\tone\n") + query("select 1"));
        client.read_to_end();
    });
    CHECK(has_line(lines, "ErrorResponse ERROR 08P01"));
    CHECK(has_line(lines, "ErrorResponse FATAL 08P01"));
    CHECK(lines.back() == "closed");
}

TEST_CASE("C55: CopyFail is 57014, and the session goes on") {
    auto lines = same_as_postgresql([](RawClient& client) {
        make_table("copied");
        client.send(query("copy copied from stdin"));
        client.read_until('G');
        client.send(copy_data("1\tone\n") + copy_fail("changed my mind"));
        client.read_until_ready();
        client.ask(query("select count(*) from copied"));
    });
    CHECK(has_line(lines, "ErrorResponse ERROR 57014"));
    CHECK(has_line(lines, "DataRow [0]"));
}

TEST_CASE("an error in COPY data: what is still sent of it is forgotten, the next query runs") {
    auto lines = same_as_postgresql([](RawClient& client) {
        make_table("copied");
        client.send(query("copy copied from stdin"));
        client.read_until('G');
        client.send(copy_data("not a number\tone\n"));
        for (int i = 0; i < 50; ++i) client.send(copy_data("2\ttwo\n"));
        client.send(copy_done());
        client.read_until_ready();
        client.ask(query("select 'alive'"));
        // And by extended query: everything up to Sync.
        client.send(parse("", "copy copied from stdin") + bind_portal("", "") + execute() +
                    copy_data("bad\tx\n") + copy_data("3\tx\n") + copy_done() + sync_point());
        client.read_until_ready();
        client.ask(query("select count(*) from copied"));
    });
    CHECK(count_lines(lines, "ErrorResponse ERROR 22P02") == 2);
    CHECK(has_line(lines, "DataRow [alive]"));
    CHECK(has_line(lines, "DataRow [0]"));
}

TEST_CASE("copy messages outside of COPY are ignored, as PostgreSQL ignores them") {
    same_as_postgresql([](RawClient& client) {
        client.ask(copy_data("1\tone\n") + copy_done() + copy_fail("x") + query("select 1"));
        client.ask(query("begin"));
        client.ask(copy_done() + query("select 2"));
        client.ask(query("rollback"));
    });
}

TEST_CASE("C56: a client that leaves during COPY in has copied nothing") {
    Connection observer(cluster().owner());
    make_table("abandoned");
    for (RawClient::End end : {RawClient::End::Orderly, RawClient::End::Reset}) {
        RawClient client(shared_pgweir().target());
        client.login();
        client.send(query("copy abandoned from stdin"));
        client.read_until('G');
        client.send(copy_data("1\tone\n") + copy_data("2\ttw"));
        client.close(end);
        wait_until("the COPY is gone", [&] { return unfinished(observer) == "0"; });
        CHECK(observer.value("select count(*) from abandoned") == "0");
    }
    CHECK(serves(shared_pgweir().target()));
}

TEST_CASE("C57: a client that does not read holds up PostgreSQL, not pgweir's memory") {
    CHECK(serves(shared_pgweir().target()));
    std::size_t before = shared_pgweir().resident_kib();
    RawClient client(shared_pgweir().target());
    client.login();
    client.send(query("copy (select repeat('x', 1000) from generate_series(1, 200000)) to stdout"));
    REQUIRE(client.read().has_value());
    Connection observer(cluster().owner());
    wait_until("PostgreSQL waits for its client", [&] {
        return observer.value(
                   "select count(*) from pg_stat_activity where wait_event = "
                   "'ClientWrite' and query like 'copy (select repeat%'") == "1";
    });
    CHECK(shared_pgweir().resident_kib() < before + 4096);
    // Then it reads on, and nothing is missing.
    std::size_t bytes = 0;
    while (auto message = client.read()) {
        if (message->type == 'd') bytes += message->body.size();
        if (message->type == 'Z') break;
    }
    CHECK(bytes == 200000U * 1001U);
    CHECK(shared_pgweir().resident_kib() < before + 4096);
}

TEST_CASE("client_write_timeout: a client that never reads loses its server") {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", 1).timeout("client_write_timeout", "1s");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.send(
        query("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"));
    // The only server is free again for somebody else.
    CHECK(serves(pgweir.target()));
    client.read_to_end();
    CHECK(client.transcript().back() == "closed");
}

TEST_CASE("a large result passes with bounded memory") {
    CHECK(serves(shared_pgweir().target()));
    std::size_t before = shared_pgweir().resident_kib();
    RawClient client(shared_pgweir().target());
    client.login();
    client.send(query("select repeat('x', 60000000)"));
    std::size_t bytes = 0;
    while (auto message = client.read()) {
        bytes += message->body.size();
        if (message->type == 'Z') break;
    }
    CHECK(bytes > 60000000);
    CHECK(shared_pgweir().resident_kib() < before + 4096);
}

TEST_CASE("COPY of much data in, from a client that is faster than PostgreSQL") {
    CHECK(serves(shared_pgweir().target()));
    std::size_t before = shared_pgweir().resident_kib();
    RawClient client(shared_pgweir().target());
    client.login();
    client.ask(query("begin; create temporary table much_more (a text) on commit drop"));
    client.send(query("copy much_more from stdin"));
    client.read_until('G');
    std::string row = std::string(8000, 'y') + "\n";
    for (int i = 0; i < 8000; ++i) client.send(copy_data(row));
    client.send(copy_done());
    client.read_until_ready();
    client.ask(query("select count(*) from much_more"));
    CHECK(has_line(client.transcript(), "CommandComplete COPY 8000"));
    CHECK(has_line(client.transcript(), "DataRow [8000]"));
    CHECK(shared_pgweir().resident_kib() < before + 4096);
    client.ask(query("commit"));
}
