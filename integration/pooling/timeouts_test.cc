// SPDX-License-Identifier: PostgreSQL
// Timeouts and lifetimes of clients and servers; clients that vanish.
#include <doctest/doctest.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig with_pool_of_one() {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", 1);
    return config;
}

std::string backend(Connection& connection) {
    return connection.value("select pg_backend_pid()");
}

// What a client hears before it is closed.
void check_ended_with(RawClient& client, const std::string& sqlstate) {
    client.read_to_end();
    CHECK_MESSAGE(has_line(client.transcript(), "ErrorResponse FATAL " + sqlstate),
                  joined(client.transcript()));
    CHECK(client.transcript().back() == "closed");
}

int transactions_open() {
    Connection observer(cluster().owner());
    return std::stoi(observer.value(
        "select count(*) from pg_stat_activity where state like 'idle in transaction%' or "
        "(state = 'active' and pid <> pg_backend_pid() and backend_type = 'client backend')"));
}

}  // namespace

TEST_CASE(
    "client_idle_timeout ends a client that says nothing, not one in the middle of something") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("client_idle_timeout", "500ms");
    PgweirProcess pgweir(config);
    RawClient busy(pgweir.target());
    busy.login();
    busy.ask(query("select pg_sleep(1.2)"));
    CHECK(has_line(busy.transcript(), "CommandComplete SELECT 1"));
    check_ended_with(busy, "57P05");
    CHECK(serves(pgweir.target()));
}

TEST_CASE("idle_transaction_timeout ends the client and frees its server") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("idle_transaction_timeout", "300ms");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.ask(query("begin"));
    check_ended_with(client, "25P03");
    CHECK(serves(pgweir.target()));
    wait_until("the transaction is gone", [] { return transactions_open() == 0; });
}

TEST_CASE("C72: query_timeout cancels the query and ends its client") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("query_timeout", "300ms");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.send(query("select pg_sleep(600)"));
    check_ended_with(client, "57014");
    CHECK(serves(pgweir.target()));
    wait_until("the query is gone", [] { return transactions_open() == 0; });
}

TEST_CASE("transaction_timeout ends a transaction that is busy all the time") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("transaction_timeout", "500ms");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.ask(query("begin"));
    for (int i = 0; i < 1000 && client.transcript().back() != "closed"; ++i) {
        client.ask(query("select pg_sleep(0.1)"));
    }
    check_ended_with(client, "25P04");
    CHECK(serves(pgweir.target()));
}

TEST_CASE("partial_frame_timeout ends a client that stops in the middle of a message") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("partial_frame_timeout", "300ms");
    PgweirProcess pgweir(config);
    RawClient client(pgweir.target());
    client.login();
    client.send(query("select 1").substr(0, 7));
    check_ended_with(client, "08P01");
    CHECK(serves(pgweir.target()));
}

TEST_CASE("server_lifetime: an old server is replaced, between transactions only") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("server_lifetime", "300ms");
    PgweirProcess pgweir(config);
    Connection client(pgweir.target());
    client.must("begin");
    std::string first = backend(client);
    client.must("select pg_sleep(0.6)");
    CHECK(backend(client) == first);
    client.must("commit");
    wait_until("another server", [&] { return backend(client) != first; });
}

TEST_CASE("server_idle_timeout: a server that nobody needs is closed") {
    PgweirConfig config = with_pool_of_one();
    config.timeout("server_idle_timeout", "200ms");
    PgweirProcess pgweir(config);
    Connection client(pgweir.target());
    std::string first = backend(client);
    Connection observer(cluster().owner());
    wait_until("the server is closed", [&] {
        return observer.value("select count(*) from pg_stat_activity where pid = " + first) == "0";
    });
    CHECK(backend(client) != first);
}

TEST_CASE("C67: clients that vanish at any moment leave clean servers behind") {
    PgweirProcess pgweir(with_pool_of_one());
    Connection admin(cluster().owner());
    admin.must("create table if not exists vanishing (n int)");
    admin.must("grant all on vanishing to public");
    CHECK(serves(pgweir.target()));
    std::size_t files = pgweir.open_files();
    std::string half = query("insert into vanishing values (9)");
    for (const std::string& last_words :
         {std::string(), query("begin"), query("begin; insert into vanishing values (1)"),
          query("begin; select 1/0"), query("select pg_sleep(0.2)"), query("select pg_sleep(600)"),
          half.substr(0, half.size() / 2), parse("", "select 1"), parse("", "select 1") + flush(),
          parse("", "insert into vanishing values (2)") + bind_portal("", "") + execute(),
          parse("", "begin") + bind_portal("", "") + execute() + sync_point() +
              parse("", "insert into vanishing values (3)") + bind_portal("", "") + execute() +
              sync_point(),
          query("select repeat('x', 50000000)"), query("copy vanishing from stdin"),
          query("copy (select repeat('y', 100) from generate_series(1, 1000000)) to stdout")}) {
        for (auto end : {RawClient::End::Reset, RawClient::End::Orderly}) {
            CAPTURE(last_words.substr(0, 60));
            RawClient client(pgweir.target());
            client.login();
            client.send(last_words);
            (void)client.has_something(std::chrono::milliseconds(50));
            client.close(end);
            CHECK(serves(pgweir.target()));
        }
    }
    wait_until("nothing is left open", [] { return transactions_open() == 0; });
    CHECK(admin.value("select coalesce(string_agg(n::text, ','), '') from vanishing") == "");
    CHECK(happens([&] { return pgweir.open_files() <= files; }));
}

TEST_CASE("a vanished client's transaction is rolled back, and its server has no memory of it") {
    PgweirProcess pgweir(with_pool_of_one());
    for (int i = 0; i < 5; ++i) {
        {
            RawClient client(pgweir.target());
            client.login();
            client.ask(query("begin; set local work_mem = '1234kB'; set timezone = 'Asia/Tokyo'"));
            client.close(RawClient::End::Reset);
        }
        Connection next(pgweir.target());
        CHECK(next.value("show work_mem") == "4MB");
        CHECK(next.value("show timezone") != "Asia/Tokyo");
        CHECK(PQtransactionStatus(next.raw()) == PQTRANS_IDLE);
    }
}
