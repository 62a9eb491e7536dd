// SPDX-License-Identifier: PostgreSQL
// Prepared statements at protocol level, in transaction mode: a client's names are its own, on
// whichever server it is served.
#include <doctest/doctest.h>

#include <optional>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig with_pool_of(int size) {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", size);
    return config;
}

std::string run_statement(const std::string& name,
                          const std::vector<std::optional<std::string>>& values = {}) {
    return bind_portal("", name, values) + execute() + sync_point();
}

// Keeps all servers but one busy in a transaction, so that the next unit of somebody else runs on a
// server that has not served it before: pins[i] holds one server each.
struct Holder {
    explicit Holder(const Target& target) : connection(target) { connection.must("begin"); }
    Connection connection;
};

std::string backend(RawClient& client) {
    client.forget_transcript();
    client.ask(query("select pg_backend_pid()"));
    for (const auto& line : client.transcript()) {
        if (line.rfind("DataRow", 0) == 0) return line;
    }
    return "";
}

}  // namespace

TEST_CASE("a statement is there on every server that serves its client") {
    PgweirProcess pgweir(with_pool_of(3));
    RawClient client(pgweir.target());
    client.login();
    client.ask(parse("mine", "select $1::int * 2, pg_backend_pid() <> 0") + sync_point());
    std::string first_backend = backend(client);
    std::vector<std::unique_ptr<Holder>> holders;
    std::vector<std::string> backends{first_backend};
    for (int i = 0; i < 2; ++i) {
        // The holder takes the server that was free last; the client gets another one.
        holders.push_back(std::make_unique<Holder>(pgweir.target()));
        client.forget_transcript();
        client.ask(run_statement("mine", {"21"}));
        CHECK(client.transcript() == Transcript{"BindComplete", "DataRow [42|t]",
                                                "CommandComplete SELECT 1", "ReadyForQuery I"});
        backends.push_back(backend(client));
    }
    CHECK(backends[1] != backends[2]);
}

TEST_CASE("two clients use one name for different statements") {
    PgweirProcess pgweir(with_pool_of(1));
    RawClient first(pgweir.target());
    RawClient second(pgweir.target());
    first.login();
    second.login();
    first.ask(parse("s", "select 'first'") + sync_point());
    second.ask(parse("s", "select 'second'") + sync_point());
    for (int i = 0; i < 3; ++i) {
        first.ask(run_statement("s"));
        second.ask(run_statement("s"));
    }
    CHECK(count_lines(first.transcript(), "DataRow [first]") == 3);
    CHECK(count_lines(second.transcript(), "DataRow [second]") == 3);
}

TEST_CASE("C47: one text with different parameter types is two statements") {
    PgweirProcess pgweir(with_pool_of(1));
    RawClient as_int(pgweir.target());
    RawClient as_text(pgweir.target());
    as_int.login();
    as_text.login();
    as_int.ask(parse("s", "select $1 || ''", {23}) + sync_point());
    as_text.ask(parse("s", "select $1 || ''", {25}) + sync_point());
    as_int.ask(describe_statement("s") + sync_point());
    as_text.ask(describe_statement("s") + sync_point());
    CHECK(has_line(as_int.transcript(), "ParameterDescription 23"));
    CHECK(has_line(as_text.transcript(), "ParameterDescription 25"));
    as_int.ask(run_statement("s", {"x"}));
    as_text.ask(run_statement("s", {"x"}));
    CHECK(has_line(as_int.transcript(), "ErrorResponse ERROR 22P02"));
    CHECK(has_line(as_text.transcript(), "DataRow [x]"));
}

TEST_CASE("peers 1: Describe alone of a statement that was prepared on another server") {
    PgweirProcess pgweir(with_pool_of(2));
    RawClient client(pgweir.target());
    client.login();
    client.ask(parse("mine", "select $1::int as answer") + sync_point());
    Holder holder(pgweir.target());
    client.forget_transcript();
    client.ask(describe_statement("mine") + sync_point());
    CHECK(client.transcript() ==
          Transcript{"ParameterDescription 23", "RowDescription answer:23", "ReadyForQuery I"});
}

TEST_CASE("peers 2: Close of a statement whose Parse failed succeeds") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(parse("bad", "selec 1") + sync_point());
        client.ask(close_statement("bad") + sync_point());
        client.ask(parse("bad", "select 1") + run_statement("bad"));
    });
    CHECK(has_line(lines, "CloseComplete"));
    CHECK(has_line(lines, "DataRow [1]"));
}

TEST_CASE("peers 3: BEGIN by extended query in one batch with the statement") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(parse("", "begin") + bind_portal("", "") + execute() +
                   parse("q", "select $1::text") + bind_portal("", "q", {"x"}) +
                   describe_portal("") + execute() + sync_point());
        client.ask(run_statement("q", {"y"}));
        client.ask(parse("", "commit") + bind_portal("", "") + execute() + sync_point());
        client.ask(run_statement("q", {"z"}));
    });
    CHECK(has_line(lines, "DataRow [z]"));
    CHECK(lines.back() == "ReadyForQuery I");
}

