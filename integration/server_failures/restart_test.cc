// SPDX-License-Identifier: PostgreSQL
// PostgreSQL is restarted under its clients: they stay connected to pgweir, and what they ask
// afterwards is answered.
#include <doctest/doctest.h>

#include "shared.h"

using namespace pgweir::integration;

namespace {

PgweirConfig config() {
    PgweirConfig config(cluster());
    return config.limit("default_pool_size", 4).timeout("server_login_retry_max", "500ms");
}

// Of a query whose server may have gone meanwhile: an answer, or an error that says so.
void check_one_outcome(Answer answer) {
    if (answer.ok()) return;
    bool is_expected =
        answer.sqlstate == "08007" || answer.sqlstate == "08006" || answer.sqlstate == "57P03";
    CHECK_MESSAGE(is_expected, answer.sqlstate, ": ", answer.message);
}

}  // namespace

TEST_CASE("idle clients and one in a transaction outlive a restart of PostgreSQL") {
    for (auto how : {TestCluster::Stop::Immediate, TestCluster::Stop::Fast}) {
        PgweirProcess pgweir(config());
        std::vector<Connection> clients;
        for (int i = 0; i < 20; ++i) {
            clients.emplace_back(pgweir.target());
            clients.back().must("select 1");
        }
        Connection in_transaction(pgweir.target());
        in_transaction.must("begin");
        in_transaction.must("select 1");
        cluster().restart(how);
        CHECK(in_transaction.query("select 1").sqlstate == "40001");
        CHECK(in_transaction.query("rollback").ok());
        CHECK(in_transaction.value("select 'back'") == "back");
        for (auto& client : clients) {
            check_one_outcome(client.query("select 1"));
            CHECK(client.value("select 'back'") == "back");
        }
    }
}

TEST_CASE("a query that runs when PostgreSQL crashes hears 08007, and its client goes on") {
    PgweirProcess pgweir(config());
    Connection client(pgweir.target());
    client.send("select pg_sleep(600)");
    Connection admin(cluster().owner());
    wait_until("it sleeps", [&] {
        return admin.value("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") ==
               "1";
    });
    cluster().restart(TestCluster::Stop::Immediate);
    CHECK(client.answer().sqlstate == "08007");
    CHECK(client.value("select 'back'") == "back");
}

TEST_CASE("clients that ask while PostgreSQL is down wait for it") {
    PgweirProcess pgweir(config());
    std::vector<Connection> clients;
    for (int i = 0; i < 20; ++i) {
        clients.emplace_back(pgweir.target());
        clients.back().must("select 1");
    }
    cluster().stop(TestCluster::Stop::Immediate);
    for (auto& client : clients) client.send("select 'waited'");
    // Also one that is not logged in yet.
    Connection late = Connection::begin(pgweir.target());
    cluster().start();
    std::size_t answered = 0;
    for (auto& client : clients) {
        Answer answer = client.answer();
        check_one_outcome(answer);
        answered += answer.value() == "waited" ? 1 : 0;
        CHECK(client.value("select 'back'") == "back");
    }
    // At most those that were given a server whose end pgweir had not heard of yet were lost.
    CHECK(answered >= 16);
    wait_until("the late one is logged in", [&] {
        if (!late.is_ok()) PQconnectPoll(late.raw());
        return late.is_ok();
    });
    CHECK(late.value("select 'late'") == "late");
}

TEST_CASE("settings and prepared statements of clients outlive a restart") {
    PgweirProcess pgweir(config());
    Connection client(pgweir.target(), "options='-c DateStyle=SQL,DMY'");
    client.must("set time zone 'Asia/Tokyo'");
    CHECK(client.prepare("mine", "select current_setting('DateStyle')").ok());
    cluster().restart(TestCluster::Stop::Immediate);
    check_one_outcome(client.query("select 1"));
    CHECK(client.execute("mine").value() == "SQL, DMY");
    CHECK(client.value("show timezone") == "Asia/Tokyo");
}

TEST_CASE("the console answers while PostgreSQL is down, and limits are free again afterwards") {
    PgweirProcess pgweir(config());
    {
        Connection client(pgweir.target());
        client.must("begin");
        client.must("select 1");
        cluster().stop(TestCluster::Stop::Immediate);
        Connection console(pgweir.console());
        CHECK(console.query("show pools").ok());
        CHECK(console.query("show servers").ok());
        cluster().start();
    }
    // More than the pool's size at once: no permit was lost with the servers.
    std::vector<Connection> clients;
    for (int i = 0; i < 4; ++i) {
        clients.emplace_back(pgweir.target());
        clients.back().must("begin");
        clients.back().must("select 1");
    }
    CHECK(clients.size() == 4);
}
