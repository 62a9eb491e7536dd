// SPDX-License-Identifier: PostgreSQL
// The primary goes, another node is promoted, and the clients stay. With PGWEIR_LONG set, twenty
// failovers of each kind and a hundred after SIGKILL (integration/failover/run --long).
#include <doctest/doctest.h>

#include "stage.h"

using namespace pgweir::integration;

namespace {

// The first number of a second workload's writers.
constexpr int kMoreWriters = 100;

// So many failovers of a kind that loses nothing; the broken node is a standby again after each.
std::vector<Outcome> fail_over_often(int long_times, const Act& break_it) {
    std::vector<Outcome> outcomes;
    repeat(long_times, [&] {
        const std::size_t before = trio().primary();
        outcomes.push_back(fail_over(break_it));
        check(outcomes.back());
        trio().rebuild(before);
    });
    tell_spread(outcomes);
    return outcomes;
}

// Nobody stops the old primary, which goes on to take writes over the sessions it has.
void split_brain(const Act& break_it, const Act& mend) {
    repeat(20, [&] {
        const std::size_t before = trio().primary();
        const Outcome outcome = fail_over(break_it, [&](Node& node) {
            mend(node);
            const std::string count = entries_on(node);
            Workload more(application(), kMoreWriters);
            more.wait_for_writes(100);
            more.stop();
            CHECK(entries_on(node) == count);
            CHECK(!Connection(proxy().console()).must("show events").rows.empty());
        });
        // What the old primary has acknowledged after the promotion is lost with it.
        MESSAGE(told(outcome.verdict), ", ", outcome.verdict.missing,
                " of them lost with it; the first write came ", outcome.notice_ms,
                " ms after the promoted node took one");
        check_honest(outcome.verdict);
        // A quiet look, each second, may be the first to see it.
        CHECK(outcome.notice_ms < 3000);
        // The third node may have followed the old one too far.
        const std::size_t third = 3 - before - trio().primary();
        trio().node(third).kill();
        trio().node(third).make_standby_of(trio().node(trio().primary()));
        trio().rebuild(before);
    });
}

}  // namespace

TEST_CASE("the primary's processes are killed") {
    std::vector<double> notices;
    for (const Outcome& each : fail_over_often(100, [](Node& node) { node.kill(); })) {
        notices.push_back(each.notice_ms);
    }
    if (!runs_long()) return;
    const Spread notice = spread_of(notices);
    CHECK(notice.p50 <= 20);
    CHECK(notice.p99 <= 50);
}

TEST_CASE("the primary stops at once") {
    fail_over_often(20, [](Node& node) { node.stop(Node::Stop::Immediate); });
}

TEST_CASE("the primary stops fast") {
    fail_over_often(20, [](Node& node) { node.stop(Node::Stop::Fast); });
}

TEST_CASE("the primary is frozen, given up, and wakes again") {
    repeat(20, [] {
        const std::size_t before = trio().primary();
        const Outcome outcome = fail_over([](Node& node) { node.freeze(); },
                                          [](Node& node) {
                                              node.thaw();
                                              // What was on its way when it froze may still run
                                              // there; nothing new does.
                                              wait_until("the woken node answers", [&] {
                                                  return Connection::attempt(node.owner()).is_ok();
                                              });
                                              const std::string count = entries_on(node);
                                              Workload more(application(), kMoreWriters);
                                              more.wait_for_writes(100);
                                              more.stop();
                                              CHECK(entries_on(node) == count);
                                          });
        check(outcome);
        trio().rebuild(before);
    });
}

TEST_CASE("a standby is promoted while the old primary goes on") {
    split_brain([](Node&) {}, [](Node&) {});
}

TEST_CASE("a standby is promoted while the old primary's postmaster is frozen") {
    split_brain([](Node& node) { node.freeze_postmaster(); }, [](Node& node) { node.thaw(); });
}

TEST_CASE("one session of the primary is killed: the primary recovers, and clients stay") {
    repeat(20, [] {
        trio().clear();
        Node& node = trio().node(trio().primary());
        Workload load(application());
        load.wait_for_writes(200);
        load.wait_for_reads(50);
        node.kill_one_session();
        load.wait_for_writes(200);
        load.wait_for_reads(50);
        load.stop();
        Outcome outcome;
        outcome.verdict = load.judge(node.owner());
        check(outcome);
        trio().wait_until_streaming();
    });
}

TEST_CASE("a switchover that was announced costs no error") {
    const auto outcomes = fail_over_often(20, [](Node& node) {
        CHECK(console("switchover trio") == "");
        node.stop(Node::Stop::Fast);
    });
    for (const Outcome& each : outcomes) {
        CHECK(each.errors() == 0);
        CHECK(each.verdict.lost_places == 0);
    }
}

