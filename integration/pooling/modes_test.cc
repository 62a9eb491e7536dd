// SPDX-License-Identifier: PostgreSQL
// Pool modes: when a server goes back, and in what state.
#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig with_pool_of(int size, const std::string& mode = "transaction") {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", size).general("pool_mode", "\"" + mode + "\"");
    return config;
}

std::string backend(Connection& connection) {
    return connection.value("select pg_backend_pid()");
}

}  // namespace

TEST_CASE("transaction mode: many clients on two servers, each with its own answers") {
    PgweirProcess pgweir(with_pool_of(2));
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    std::mutex mutex;
    std::set<std::string> backends;
    for (int t = 0; t < 10; ++t) {
        threads.emplace_back([&, t] {
            Connection connection(pgweir.target());
            for (int i = 0; i < 50; ++i) {
                std::string token = std::to_string(t) + "-" + std::to_string(i);
                Answer answer = connection.query("select '" + token + "', pg_backend_pid()");
                if (answer.value() != token) ++wrong;
                std::lock_guard lock(mutex);
                backends.insert(answer.rows.at(0).at(1).value());
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(backends.size() <= 2);
}

TEST_CASE("transaction mode: a transaction stays on its server while others use the rest") {
    PgweirProcess pgweir(with_pool_of(2));
    Connection inside(pgweir.target());
    inside.must("begin");
    std::string mine = backend(inside);
    Connection other(pgweir.target());
    for (int i = 0; i < 20; ++i) {
        CHECK(backend(other) != mine);
        CHECK(backend(inside) == mine);
    }
    inside.must("commit");
}

TEST_CASE("session mode: a client keeps its server, sees its process, and leaves it clean") {
    PgweirProcess pgweir(with_pool_of(1, "session"));
    std::string used;
    {
        Connection session(pgweir.target());
        used = backend(session);
        CHECK(std::to_string(PQbackendPID(session.raw())) == used);
        session.must("set work_mem = '1234kB'");
        session.must("create temporary table mine (n int)");
        session.must("prepare q as select 1");
        session.must("listen channel");
        session.must("set session characteristics as transaction read only");
        for (int i = 0; i < 3; ++i) CHECK(backend(session) == used);
        CHECK(session.value("show work_mem") == "1234kB");
    }
    Connection next(pgweir.target());
    CHECK(backend(next) == used);
    CHECK(next.value("show work_mem") == "4MB");
    CHECK(next.query("select * from mine").sqlstate == "42P01");
    CHECK(next.query("execute q").sqlstate == "26000");
    CHECK(next.value("select count(*) from pg_listening_channels()") == "0");
    CHECK(next.value("show transaction_read_only") == "off");
}

TEST_CASE("session mode: the next client waits until the session ends") {
    PgweirProcess pgweir(with_pool_of(1, "session"));
    auto first = std::make_unique<Connection>(pgweir.target());
    CHECK(first->value("select 1") == "1");
    RawClient second(pgweir.target());
    second.send(startup({{"user", "trusty"}, {"database", "app"}}));
    second.send(query("select 'second'"));
    (void)second.has_something(std::chrono::milliseconds(100));
    first.reset();
    second.read_until('Z');
    second.read_until('Z');
    CHECK(has_line(second.transcript(), "DataRow [second]"));
}

TEST_CASE("statement mode: transactions are refused with 0A000, single statements share servers") {
    PgweirProcess pgweir(with_pool_of(1, "statement"));
    Connection first(pgweir.target());
    Connection second(pgweir.target());
    CHECK(first.value("select 1") == "1");
    CHECK(second.value("select 2") == "2");
    Answer refused = first.query("begin");
    CHECK(refused.sqlstate == "0A000");
    CHECK(second.value("select 3") == "3");
    Connection third(pgweir.target());
    CHECK(third.query("select $1::int", {"4"}).value() == "4");
}

TEST_CASE("the mode of a user goes before the database's, and that before the general one") {
    PgweirConfig config = with_pool_of(3);
    config.database("other", "pool_mode", "\"session\"");
    config.user("someone", "pool_mode", "\"statement\"");
    PgweirProcess pgweir(config);
    // Transaction mode by default: the process of BackendKeyData is pgweir's own.
    Connection in_session(pgweir.target().with_database("other"));
    CHECK(std::to_string(PQbackendPID(in_session.raw())) == backend(in_session));
    Connection by_statement(pgweir.target().with_user("someone"));
    CHECK(by_statement.query("begin").sqlstate == "0A000");
    Connection by_statement_too(pgweir.target().with_user("someone").with_database("other"));
    CHECK(by_statement_too.query("begin").sqlstate == "0A000");
    Connection by_transaction(pgweir.target());
    CHECK(by_transaction.query("begin").ok());
}

TEST_CASE("reported settings follow their client, whichever server it gets") {
    PgweirProcess pgweir(with_pool_of(1));
    RawClient tokyo(pgweir.target());
    RawClient berlin(pgweir.target());
    tokyo.login({{"TimeZone", "Asia/Tokyo"}, {"application_name", "tokyo"}});
    berlin.login(
        {{"TimeZone", "Europe/Berlin"}, {"DateStyle", "German"}, {"client_encoding", "LATIN1"}});
    std::string question =
        "select current_setting('timezone'), current_setting('application_name'), "
        "current_setting('datestyle'), current_setting('client_encoding')";
    for (int i = 0; i < 3; ++i) {
        tokyo.ask(query(question));
        berlin.ask(query(question));
    }
    // Nobody hears of the changes that were made behind the scenes.
    Transcript as_tokyo{
        "RowDescription current_setting:25 current_setting:25 current_setting:25 "
        "current_setting:25",
        "DataRow [Asia/Tokyo|tokyo|ISO, MDY|UTF8]", "CommandComplete SELECT 1", "ReadyForQuery I"};
    CHECK(count_lines(tokyo.transcript(), as_tokyo[1]) == 3);
    CHECK(count_lines(berlin.transcript(), "DataRow [Europe/Berlin||German, DMY|LATIN1]") == 3);
    CHECK(!has_line(tokyo.transcript(), "ParameterStatus"));
    CHECK(!has_line(berlin.transcript(), "ParameterStatus"));
    CHECK(tokyo.transcript().size() == 12);
}

TEST_CASE("a SET of a reported setting is told once and follows its client only") {
    PgweirProcess pgweir(with_pool_of(1));
    RawClient changing(pgweir.target());
    RawClient other(pgweir.target());
    changing.login();
    other.login();
    changing.ask(query("set timezone = 'Asia/Tokyo'"));
    CHECK(has_line(changing.transcript(), "ParameterStatus TimeZone=Asia/Tokyo"));
    other.ask(query("show timezone"));
    CHECK(!has_line(other.transcript(), "DataRow [Asia/Tokyo]"));
    CHECK(!has_line(other.transcript(), "ParameterStatus"));
    changing.forget_transcript();
    changing.ask(query("show timezone"));
    CHECK(changing.transcript()[1] == "DataRow [Asia/Tokyo]");
    CHECK(!has_line(changing.transcript(), "ParameterStatus"));
    // A change that is rolled back was none.
    changing.ask(query("begin; set timezone = 'Europe/Berlin'"));
    changing.ask(query("rollback"));
    other.ask(query("select 1"));
    changing.forget_transcript();
    changing.ask(query("show timezone"));
    CHECK(has_line(changing.transcript(), "DataRow [Asia/Tokyo]"));
}

TEST_CASE("a replication connection passes through in session mode") {
    PgweirProcess pgweir(with_pool_of(2, "session"));
    for (const Target& target : {cluster().owner(), pgweir.target().with_user("owner")}) {
        RawClient client(target);
        client.login({{"replication", "database"}});
        client.ask(query("IDENTIFY_SYSTEM"));
        CHECK(has_line(client.transcript(), "RowDescription systemid:25"));
        CHECK(has_line(client.transcript(), "CommandComplete IDENTIFY_SYSTEM"));
        client.ask(query("SHOW server_version_num"));
        CHECK(has_line(client.transcript(), "DataRow [15"));
    }
    CHECK(serves(pgweir.target()));
}

TEST_CASE("C20: in transaction mode a replication connection is its own session, or 0A000") {
    RawClient client(shared_pgweir().target().with_user("owner"));
    client.send(startup({{"user", "owner"}, {"database", "app"}, {"replication", "database"}}));
    while (auto message = client.read()) {
        if (message->type == 'Z' || message->type == 'E') break;
    }
    bool is_refused = has_line(client.transcript(), "ErrorResponse FATAL 0A000");
    CHECK((is_refused || has_line(client.transcript(), "ReadyForQuery I")));
    if (!is_refused) {
        client.ask(query("IDENTIFY_SYSTEM"));
        CHECK(has_line(client.transcript(), "CommandComplete IDENTIFY_SYSTEM"));
    }
    client.close();
    CHECK(serves(shared_pgweir().target().with_user("owner")));
}
