// SPDX-License-Identifier: PostgreSQL
// The console: PgBouncer's SHOW commands with PgBouncer's columns, and the operator's verbs.
#include <doctest/doctest.h>

#include <algorithm>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig usual() {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", 2).general("stats_users", "[\"someone\"]");
    return config;
}

// The row whose `column` says `value`; -1 if there is none.
int row_where(const Answer& answer, const std::string& column, const std::string& value) {
    for (std::size_t row = 0; row < answer.rows.size(); ++row) {
        if (answer.at(row, column) == value) return static_cast<int>(row);
    }
    return -1;
}

bool has_columns(const Answer& answer, const std::vector<std::string>& names) {
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::find(answer.columns.begin(), answer.columns.end(), name) !=
               answer.columns.end();
    });
}

}  // namespace

TEST_CASE("the console answers under both of its names") {
    for (const char* name : {"pgweir", "pgbouncer"}) {
        Connection console(shared_pgweir().console().with_database(name));
        Answer version = console.query("show version");
        CHECK(version.ok());
        CHECK(version.value().find("pgweir") != std::string::npos);
    }
}

TEST_CASE("SHOW tables have PgBouncer's columns") {
    Connection console(shared_pgweir().console());
    struct Table {
        const char* command;
        std::vector<std::string> columns;
    };
    for (const Table& table :
         {Table{"show databases",
                {"name", "host", "port", "database", "force_user", "pool_size", "min_pool_size",
                 "reserve_pool_size", "pool_mode", "max_connections", "current_connections",
                 "paused", "disabled"}},
          {"show pools",
           {"database", "user", "cl_active", "cl_waiting", "cl_active_cancel_req", "sv_active",
            "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login",
            "maxwait", "maxwait_us", "pool_mode"}},
          {"show clients",
           {"type", "user", "database", "state", "addr", "port", "local_addr", "local_port",
            "connect_time", "request_time", "wait", "wait_us", "close_needed", "ptr", "link",
            "remote_pid", "tls", "application_name"}},
          {"show servers",
           {"type", "user", "database", "state", "addr", "port", "connect_time", "request_time",
            "ptr", "link", "remote_pid", "tls"}},
          {"show stats",
           {"database", "total_xact_count", "total_query_count", "total_received", "total_sent",
            "total_xact_time", "total_query_time", "total_wait_time", "avg_xact_count",
            "avg_query_count", "avg_recv", "avg_sent", "avg_xact_time", "avg_query_time",
            "avg_wait_time"}},
          {"show config", {"key", "value", "default", "changeable"}},
          {"show users", {"name", "pool_mode"}}}) {
        CAPTURE(std::string(table.command));
        Answer answer = console.query(table.command);
        CHECK_MESSAGE(answer.ok(), answer.message);
        CHECK(has_columns(answer, table.columns));
    }
    CHECK(console.query("show help").sqlstate == "");
}

TEST_CASE("the numbers are what is there: clients, servers, waiters") {
    PgweirConfig config = usual();
    PgweirProcess pgweir(config);
    RawClient waiter(pgweir.target());
    waiter.login({{"application_name", "the waiter"}});
    Connection first(pgweir.target());
    Connection second(pgweir.target());
    first.must("begin");
    second.must("begin");
    waiter.send(query("select 1"));
    CHECK(waiter.is_silent());
    Connection console(pgweir.console());
    Answer pools = console.must("show pools");
    int row = row_where(pools, "user", "trusty");
    REQUIRE(row >= 0);
    auto at = static_cast<std::size_t>(row);
    CHECK(pools.at(at, "database") == "app");
    CHECK(pools.at(at, "cl_active") == "2");
    CHECK(pools.at(at, "cl_waiting") == "1");
    CHECK(pools.at(at, "sv_active") == "2");
    CHECK(pools.at(at, "sv_idle") == "0");
    CHECK(pools.at(at, "pool_mode") == "transaction");
    Answer clients = console.must("show clients");
    int waiting = row_where(clients, "application_name", "the waiter");
    REQUIRE(waiting >= 0);
    CHECK(clients.at(static_cast<std::size_t>(waiting), "state") == "waiting");
    Answer servers = console.must("show servers");
    CHECK(servers.rows.size() == 2);
    for (std::size_t i = 0; i < servers.rows.size(); ++i) {
        CHECK(servers.at(i, "state") == "active");
        Connection observer(cluster().owner());
        CHECK(observer.value("select usename from pg_stat_activity where pid = " +
                             servers.at(i, "remote_pid").value_or("0")) == "trusty");
    }
    first.must("commit");
    waiter.read_until_ready();
    second.must("commit");
    Answer after = console.must("show pools");
    CHECK(after.at(at, "cl_waiting") == "0");
    CHECK(after.at(at, "sv_idle") == "2");
}