TEST_CASE("a primary that waits for its sessions to end can stop, and nobody hears an error") {
    const auto outcomes = fail_over_often(20, [](Node& node) {
        node.order_stop(Node::Stop::Smart);
        // Looks over new connections find it out within some ten seconds.
        CHECK(node.stops());
    });
    for (const Outcome& each : outcomes) {
        CHECK(each.errors() == 0);
        CHECK(each.verdict.lost_places == 0);
    }
}

TEST_CASE("every node restarts in turn, drained before, and nobody hears an error") {
    trio().clear();
    Workload load(application());
    load.wait_for_writes(50);
    const std::size_t before = trio().primary();
    for (std::size_t i = 0; i < 3; ++i) {
        if (i == before) continue;
        const std::string name = "127.0.0.1:" + std::to_string(trio().node(i).port());
        CHECK(console("drain " + name) == "");
        trio().node(i).stop(Node::Stop::Fast);
        trio().node(i).start();
        CHECK(console("undrain " + name) == "");
        load.wait_for_reads(50);
    }
    trio().wait_until_streaming();
    CHECK(console("switchover trio") == "");
    trio().node(before).stop(Node::Stop::Fast);
    const std::size_t next = trio().furthest_standby();
    trio().promote(next);
    load.wait_for_writes(100);
    load.stop();
    const Workload::Verdict verdict = load.judge(trio().node(next).owner());
    MESSAGE(told(verdict));
    check_honest(verdict);
    CHECK(verdict.errors.empty());
    CHECK(verdict.lost_places == 0);
    CHECK(verdict.missing == 0);
    trio().rebuild(before);
}

TEST_CASE("all nodes are gone and come back") {
    trio().clear();
    const std::size_t primary = trio().primary();
    Workload load(application());
    load.wait_for_writes(100);
    for (std::size_t i = 0; i < 3; ++i) trio().node(i).kill();
    for (std::size_t i = 0; i < 3; ++i) trio().node(i).start();
    load.wait_for_writes(100);
    load.wait_for_reads(50);
    load.stop();
    const Workload::Verdict verdict = load.judge(trio().node(primary).owner());
    MESSAGE(told(verdict));
    check_honest(verdict);
    CHECK(verdict.missing == 0);
    trio().wait_until_streaming();
}

TEST_CASE("the same clients live through two failovers: to a standby, and back") {
    repeat(20, [] {
        trio().clear();
        const std::size_t first = trio().primary();
        Workload load(application());
        load.wait_for_writes(100);
        trio().node(first).kill();
        const std::size_t second = trio().furthest_standby();
        trio().promote(second);
        auto accepted = wait_for_writes_on(trio().node(second));
        const double there_ms = wait_for_notice(load, trio().node(second), accepted);
        // On the same address, now as a standby.
        trio().rebuild(first);
        // What is acknowledged from now on the first node has.
        trio().node(second).confirm_by(trio().node(first).name());
        load.wait_for_writes(200);
        trio().node(second).kill();
        trio().promote(first);
        accepted = wait_for_writes_on(trio().node(first));
        const double back_ms = wait_for_notice(load, trio().node(first), accepted);
        load.wait_for_writes(100);
        load.wait_for_reads(50);
        load.stop();
        const Workload::Verdict verdict = load.judge(trio().node(first).owner());
        MESSAGE(told(verdict), "; first writes after ", there_ms, " and ", back_ms, " ms");
        check_honest(verdict);
        CHECK(verdict.missing == 0);
        CHECK(there_ms < 2000);
        CHECK(back_ms < 2000);
        // The third node may have followed the second one too far.
        const std::size_t third = 3 - first - second;
        trio().node(third).kill();
        trio().node(third).make_standby_of(trio().node(first));
        trio().rebuild(second);
    });
}

TEST_CASE("without an orchestrator, the operator's command promotes a standby") {
    Trio three(false);
    PgweirConfig config = three.config();
    const std::string psql = postgresql_bin() + "/psql -X -U owner -d postgres";
    config.set("cluster", "on_primary_lost",
               "\"test $PGWEIR_PRIMARY = 127.0.0.1:" + std::to_string(three.node(0).port()) +
                   " && first=${PGWEIR_STANDBYS%% *} && " + psql +
                   " -h ${first%:*} -p ${first##*:} -c 'select pg_promote(false)'\"");
    config.set("cluster", "on_primary_lost_delay", "\"200ms\"");
    PgweirProcess proxy(config);
    Connection client(proxy.target().with_database("trio"));
    client.must("insert into beats default values");
    three.node(0).kill();
    // Nothing was in flight: it waits for the node that the command promotes.
    client.must("insert into beats default values");
    CHECK(client.value("show transaction_read_only") == "off");
}
