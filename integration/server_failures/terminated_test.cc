// SPDX-License-Identifier: PostgreSQL
// A server goes away under its client: the client's connection stays, and its error says what may
// have happened and what can't have.
#include <doctest/doctest.h>

#include <algorithm>

#include "fake_server.h"
#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig pool_of(int size) {
    PgweirConfig config(cluster());
    return config.limit("default_pool_size", size).timeout("server_login_retry_max", "500ms");
}

std::string backend(Connection& connection) {
    return connection.value("select pg_backend_pid()");
}

// Ends that backend, and waits until it has gone.
void terminate_backend(const std::string& pid) {
    Connection admin(cluster().owner());
    CHECK(admin.value("select pg_terminate_backend(" + pid + ")") == "t");
    wait_until("backend " + pid + " is gone", [&] {
        return admin.value("select count(*) from pg_stat_activity where pid = " + pid) == "0";
    });
}

void wait_until_asleep(const std::string& pid) {
    Connection admin(cluster().owner());
    wait_until("backend " + pid + " sleeps", [&] {
        return admin.value("select count(*) from pg_stat_activity where pid = " + pid +
                           " and wait_event = 'PgSleep'") == "1";
    });
}

}  // namespace

TEST_CASE("a server that is terminated while idle in the pool is nobody's loss") {
    PgweirProcess pgweir(pool_of(1));
    Connection client(pgweir.target());
    Connection bystander(pgweir.target());
    for (int round = 0; round < 5; ++round) {
        std::string first = backend(client);
        terminate_backend(first);
        // The end may reach pgweir after the next query: then it is not known what became of that.
        Answer answer = client.query("select pg_backend_pid()");
        if (!answer.ok()) CHECK(answer.sqlstate == "08007");
        CHECK(client.is_ok());
        CHECK(backend(client) != first);
        CHECK(backend(bystander) != first);
    }
}

TEST_CASE("a server that is terminated in an idle transaction: 40001, and ROLLBACK goes on") {
    PgweirProcess pgweir(pool_of(1));
    Connection client(pgweir.target());
    client.must("begin");
    std::string first = backend(client);
    terminate_backend(first);
    Answer lost = client.query("select 1");
    CHECK(lost.sqlstate == "40001");
    CHECK(PQtransactionStatus(client.raw()) == PQTRANS_INERROR);
    CHECK(client.query("select 1").sqlstate == "25P02");
    CHECK(client.query("rollback").tag == "ROLLBACK");
    CHECK(PQtransactionStatus(client.raw()) == PQTRANS_IDLE);
    CHECK(backend(client) != first);
}

TEST_CASE("a server that is terminated in the middle of a query of a transaction: 40001") {
    PgweirProcess pgweir(pool_of(2));
    Connection client(pgweir.target());
    Connection bystander(pgweir.target());
    client.must("begin");
    std::string first = backend(client);
    client.send("select pg_sleep(600)");
    wait_until_asleep(first);
    terminate_backend(first);
    CHECK(client.answer().sqlstate == "40001");
    CHECK(PQtransactionStatus(client.raw()) == PQTRANS_INERROR);
    CHECK(client.query("rollback").ok());
    CHECK(backend(client) != first);
    CHECK(backend(bystander) != first);
}

TEST_CASE("a server that is terminated in the middle of an autocommit query: 08007, still there") {
    PgweirProcess pgweir(pool_of(1));
    Connection client(pgweir.target());
    std::string first = backend(client);
    client.send("select pg_sleep(600)");
    wait_until_asleep(first);
    terminate_backend(first);
    CHECK(client.answer().sqlstate == "08007");
    CHECK(PQtransactionStatus(client.raw()) == PQTRANS_IDLE);
    CHECK(backend(client) != first);
}

TEST_CASE("a server that is terminated during COMMIT: 08007, never 40001, never a success") {
    Connection admin(cluster().owner());
    admin.must("create table slowly_committed (n int)");
    admin.must(
        "create function sleep_long() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(600); return null; end $$");
    admin.must(
        "create constraint trigger at_commit after insert on slowly_committed "
        "deferrable initially deferred for each row execute function sleep_long()");
    admin.must("grant all on slowly_committed to public");
    PgweirProcess pgweir(pool_of(1));
    for (bool is_extended : {false, true}) {
        CAPTURE(is_extended);
        Connection client(pgweir.target());
        client.must("begin");
        std::string first = backend(client);
        client.must("insert into slowly_committed values (1)");
        if (is_extended) {
            PQsendQueryParams(client.raw(), "commit", 0, nullptr, nullptr, nullptr, nullptr, 0);
        } else {
            client.send("commit");
        }
        wait_until_asleep(first);
        terminate_backend(first);
        CHECK(client.answer().sqlstate == "08007");
        CHECK(PQtransactionStatus(client.raw()) == PQTRANS_IDLE);
        CHECK(backend(client) != first);
    }
    // An implicit transaction's Sync commits, too.
    Connection client(pgweir.target());
    std::string first = backend(client);
    PQsendQueryParams(client.raw(), "insert into slowly_committed values (2)", 0, nullptr, nullptr,
                      nullptr, nullptr, 0);
    wait_until_asleep(first);
    terminate_backend(first);
    CHECK(client.answer().sqlstate == "08007");
    CHECK(client.value("select count(*) from slowly_committed") == "0");
    admin.must("drop table slowly_committed");
    admin.must("drop function sleep_long");
}