TEST_CASE("peers 4: many commands by one batch of prepared statements outside a transaction") {
    PgweirProcess pgweir(with_pool_of(2));
    RawClient client(pgweir.target());
    client.login();
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 4; ++i) {
            std::string name = "P_" + std::to_string(i);
            std::string bytes =
                round == 0 ? parse(name, "select $1::int + " + std::to_string(i)) : "";
            client.ask(bytes + bind_portal("", name, {"10"}) + describe_portal("") + execute() +
                       sync_point());
        }
    }
    CHECK(count_lines(client.transcript(), "ErrorResponse") == 0);
    CHECK(count_lines(client.transcript(), "DataRow [13]") == 5);
}

TEST_CASE("the unnamed statement outlives its Sync") {
    PgweirProcess pgweir(with_pool_of(2));
    RawClient client(pgweir.target());
    client.login();
    client.ask(parse("", "select $1::int + 1") + describe_statement("") + sync_point());
    {
        // Another server now, and this one has had other unnamed statements meanwhile.
        RawClient other(pgweir.target());
        other.login();
        other.ask(parse("", "select 'other'") + sync_point());
        Holder holder(pgweir.target());
        client.ask(bind_portal("", "", {"1"}) + execute() + sync_point());
        client.ask(describe_statement("") + sync_point());
        other.ask(bind_portal("", "") + execute() + sync_point());
        CHECK(has_line(other.transcript(), "DataRow [other]"));
    }
    CHECK(has_line(client.transcript(), "DataRow [2]"));
    CHECK(count_lines(client.transcript(), "ErrorResponse") == 0);
}

TEST_CASE("a simple query drops the unnamed statement, as in PostgreSQL") {
    same_as_postgresql([](RawClient& client) {
        client.ask(parse("", "select 1") + sync_point());
        client.ask(query("select 2"));
        client.ask(bind_portal("", "") + execute() + sync_point());
    });
}

TEST_CASE("a failed Parse of the unnamed statement leaves none behind") {
    same_as_postgresql([](RawClient& client) {
        client.ask(parse("", "select 1") + sync_point());
        client.ask(parse("", "selec 2") + sync_point());
        client.ask(bind_portal("", "") + execute() + sync_point());
    });
}

TEST_CASE("C49: DISCARD ALL and DEALLOCATE forget the client's statements, and only those") {
    PgweirProcess pgweir(with_pool_of(1));
    RawClient keeper(pgweir.target());
    keeper.login();
    keeper.ask(parse("kept", "select 'kept'") + sync_point());
    for (const char* forget :
         {"discard all", "deallocate all", "deallocate a", "DEALLOCATE PREPARE \"a\""}) {
        CAPTURE(forget);
        RawClient direct(cluster().target());
        RawClient through(pgweir.target());
        for (RawClient* client : {&direct, &through}) {
            client->login();
            client->ask(parse("a", "select 'kept'") + sync_point());
            client->ask(run_statement("a"));
            client->ask(query(forget));
            client->ask(run_statement("a"));
            client->ask(parse("a", "select 'again'") + sync_point());
            client->ask(run_statement("a"));
        }
        CHECK_MESSAGE(direct.transcript() == through.transcript(), joined(direct.transcript()),
                      joined(through.transcript()));
        CHECK(has_line(through.transcript(), "ErrorResponse ERROR 26000"));
        keeper.forget_transcript();
        keeper.ask(run_statement("kept"));
        CHECK(has_line(keeper.transcript(), "DataRow [kept]"));
    }
}

TEST_CASE("C49: DISCARD ALL by extended query, and DEALLOCATE of what is not there") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(parse("a", "select 1") + sync_point());
        client.ask(parse("", "discard all") + bind_portal("", "") + execute() + sync_point());
        client.ask(run_statement("a"));
        client.ask(parse("a", "select 2") + run_statement("a"));
        client.ask(query("deallocate nothing"));
        client.ask(run_statement("a"));
    });
    CHECK(count_lines(lines, "ErrorResponse ERROR 26000") == 2);
    CHECK(count_lines(lines, "DataRow [2]") == 2);
}

TEST_CASE("a Parse in a rolled back transaction stays, as in PostgreSQL") {
    same_as_postgresql([](RawClient& client) {
        client.ask(query("begin"));
        client.ask(parse("stays", "select 'stays'") + sync_point());
        client.ask(query("rollback"));
        client.ask(run_statement("stays"));
    });
}

