// SPDX-License-Identifier: PostgreSQL
// How pgweir ends: transactions first, a deadline, and then a clear error.
#include <doctest/doctest.h>
#include <signal.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig usual() {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", 3);
    return config;
}

// The exit status, once it has ended by itself.
int end_of(PgweirProcess& pgweir) {
    auto status = pgweir.process().wait();
    return status.value_or(-1);
}

}  // namespace

TEST_CASE("SIGTERM without clients is an orderly end, and no server is left behind") {
    PgweirProcess pgweir(usual());
    CHECK(serves(pgweir.target()));
    CHECK(pgweir.stop() == 0);
    Connection observer(cluster().owner());
    wait_until("its sessions are gone", [&] {
        return observer.value("select count(*) from pg_stat_activity where usename = 'trusty'") ==
               "0";
    });
}

TEST_CASE("SIGTERM: idle clients hear 57P01 at once, transactions go on to their end") {
    PgweirProcess pgweir(usual());
    RawClient idle(pgweir.target());
    idle.login();
    idle.ask(query("select 1"));
    RawClient busy(pgweir.target());
    busy.login();
    busy.ask(query("begin"));
    pgweir.process().signal(SIGTERM);
    idle.read_to_end();
    CHECK(has_line(idle.transcript(), "ErrorResponse FATAL 57P01"));
    // New clients are refused, this one goes on.
    busy.ask(query("select 'still here'"));
    CHECK(has_line(busy.transcript(), "DataRow [still here]"));
    CHECK(pgweir.process().is_running());
    busy.send(query("commit"));
    busy.read_to_end();
    CHECK(has_line(busy.transcript(), "CommandComplete COMMIT"));
    CHECK(has_line(busy.transcript(), "ErrorResponse FATAL 57P01"));
    CHECK(end_of(pgweir) == 0);
}

TEST_CASE("shutdown_timeout: a transaction that does not end is ended") {
    PgweirConfig config = usual();
    config.timeout("shutdown_timeout", "300ms");
    PgweirProcess pgweir(config);
    RawClient busy(pgweir.target());
    busy.login();
    busy.ask(query("begin"));
    pgweir.process().signal(SIGTERM);
    busy.read_to_end();
    CHECK(has_line(busy.transcript(), "ErrorResponse FATAL 57P01"));
    CHECK(end_of(pgweir) == 0);
    Connection observer(cluster().owner());
    wait_until("its transaction is gone", [&] {
        return observer.value("select count(*) from pg_stat_activity where usename = 'trusty'") ==
               "0";
    });
}

TEST_CASE("SIGQUIT ends everybody at once") {
    PgweirProcess pgweir(usual());
    RawClient busy(pgweir.target());
    busy.login();
    busy.send(query("begin; select pg_sleep(600)"));
    Connection observer(cluster().owner());
    wait_until("it runs", [&] {
        return observer.value(
                   "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1";
    });
    pgweir.process().signal(SIGQUIT);
    busy.read_to_end();
    CHECK(busy.transcript().back() == "closed");
    CHECK(end_of(pgweir) == 0);
}

TEST_CASE("a second SIGTERM waits for nobody") {
    PgweirProcess pgweir(usual());
    RawClient busy(pgweir.target());
    busy.login();
    busy.ask(query("begin"));
    pgweir.process().signal(SIGTERM);
    wait_until("the first is under way",
               [&] { return pgweir.log().find("Terminated") != std::string::npos; });
    CHECK(pgweir.process().is_running());
    pgweir.process().signal(SIGTERM);
    busy.read_to_end();
    CHECK(has_line(busy.transcript(), "ErrorResponse FATAL 57P01"));
    CHECK(end_of(pgweir) == 0);
}

TEST_CASE("a waiter in line when pgweir is told to end hears so") {
    PgweirConfig config = usual();
    config.limit("default_pool_size", 1);
    PgweirProcess pgweir(config);
    RawClient holder(pgweir.target());
    holder.login();
    holder.ask(query("begin"));
    RawClient waiter(pgweir.target());
    waiter.login();
    waiter.send(query("select 1"));
    CHECK(waiter.is_silent());
    pgweir.process().signal(SIGTERM);
    holder.send(query("commit"));
    holder.read_to_end();
    waiter.read_to_end();
    // Served before the end, or told; never left alone.
    CHECK((has_line(waiter.transcript(), "ErrorResponse FATAL 57P01") ||
           has_line(waiter.transcript(), "DataRow [1]")));
    CHECK(end_of(pgweir) == 0);
}

TEST_CASE("SHUTDOWN in the console, with several workers and clients on all of them") {
    PgweirConfig config = usual();
    config.general("workers", "4");
    PgweirProcess pgweir(config);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 12; ++i) {
        clients.push_back(std::make_unique<RawClient>(pgweir.target()));
        clients.back()->login();
        clients.back()->ask(query("select 1"));
    }
    Connection console(pgweir.console());
    console.query("shutdown");
    for (auto& client : clients) {
        client->read_to_end();
        CHECK(has_line(client->transcript(), "ErrorResponse FATAL 57P01"));
    }
    CHECK(end_of(pgweir) == 0);
}
