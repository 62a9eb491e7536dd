// SPDX-License-Identifier: PostgreSQL
// Limits of servers and clients, and the line in front of them.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig with_pool_of(int size) {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", size);
    return config;
}

// How many sessions PostgreSQL has beside the observer's own.
int sessions(Connection& observer, const std::string& condition = "true") {
    return std::stoi(observer.value(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> "
        "pg_backend_pid() and " +
        condition));
}

// The SQLSTATE that a login ends with; "" if it succeeds.
std::string login_error(const Target& target) {
    RawClient client(target);
    client.send(startup({{"user", target.user}, {"database", target.database}}));
    while (auto message = client.read()) {
        if (message->type == 'E') return message->sqlstate();
        if (message->type == 'Z') return "";
    }
    return "closed";
}

}  // namespace

TEST_CASE("query_wait_timeout: an error that names the limit, and the client stays") {
    PgweirConfig config = with_pool_of(1);
    config.timeout("query_wait_timeout", "300ms");
    PgweirProcess pgweir(config);
    Connection holder(pgweir.target());
    holder.must("begin");
    Connection waiter(pgweir.target());
    Answer answer = waiter.query("select 1");
    CHECK(answer.sqlstate == "53300");
    CHECK(answer.message.find("pool_size = 1") != std::string::npos);
    CHECK(answer.message.find("query_wait_timeout = 300ms") != std::string::npos);
    CHECK(waiter.is_ok());
    holder.must("commit");
    CHECK(waiter.value("select 2") == "2");
}

TEST_CASE("query_wait_notify: a waiter is told so, once, and then served") {
    PgweirConfig config = with_pool_of(1);
    config.timeout("query_wait_notify", "200ms");
    PgweirProcess pgweir(config);
    Connection holder(pgweir.target());
    holder.must("begin");
    RawClient waiter(pgweir.target());
    waiter.login();
    waiter.send(query("select 'served'"));
    auto notice = waiter.read();
    REQUIRE(notice.has_value());
    CHECK(notice->type == 'N');
    CHECK(waiter.is_silent());
    holder.must("commit");
    waiter.read_until_ready();
    CHECK(has_line(waiter.transcript(), "DataRow [served]"));
    CHECK(count_lines(waiter.transcript(), "NoticeResponse") == 1);
}

TEST_CASE("the line is served in order of arrival") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection holder(pgweir.target());
    holder.must("create table if not exists arrivals (place serial, who int)");
    holder.must("truncate arrivals");
    holder.must("begin");
    std::vector<std::unique_ptr<RawClient>> waiters;
    for (int i = 0; i < 6; ++i) {
        auto& waiter = waiters.emplace_back(std::make_unique<RawClient>(pgweir.target()));
        waiter->login();
        waiter->send(query("insert into arrivals (who) values (" + std::to_string(i) + ")"));
        CHECK(!waiter->has_something(std::chrono::milliseconds(50)));
    }
    holder.must("commit");
    for (auto& waiter : waiters) waiter->read_until_ready();
    CHECK(holder.value("select string_agg(who::text, '' order by place) from arrivals") ==
          "012345");
}

TEST_CASE("a waiter that leaves makes room for the next") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection holder(pgweir.target());
    holder.must("begin");
    RawClient leaving(pgweir.target());
    RawClient staying(pgweir.target());
    leaving.login();
    staying.login();
    leaving.send(query("select 'left'"));
    CHECK(leaving.is_silent());
    staying.send(query("select 'stayed'"));
    CHECK(staying.is_silent());
    leaving.close(RawClient::End::Reset);
    holder.must("commit");
    staying.read_until_ready();
    CHECK(has_line(staying.transcript(), "DataRow [stayed]"));
}

TEST_CASE("reserve_pool_size: one more server for those who waited for reserve_pool_timeout") {
    PgweirConfig config = with_pool_of(1);
    config.limit("reserve_pool_size", 1).timeout("reserve_pool_timeout", "200ms");
    PgweirProcess pgweir(config);
    Connection holder(pgweir.target());
    holder.must("begin");
    Connection waiter(pgweir.target());
    CHECK(waiter.value("select 'reserve'") == "reserve");
    Connection observer(cluster().owner());
    CHECK(sessions(observer, "usename = 'trusty'") <= 2);
}