TEST_CASE("a Parse that is skipped after an error was never made") {
    auto lines = same_as_postgresql([](RawClient& client) {
        client.ask(parse("a", "select 1/0") + bind_portal("", "a") + execute() +
                   parse("skipped", "select 1") + close_statement("a") + sync_point());
        client.ask(run_statement("skipped"));
        client.ask(describe_statement("a") + sync_point());
        client.ask(parse("skipped", "select 2") + run_statement("skipped"));
    });
    CHECK(has_line(lines, "ErrorResponse ERROR 26000"));
    CHECK(has_line(lines, "DataRow [2]"));
}

TEST_CASE("more statements than a server keeps: the oldest go and come back unseen") {
    PgweirConfig config = with_pool_of(1);
    config.limit("max_prepared_statements", 5);
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    for (int i = 0; i < 40; ++i) {
        std::string name = "s" + std::to_string(i);
        client.ask(parse(name, "select " + std::to_string(i)) + sync_point());
    }
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 40; ++i) {
            client.forget_transcript();
            client.ask(run_statement("s" + std::to_string(i)));
            CHECK(client.transcript()[1] == "DataRow [" + std::to_string(i) + "]");
        }
    }
    client.forget_transcript();
    client.ask(query("select count(*) <= 6 from pg_prepared_statements"));
    CHECK(has_line(client.transcript(), "DataRow [t]"));
}

TEST_CASE("one batch that uses more statements than a server keeps") {
    PgweirConfig config = with_pool_of(1);
    config.limit("max_prepared_statements", 3);
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    for (int i = 0; i < 10; ++i) {
        client.ask(parse("s" + std::to_string(i), "select " + std::to_string(i)) + sync_point());
    }
    client.forget_transcript();
    std::string bytes;
    for (int i = 0; i < 10; ++i) {
        bytes += bind_portal("", "s" + std::to_string(i)) + execute();
    }
    client.ask(bytes + sync_point());
    CHECK(count_lines(client.transcript(), "DataRow") == 10);
    CHECK(count_lines(client.transcript(), "ErrorResponse") == 0);
}

TEST_CASE("max_client_prepared_statements is a limit with an error") {
    PgweirConfig config = with_pool_of(1);
    config.limit("max_client_prepared_statements", 10);
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    for (int i = 0; i < 11; ++i) {
        client.ask(parse("s" + std::to_string(i), "select 1") + sync_point());
    }
    CHECK(count_lines(client.transcript(), "ErrorResponse ERROR 53400") == 1);
    client.ask(close_statement("s0") + parse("s10", "select 10") + run_statement("s10"));
    CHECK(has_line(client.transcript(), "DataRow [10]"));
}

TEST_CASE("C50: a stale plan is prepared anew when the client prepares again") {
    Connection admin(cluster().owner());
    admin.must("drop table if exists stale; create table stale as select 1 as a");
    admin.must("grant select on stale to public");
    PgweirProcess pgweir(with_pool_of(1));
    RawClient client(pgweir.target());
    client.login();
    client.ask(parse("s", "select * from stale") + run_statement("s"));
    admin.must("alter table stale add column b int default 2");
    client.ask(bind_portal("", "s") + execute() + sync_point());
    client.forget_transcript();
    // Another client that prepares the same text meets no old plan.
    RawClient other(pgweir.target());
    other.login();
    other.ask(parse("t", "select * from stale") + describe_statement("t") + run_statement("t"));
    CHECK(has_line(other.transcript(), "RowDescription a:23 b:23"));
    CHECK(has_line(other.transcript(), "DataRow [1|2]"));
    client.ask(close_statement("s") + parse("s", "select * from stale") + run_statement("s"));
    CHECK(has_line(client.transcript(), "DataRow [1|2]"));
}

TEST_CASE("statements of a client that has gone are no burden") {
    PgweirProcess pgweir(with_pool_of(1));
    CHECK(serves(pgweir.target()));
    std::size_t before = pgweir.resident_kib();
    for (int i = 0; i < 100; ++i) {
        RawClient client(pgweir.target());
        client.login();
        std::string bytes;
        for (int k = 0; k < 20; ++k) {
            bytes += parse("s" + std::to_string(k), "select " + std::to_string(i * 20 + k) +
                                                        " /* " + std::string(1000, 'x') + " */");
        }
        client.ask(bytes + sync_point());
    }
    CHECK(serves(pgweir.target()));
    CHECK(pgweir.resident_kib() < before + 8192);
}

TEST_CASE("server_lifetime moves a client to new servers, and its statements come along") {
    PgweirConfig config = with_pool_of(1);
    config.timeout("server_lifetime", "50ms");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.ask(parse("s", "select 'still'") + sync_point());
    std::string first = backend(client);
    wait_until("another server", [&] { return backend(client) != first; });
    client.forget_transcript();
    client.ask(run_statement("s"));
    CHECK(has_line(client.transcript(), "DataRow [still]"));
}
