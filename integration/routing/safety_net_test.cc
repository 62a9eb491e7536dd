// SPDX-License-Identifier: PostgreSQL
// What was taken for a read and is refused by a standby, or canceled there because it stands in the
// way of recovery: it runs again elsewhere, and the client never knows.
#include <doctest/doctest.h>

#include "routed.h"

using namespace pgweir::integration;

namespace {

// PostgreSQL's catalog calls it stable, and it writes.
const std::string kHidden = "select hidden_write(), current_setting('app.node')";
const std::string kRefused = "cannot execute nextval() in a read-only transaction";

int refusals() {
    return occurrences(routed().first.log(), kRefused) +
           occurrences(routed().second.log(), kRefused);
}

std::string node_of(const Answer& answer) {
    CHECK_MESSAGE(answer.ok(), answer.sqlstate, " ", answer.message);
    return answer.rows.empty() ? "" : answer.rows[0].back().value();
}

// While it lives, standbys cancel what stands in the way of recovery.
class Impatience {
 public:
    explicit Impatience(TestStandby& standby)
        : delay_(standby.owner(), "max_standby_streaming_delay", "0") {
        Connection admin(standby.owner());
        wait_until("the standby is impatient",
                   [&] { return admin.value("show max_standby_streaming_delay") == "0"; });
    }

 private:
    NodeSetting delay_;
};

// The standby that runs a statement with that mark now.
TestStandby* who_runs(const std::string& mark) {
    for (TestStandby* standby : {&routed().first, &routed().second}) {
        Connection admin(standby->owner());
        if (admin.value("select count(*) from pg_stat_activity where state = 'active' and "
                        "pid <> pg_backend_pid() and query like '%" +
                        mark + "%'") != "0") {
            return standby;
        }
    }
    return nullptr;
}

void lock_on_primary() {
    Connection owner(routed().primary.owner());
    owner.must("begin; lock table conflicting in access exclusive mode; commit");
    owner.must("select txid_current()");
}

}  // namespace

TEST_CASE("a hidden write that a standby refuses runs on the primary, and is remembered") {
    for (const bool is_extended : {false, true}) {
        CAPTURE(is_extended);
        PgweirProcess pgweir(routed().config());
        wait_for_both(pgweir);
        auto ask = [&](Connection& client) {
            return is_extended ? client.query(kHidden, {}) : client.query(kHidden);
        };
        const int before = refusals();
        Connection client(routed_by(pgweir));
        CHECK(node_of(ask(client)) == "primary");
        CHECK(refusals() == before + 1);
        // Nobody tries a standby a second time.
        for (int i = 0; i < 5; ++i) {
            Connection other(routed_by(pgweir));
            CHECK(node_of(ask(other)) == "primary");
        }
        CHECK(refusals() == before + 1);
        // It was no accident of the whole session.
        CHECK(Connection(routed_by(pgweir)).value(kRead) != "primary");
    }
}

TEST_CASE("a prepared statement that a standby refuses runs on the primary") {
    PgweirProcess pgweir(routed().config());
    wait_for_both(pgweir);
    const int before = refusals();
    Connection client(routed_by(pgweir));
    REQUIRE(client.prepare("hidden", kHidden).ok());
    for (int i = 0; i < 5; ++i) CHECK(node_of(client.execute("hidden")) == "primary");
    CHECK(refusals() <= before + 1);
}

TEST_CASE("in a transaction that is read only the refusal is the client's") {
    PgweirProcess pgweir(routed().config());
    wait_for_both(pgweir);
    Connection client(routed_by(pgweir));
    client.must("begin read only");
    CHECK(client.value(kRead) != "primary");
    CHECK(client.query(kHidden).sqlstate == "25006");
    CHECK(client.must("rollback").tag == "ROLLBACK");
    CHECK(client.value(kWrite) == "primary");
}

TEST_CASE("a read that is canceled for a recovery conflict runs again elsewhere") {
    for (const bool is_extended : {false, true}) {
        CAPTURE(is_extended);
        PgweirProcess pgweir(routed().config());
        wait_for_both(pgweir);
        Impatience first(routed().first);
        Impatience second(routed().second);
        const std::string sql =
            "select /* conflict */ count(pg_sleep(0.2)), max(current_setting('app.node')) from "
            "conflicting";
        Connection client(routed_by(pgweir));
        if (is_extended) {
            PQsendQueryParams(client.raw(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0);
        } else {
            client.send(sql);
        }
        wait_until("the read runs on a standby", [] { return who_runs("conflict") != nullptr; });
        TestStandby& standby = *who_runs("conflict");
        const int before = occurrences(standby.log(), "conflict with recovery");
        lock_on_primary();
        const Answer answer = client.answer();
        CHECK_MESSAGE(answer.ok(), answer.sqlstate, " ", answer.message);
        CHECK(answer.value() == "10");
        CHECK(occurrences(standby.log(), "conflict with recovery") == before + 1);
    }
}

TEST_CASE("a recovery conflict in a transaction is the client's") {
    PgweirProcess pgweir(routed().config());
    wait_for_both(pgweir);
    Impatience first(routed().first);
    Impatience second(routed().second);
    Connection client(routed_by(pgweir));
    client.must("begin read only");
    client.must("select count(*) from conflicting");
    client.send("select /* in_transaction */ count(pg_sleep(0.2)) from conflicting");
    wait_until("the read runs on a standby", [] { return who_runs("in_transaction") != nullptr; });
    lock_on_primary();
    CHECK(client.answer().sqlstate == "40001");
    CHECK(client.must("rollback").tag == "ROLLBACK");
    CHECK(client.query("select count(*) from conflicting").value() == "10");
}

TEST_CASE("a conflict after rows were passed on is told, and the session goes on") {
    PgweirProcess pgweir(routed().config());
    wait_for_both(pgweir);
    Impatience first(routed().first);
    Impatience second(routed().second);
    Connection client(routed_by(pgweir));
    // Rows of 10 kB leave the server at once.
    client.send("select /* with_rows */ n, repeat('x', 10000), pg_sleep(0.1) from conflicting");
    PQsetSingleRowMode(client.raw());
    const auto row = client.next_answer();
    REQUIRE(row.has_value());
    CHECK(row->status == PGRES_SINGLE_TUPLE);
    lock_on_primary();
    std::string error;
    int rows = 1;
    while (auto next = client.next_answer()) {
        rows += next->status == PGRES_SINGLE_TUPLE ? 1 : 0;
        if (!next->sqlstate.empty()) error = next->sqlstate;
    }
    CHECK(error == "40001");
    CHECK(rows < 10);
    CHECK(client.query("select count(*) from conflicting").value() == "10");
}