TEST_CASE("SHOW STATS counts transactions and queries") {
    PgweirProcess pgweir(usual());
    Connection client(pgweir.target());
    Connection console(pgweir.console());
    auto count = [&](const std::string& column) {
        Answer stats = console.must("show stats");
        int row = row_where(stats, "database", "app");
        return row < 0 ? 0
                       : std::stoi(stats.at(static_cast<std::size_t>(row), column).value_or("0"));
    };
    client.must("select 1");
    int queries = count("total_query_count");
    int transactions = count("total_xact_count");
    for (int i = 0; i < 5; ++i) client.must("select 1");
    client.must("begin");
    client.must("select 1");
    client.must("commit");
    CHECK(count("total_query_count") == queries + 8);
    CHECK(count("total_xact_count") == transactions + 6);
    CHECK(count("total_received") > 0);
    CHECK(count("total_sent") > 0);
}

TEST_CASE("the console by extended query, as drivers ask") {
    Connection console(shared_pgweir().console());
    Answer answer = console.query("show version", std::vector<std::string>{});
    CHECK_MESSAGE(answer.ok(), answer.sqlstate, " ", answer.message);
}

TEST_CASE("an unknown command is an error that names the nearest, and the console goes on") {
    Connection console(shared_pgweir().console());
    Answer answer = console.query("show polls");
    CHECK(!answer.sqlstate.empty());
    CHECK(console.query("select 1").status != PGRES_EMPTY_QUERY);
    CHECK(console.query("show pools").ok());
}

TEST_CASE("T22: who may do what: admins everything, stats users SHOW, others nothing") {
    PgweirProcess pgweir(usual());
    Connection stats(pgweir.console().with_user("someone"));
    CHECK(stats.query("show pools").ok());
    for (const char* verb : {"pause", "resume", "reload", "shutdown", "pause app"}) {
        CAPTURE(std::string(verb));
        CHECK(stats.query(verb).sqlstate == "42501");
    }
    CHECK(!Connection::attempt(pgweir.console().with_user("trusty")).is_ok());
    CHECK(serves(pgweir.target()));
}

TEST_CASE("PAUSE waits for transactions, holds new ones, RESUME lets them go") {
    PgweirProcess pgweir(usual());
    Connection client(pgweir.target());
    client.must("begin");
    Connection console(pgweir.console());
    console.send("pause");
    CHECK(!console.has_answer(std::chrono::milliseconds(300)));
    client.must("commit");
    CHECK(console.answer().ok());
    Connection observer(cluster().owner());
    CHECK(observer.value("select count(*) from pg_stat_activity where usename = 'trusty'") == "0");
    client.send("select 'after the pause'");
    CHECK(!client.has_answer(std::chrono::milliseconds(300)));
    Connection second(pgweir.console());
    CHECK(row_where(second.must("show databases"), "paused", "1") >= 0);
    CHECK(second.query("resume").ok());
    CHECK(client.answer().value() == "after the pause");
}

TEST_CASE("PAUSE of one database leaves the others alone") {
    PgweirProcess pgweir(usual());
    CHECK(serves(pgweir.target()));
    Connection console(pgweir.console());
    CHECK(console.query("pause app").ok());
    CHECK(serves(pgweir.target().with_database("other")));
    Connection client = Connection::begin(pgweir.target());
    CHECK(console.query("resume app").ok());
    CHECK(serves(pgweir.target()));
    CHECK(console.query("pause nowhere").sqlstate == "3D000");
}

TEST_CASE("PAUSE lets a server be restarted without an error for anybody") {
    TestCluster own;
    PgweirConfig config("127.0.0.1", own.port());
    config.limit("default_pool_size", 2);
    PgweirProcess pgweir(config);
    Connection client(pgweir.target());
    CHECK(client.value("select 1") == "1");
    Connection console(pgweir.console());
    CHECK(console.query("pause").ok());
    client.send("select 'after the restart'");
    own.restart(TestCluster::Stop::Fast);
    CHECK(console.query("resume").ok());
    CHECK(client.answer().value() == "after the restart");
}

TEST_CASE("RELOAD in the console applies the file, and says what is wrong with it") {
    PgweirConfig config = usual();
    PgweirProcess pgweir(config);
    Connection console(pgweir.console());
    config.limit("default_pool_size", 7);
    pgweir.rewrite(config);
    CHECK(console.query("reload").ok());
    Answer settings = console.must("show config");
    int row = row_where(settings, "key", "default_pool_size");
    REQUIRE(row >= 0);
    CHECK(settings.at(static_cast<std::size_t>(row), "value") == "7");
    config.general("pool_mode", "\"queue\"");
    pgweir.rewrite(config);
    Answer refused = console.query("reload");
    CHECK(!refused.ok());
    CHECK(serves(pgweir.target()));
}