TEST_CASE("max_db_connections counts all users of a database") {
    PgweirConfig config = with_pool_of(5);
    config.limit("max_db_connections", 2).timeout("query_wait_timeout", "300ms");
    PgweirProcess pgweir(config);
    Connection first(pgweir.target());
    Connection second(pgweir.target().with_user("someone"));
    first.must("begin");
    second.must("begin");
    Connection third(pgweir.target());
    Answer answer = third.query("select 1");
    CHECK(answer.sqlstate == "53300");
    CHECK(answer.message.find("max_db_connections = 2") != std::string::npos);
    // Another database is not concerned.
    CHECK(serves(pgweir.target().with_database("other")));
    // A server of another pool that nobody needs makes room.
    second.must("commit");
    CHECK(third.value("select 'room'") == "room");
}

TEST_CASE("max_user_connections counts all databases of a user") {
    PgweirConfig config = with_pool_of(5);
    config.limit("max_user_connections", 1).timeout("query_wait_timeout", "300ms");
    PgweirProcess pgweir(config);
    Connection first(pgweir.target());
    first.must("begin");
    // The first client of a pool needs a server to learn its parameters: it waits at its login.
    CHECK(login_error(pgweir.target().with_database("other")) == "53300");
    CHECK(serves(pgweir.target().with_user("someone")));
    first.must("commit");
    CHECK(serves(pgweir.target().with_database("other")));
}

TEST_CASE("clients over max_client_conn, of a database, of a user, are refused with 53300") {
    SUBCASE("in all") {
        PgweirConfig config = with_pool_of(2);
        config.limit("max_client_conn", 2);
        PgweirProcess pgweir(config);
        Connection first(pgweir.target());
        auto second = std::make_unique<Connection>(pgweir.target());
        CHECK(login_error(pgweir.target()) == "53300");
        second.reset();
        wait_until("a place is free", [&] { return login_error(pgweir.target()).empty(); });
        CHECK(first.value("select 1") == "1");
    }
    SUBCASE("of a database") {
        PgweirConfig config = with_pool_of(2);
        config.limit("max_db_client_connections", 1);
        PgweirProcess pgweir(config);
        Connection first(pgweir.target());
        CHECK(login_error(pgweir.target()) == "53300");
        CHECK(login_error(pgweir.target().with_database("other")).empty());
    }
    SUBCASE("of a user") {
        PgweirConfig config = with_pool_of(2);
        config.limit("max_user_client_connections", 1);
        PgweirProcess pgweir(config);
        Connection first(pgweir.target());
        CHECK(login_error(pgweir.target().with_database("other")) == "53300");
        CHECK(login_error(pgweir.target().with_user("someone")).empty());
    }
}

TEST_CASE("min_pool_size servers stay open") {
    PgweirConfig config = with_pool_of(5);
    config.limit("min_pool_size", 3).timeout("server_idle_timeout", "100ms");
    PgweirProcess pgweir(config);
    Connection client(pgweir.target());
    CHECK(client.value("select 1") == "1");
    Connection observer(cluster().owner());
    wait_until("three servers", [&] { return sessions(observer, "usename = 'trusty'") == 3; });
}

TEST_CASE("the limit holds over all workers, and no waiter starves beside an idle server") {
    PgweirConfig config = with_pool_of(1);
    config.general("workers", "4");
    PgweirProcess pgweir(config);
    std::vector<std::unique_ptr<Connection>> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(std::make_unique<Connection>(pgweir.target()));
        CHECK(clients.back()->value("select 1") == "1");
    }
    std::atomic<bool> stop{false};
    std::atomic<int> most{0};
    std::thread watcher([&] {
        Connection observer(cluster().owner());
        while (!stop) most = std::max(most.load(), sessions(observer, "usename = 'trusty'"));
    });
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (std::size_t i = 0; i < clients.size(); ++i) {
        threads.emplace_back([&, i] {
            for (int k = 0; k < 20; ++k) {
                std::string token = std::to_string(i * 100) + "-" + std::to_string(k);
                if (clients[i]->query("select '" + token + "'").value() != token) ++wrong;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    stop = true;
    watcher.join();
    CHECK(wrong == 0);
    // A server that was told to go may still be seen while PostgreSQL cleans up after it.
    CHECK(most <= 3);
}

TEST_CASE("hundreds of idle clients are cheap, and nobody waits for them") {
    PgweirProcess pgweir(with_pool_of(2));
    CHECK(serves(pgweir.target()));
    std::size_t before = pgweir.resident_kib();
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 300; ++i) {
        clients.push_back(std::make_unique<RawClient>(pgweir.target()));
        clients.back()->login();
    }
    CHECK(serves(pgweir.target()));
    std::size_t each = (pgweir.resident_kib() - before) / clients.size();
    INFO("KiB for each idle client: ", each);
    CHECK(each < 16);
    std::size_t files = pgweir.open_files();
    clients.clear();
    CHECK(happens([&] { return pgweir.open_files() + 300 <= files; }));
}
