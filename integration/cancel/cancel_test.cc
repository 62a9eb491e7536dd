// SPDX-License-Identifier: PostgreSQL
// A cancel request reaches the query for which it was meant, or nobody.
#include <doctest/doctest.h>

#include <thread>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig with_pool_of(int size) {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", size);
    return config;
}

// Waits until PostgreSQL runs a statement that contains `text`.
void wait_until_running(const std::string& text) {
    Connection observer(cluster().owner());
    wait_until("PostgreSQL runs " + text, [&] {
        return observer.value(
                   "select count(*) from pg_stat_activity where state = 'active' and "
                   "pid <> pg_backend_pid() and query like '%" +
                   text + "%'") != "0";
    });
}

void send_cancel(const Target& target, const RawClient& whose) {
    RawClient canceler(target);
    canceler.send(cancel_request(whose.process(), whose.key()));
    canceler.read_to_end();
    CHECK(canceler.transcript() == Transcript{"closed"});
}

}  // namespace

TEST_CASE("a running query is canceled, and the session goes on") {
    for (const Target& target : {cluster().target(), shared_pgweir().target()}) {
        Connection connection(target);
        connection.send("select pg_sleep(600) /* cancel me */");
        wait_until_running("cancel me");
        CHECK(connection.cancel());
        Answer answer = connection.answer();
        CHECK(answer.sqlstate == "57014");
        CHECK(connection.value("select 'alive'") == "alive");
    }
}

TEST_CASE("of two running queries, only the one that was meant is canceled") {
    PgweirProcess pgweir(with_pool_of(2));
    Connection first(pgweir.target());
    Connection second(pgweir.target());
    first.send("select pg_sleep(600) /* the first */");
    second.send("select 'second', pg_sleep(2) /* the second */");
    wait_until_running("the first");
    wait_until_running("the second");
    CHECK(first.cancel());
    CHECK(first.answer().sqlstate == "57014");
    CHECK(second.answer().value() == "second");
}

TEST_CASE("a cancel request after the answer hits nobody, not even the server's next client") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection first(pgweir.target());
    Connection second(pgweir.target());
    CHECK(first.value("select 1") == "1");
    second.send("select 'mine', pg_sleep(1) /* next client */");
    wait_until_running("next client");
    for (int i = 0; i < 20; ++i) CHECK(first.cancel());
    Answer answer = second.answer();
    CHECK(answer.sqlstate == "");
    CHECK(answer.value() == "mine");
    CHECK(first.value("select 2") == "2");
}

TEST_CASE(
    "a query that waits for a server is canceled in the line, and PostgreSQL never hears of it") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection holder(pgweir.target());
    holder.must("begin");
    RawClient waiter(pgweir.target());
    waiter.login();
    waiter.send(query("select 'never' /* never run */"));
    CHECK(waiter.is_silent());
    send_cancel(pgweir.target(), waiter);
    waiter.read_until_ready();
    CHECK(waiter.transcript().size() == 2);
    CHECK(has_line(waiter.transcript(), "ErrorResponse ERROR 57014"));
    CHECK(waiter.transcript().back() == "ReadyForQuery I");
    CHECK(holder.value("select 'untouched'") == "untouched");
    holder.must("commit");
    waiter.ask(query("select 'later'"));
    CHECK(has_line(waiter.transcript(), "DataRow [later]"));
}

TEST_CASE("a wrong key, or another client's process with one's own key, cancels nothing") {
    PgweirProcess pgweir(with_pool_of(2));
    RawClient victim(pgweir.target());
    victim.login();
    RawClient attacker(pgweir.target());
    attacker.login();
    victim.send(query("select 'whole', pg_sleep(1) /* the victim */"));
    wait_until_running("the victim");
    std::string wrong = victim.key();
    wrong[0] = static_cast<char>(wrong[0] ^ 1);
    for (const std::string& bytes :
         {cancel_request(victim.process(), wrong), cancel_request(victim.process(), attacker.key()),
          cancel_request(attacker.process(), victim.key()), cancel_request(0, victim.key()),
          cancel_request(victim.process(), victim.key() + "x")}) {
        RawClient canceler(pgweir.target());
        canceler.send(bytes);
        canceler.read_to_end();
        CHECK(canceler.transcript() == Transcript{"closed"});
    }
    victim.read_until_ready();
    CHECK(has_line(victim.transcript(), "DataRow [whole|"));
}

TEST_CASE("a hundred cancel requests at once cancel one query once") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection connection(pgweir.target());
    connection.send("select pg_sleep(600) /* a hundred */");
    wait_until_running("a hundred");
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 13; ++k) connection.cancel();
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(connection.answer().sqlstate == "57014");
    for (int i = 0; i < 20; ++i) CHECK(connection.value("select 'fine'") == "fine");
    CHECK(serves(pgweir.target()));
}