TEST_CASE("rows on their way when the server is terminated: an error or an end, no false success") {
    PgweirProcess pgweir(pool_of(1));
    RawClient client(pgweir.target());
    client.login();
    client.ask(query("select pg_backend_pid()"));
    std::string pid;
    for (const auto& line : client.transcript()) {
        if (line.rfind("DataRow [", 0) == 0) pid = line.substr(9, line.size() - 10);
    }
    client.forget_transcript();
    client.send(query("select n, repeat('x', 100) from generate_series(1, 50000000) n"));
    auto first = client.read();
    REQUIRE(first);
    CHECK(first->type == 'T');
    Connection admin(cluster().owner());
    // The client has stopped reading: the server waits for it in the middle of its rows.
    wait_until("the server waits for its client", [&] {
        return admin.value("select count(*) from pg_stat_activity where pid = " + pid +
                           " and wait_event = 'ClientWrite'") == "1";
    });
    admin.must("select pg_terminate_backend(" + pid + ")");
    std::size_t complete = 0;
    std::string sqlstate;
    bool is_ready = false;
    while (auto message = client.read()) {
        complete += message->type == 'C' ? 1 : 0;
        if (message->type == 'E') sqlstate = message->sqlstate();
        is_ready = message->type == 'Z';
        if (is_ready) break;
    }
    CHECK(complete == 0);
    // Without ReadyForQuery it was closed in the middle of a row: nothing can be said any more.
    bool is_expected = !is_ready || sqlstate == "08007" || sqlstate == "08006";
    CHECK_MESSAGE(is_expected, sqlstate);
    CHECK(serves(pgweir.target()));
}

TEST_CASE("a terminated server and prepared statements: the client's names live on") {
    PgweirProcess pgweir(pool_of(1));
    Connection client(pgweir.target());
    CHECK(client.prepare("mine", "select pg_backend_pid() + $1::int * 0").ok());
    Answer first = client.execute("mine", {"1"});
    REQUIRE(first.ok());
    terminate_backend(first.value());
    Answer second = client.execute("mine", {"1"});
    if (!second.ok()) {
        CHECK(second.sqlstate == "08007");
        second = client.execute("mine", {"1"});
    }
    CHECK(second.ok());
    CHECK(second.value() != first.value());
}

TEST_CASE("COPY FROM STDIN whose server is terminated ends in an error, and the client lives") {
    PgweirProcess pgweir(pool_of(1));
    Connection admin(cluster().owner());
    admin.must("create table if not exists copied (n int)");
    admin.must("grant all on copied to public");
    RawClient client(pgweir.target());
    client.login();
    client.send(query("copy copied from stdin"));
    auto begun = client.read();
    REQUIRE(begun);
    CHECK(begun->type == 'G');
    std::string pid =
        admin.value("select pid from pg_stat_activity where query = 'copy copied from stdin'");
    terminate_backend(pid);
    client.send(copy_data("1\n") + copy_done());
    client.read_until_ready();
    CHECK(has_line(client.transcript(), "ErrorResponse ERROR 08007"));
    CHECK(client.transcript().back() == "ReadyForQuery I");
    client.forget_transcript();
    client.ask(query("select count(*) from copied"));
    CHECK(has_line(client.transcript(), "DataRow [0]"));
}

TEST_CASE("C69: a server that vanishes after the request, before any answer") {
    // What was asked when the server closed without a word, and what its client must hear.
    struct Case {
        std::string before, asked, sqlstate, status;
    };
    std::string batch = parse("", "insert") + bind_portal("", "") + execute() + sync_point();
    for (const Case& one :
         {Case{"", query("insert"), "08007", "I"}, Case{"", batch, "08007", "I"},
          Case{"begin", query("insert"), "40001", "E"}, Case{"begin", batch, "40001", "E"},
          Case{"begin", query("commit"), "08007", "I"},
          Case{"begin", query("insert; commit"), "08007", "I"}}) {
        CAPTURE(one.before);
        CAPTURE(one.asked);
        std::atomic<int> logins{0};
        FakeServer node([&](FakeConnection& server) {
            if (!server.accept_login()) return;
            if (logins++ > 0) return server.serve("fine");
            if (!one.before.empty()) {
                if (!server.read()) return;
                server.send(command_complete("BEGIN") + ready_for_query('T'));
            }
            // The whole request is read: closing with unread bytes would be a reset.
            server.read_until(one.asked.find(sync_point()) != std::string::npos ? 'S' : 'Q');
        });
        PgweirConfig config("127.0.0.1", node.port());
        config.limit("default_pool_size", 1);
        PgweirProcess pgweir(config);
        RawClient client(pgweir.target());
        client.login();
        if (!one.before.empty()) client.ask(query(one.before));
        client.forget_transcript();
        client.ask(one.asked);
        CAPTURE(joined(client.transcript()));
        CHECK(count_lines(client.transcript(), "ErrorResponse ERROR " + one.sqlstate) == 1);
        CHECK(client.transcript().back() == "ReadyForQuery " + one.status);
        if (one.status == "E") client.ask(query("rollback"));
        CHECK(client.transcript().back() == "ReadyForQuery I");
        client.ask(query("select 1"));
        CHECK(client.transcript().back() == "ReadyForQuery I");
        CHECK(has_line(client.transcript(), "DataRow [fine]"));
        // Nothing was run again by itself.
        CHECK(logins == 2);
    }
}