TEST_CASE("cancel requests that race with ends of queries never hit a neighbour") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection noisy(pgweir.target());
    Connection quiet(pgweir.target());
    for (int i = 0; i < 60; ++i) {
        noisy.send("select 1");
        CHECK(noisy.cancel());
        Answer mine = noisy.answer();
        CHECK((mine.ok() || mine.sqlstate == "57014"));
        Answer other = quiet.query("select 'quiet', pg_sleep(0.005)");
        CHECK_MESSAGE(other.ok(), other.sqlstate, " ", other.message);
    }
}

TEST_CASE("a client's cancel in an open transaction leaves it failed, as in PostgreSQL") {
    PgweirProcess pgweir(with_pool_of(1));
    Connection connection(pgweir.target());
    connection.must("begin");
    connection.send("select pg_sleep(600) /* in transaction */");
    wait_until_running("in transaction");
    CHECK(connection.cancel());
    CHECK(connection.answer().sqlstate == "57014");
    CHECK(connection.query("select 1").sqlstate == "25P02");
    CHECK(connection.must("commit").tag == "ROLLBACK");
    CHECK(connection.value("select 3") == "3");
}

TEST_CASE("a cancel over the long key of protocol 3.2") {
    PgweirProcess pgweir(with_pool_of(1));
    RawClient client(pgweir.target());
    client.send(startup({{"user", "trusty"}, {"database", "app"}}, kProtocol30 + 2));
    client.read_until_ready();
    client.forget_transcript();
    client.send(query("select pg_sleep(600) /* long key */"));
    wait_until_running("long key");
    // A beginning of the key is not the key.
    RawClient guesser(pgweir.target());
    guesser.send(cancel_request(client.process(), client.key().substr(0, 4)));
    guesser.read_to_end();
    CHECK(client.is_silent());
    send_cancel(pgweir.target(), client);
    client.read_until_ready();
    CHECK(has_line(client.transcript(), "ErrorResponse ERROR 57014"));
}

TEST_CASE("cancel reaches every worker's clients from any worker") {
    PgweirConfig config = with_pool_of(2);
    config.general("workers", "4");
    PgweirProcess pgweir(config);
    for (int i = 0; i < 8; ++i) {
        Connection connection(pgweir.target());
        std::string mark = "worker " + std::to_string(i);
        connection.send("select pg_sleep(600) /* " + mark + " */");
        wait_until_running(mark);
        CHECK(connection.cancel());
        CHECK(connection.answer().sqlstate == "57014");
    }
}

TEST_CASE("a storm of wrong cancel requests disturbs nobody") {
    PgweirProcess pgweir(with_pool_of(2));
    CHECK(serves(pgweir.target()));
    std::size_t before = pgweir.open_files();
    for (int i = 0; i < 1000; ++i) {
        RawClient storm(pgweir.target());
        storm.send(cancel_request(i, int32(i)));
    }
    CHECK(serves(pgweir.target()));
    CHECK(happens([&] { return pgweir.open_files() <= before + 1; }));
}

TEST_CASE("instances that share a secret: a cancel request reaches the right one from any") {
    TemporaryFolder sockets("peers");
    const std::string first = (sockets.path() / "1").string();
    const std::string second = (sockets.path() / "2").string();
    std::filesystem::create_directories(first);
    std::filesystem::create_directories(second);
    const auto instance = [&](int id, const std::string& mode) {
        PgweirConfig config(cluster());
        return config
            .general("listen", "[\"127.0.0.1:0\", \"" + (id == 1 ? first : second) + ":6432\"]")
            .general("peers", "[\"" + first + ":6432\", \"" + second + ":6432\"]")
            .general("peer_id", std::to_string(id))
            .general("cancel_secret", "\"what both of them know\"")
            .general("pool_mode", mode)
            .general("workers", "2");
    };
    for (const char* mode : {"\"transaction\"", "\"session\""}) {
        CAPTURE(std::string(mode));
        PgweirProcess one(instance(1, mode));
        PgweirProcess two(instance(2, mode));
        for (int round = 0; round < 4; ++round) {
            RawClient client(one.target());
            client.login();
            client.send(query("select pg_sleep(600) /* through the other */"));
            wait_until_running("through the other");
            // Both tell the same to who does not know a key.
            RawClient stranger(two.target());
            stranger.send(cancel_request(client.process(), std::string(4, 'x')));
            stranger.read_to_end();
            send_cancel(two.target(), client);
            client.read_until_ready();
            CHECK(has_line(client.transcript(), "ErrorResponse ERROR 57014"));
        }
    }
}
