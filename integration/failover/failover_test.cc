// SPDX-License-Identifier: PostgreSQL
// The primary goes, another node is promoted, and the clients stay. With PGWEIR_LONG set, twenty
// failovers of each kind and a hundred after SIGKILL (integration/failover/run --long).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "trio.h"
#include "workload.h"

using namespace pgweir::integration;

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

bool runs_long() {
    return std::getenv("PGWEIR_LONG") != nullptr;
}

// All cases share three nodes and one pgweir: each leaves them whole.
Trio& trio() {
    static Trio the_three;
    return the_three;
}

PgweirProcess& proxy() {
    static PgweirProcess process(trio().config());
    return process;
}

Target application() {
    return proxy().target().with_database("trio");
}

struct Outcome {
    Workload::Verdict verdict;
    // From the moment at which the promoted node took writes to the first one through pgweir.
    double notice_ms = 0;
};

// When the node takes its first write over a connection of our own.
Clock::time_point wait_for_writes_on(Node& node) {
    Connection direct(node.owner());
    wait_until(node.name() + " takes writes",
               [&] { return direct.query("insert into beats default values").ok(); });
    return Clock::now();
}

using Act = std::function<void(Node& old_primary)>;

// The old primary is broken, the furthest standby promoted; `meanwhile` follows, with the workload
// still running.
Outcome fail_over(const Act& break_it, const Act& meanwhile = nullptr) {
    trio().clear();
    const std::size_t before = trio().primary();
    Workload load(application());
    load.wait_for_writes(200);
    load.wait_for_reads(50);
    break_it(trio().node(before));
    const std::size_t next = trio().furthest_standby();
    trio().promote(next);
    const auto accepted = wait_for_writes_on(trio().node(next));
    Outcome outcome;
    wait_until("a write through pgweir", [&] {
        Clock::time_point first;
        if (!load.first_write_after(accepted, first)) return false;
        outcome.notice_ms = Milliseconds(first - accepted).count();
        return true;
    });
    load.wait_for_writes(200);
    load.wait_for_reads(50);
    if (meanwhile) meanwhile(trio().node(before));
    load.stop();
    outcome.verdict = load.judge(trio().node(next).owner());
    return outcome;
}

std::string told(const Workload::Verdict& verdict) {
    std::string text = std::to_string(verdict.acknowledged) + " writes acknowledged";
    for (const auto& [sqlstate, count] : verdict.errors) {
        text += ", " + sqlstate + " " + std::to_string(count) + " times";
    }
    return text;
}

void check(const Outcome& outcome) {
    const Workload::Verdict& verdict = outcome.verdict;
    MESSAGE(told(verdict), "; the first write came ", outcome.notice_ms,
            " ms after the promoted node took one");
    CHECK(verdict.problems == "");
    CHECK(verdict.lost_clients == 0);
    CHECK(verdict.missing == 0);
    CHECK(verdict.doubled == 0);
    CHECK(verdict.unexpected == 0);
    // Each client has one operation in flight at most.
    int errors = 0;
    for (const auto& [sqlstate, count] : verdict.errors) errors += count;
    CHECK(errors <= 9);
    CHECK(outcome.notice_ms < 2000);
}

std::string entries_on(Node& node) {
    return Connection(node.owner()).value("select count(*) from entries");
}

void repeat(int long_times, const std::function<void()>& act) {
    for (int i = 0; i < (runs_long() ? long_times : 1); ++i) act();
}

std::string console(const std::string& command) {
    const Answer answer = Connection(proxy().console()).query(command);
    return answer.ok() ? "" : answer.sqlstate + " " + answer.message;
}

}  // namespace

TEST_CASE("the primary's processes are killed") {
    std::vector<double> notices;
    repeat(100, [&] {
        const std::size_t before = trio().primary();
        const Outcome outcome = fail_over([](Node& node) { node.kill(); });
        check(outcome);
        notices.push_back(outcome.notice_ms);
        trio().rebuild(before);
    });
    if (!runs_long()) return;
    std::sort(notices.begin(), notices.end());
    const double median = notices[notices.size() / 2];
    const double p99 = notices[notices.size() * 99 / 100];
    MESSAGE("first write after the promotion, of ", notices.size(), " failovers: p50 ", median,
            " ms, p99 ", p99, " ms");
    CHECK(median <= 20);
    CHECK(p99 <= 50);
}

TEST_CASE("the primary stops at once") {
    repeat(20, [] {
        const std::size_t before = trio().primary();
        check(fail_over([](Node& node) { node.stop(Node::Stop::Immediate); }));
        trio().rebuild(before);
    });
}

TEST_CASE("the primary stops fast") {
    repeat(20, [] {
        const std::size_t before = trio().primary();
        check(fail_over([](Node& node) { node.stop(Node::Stop::Fast); }));
        trio().rebuild(before);
    });
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
                                              Workload more(application());
                                              more.wait_for_writes(100);
                                              more.stop();
                                              CHECK(entries_on(node) == count);
                                          });
        // The second workload wrote to the same table.
        CHECK(outcome.verdict.problems == "");
        CHECK(outcome.verdict.missing == 0);
        CHECK(outcome.verdict.lost_clients == 0);
        CHECK(outcome.notice_ms < 2000);
        MESSAGE(told(outcome.verdict));
        trio().rebuild(before);
    });
}

TEST_CASE("a standby is promoted while the old primary goes on") {
    repeat(20, [] {
        const std::size_t before = trio().primary();
        const Outcome outcome =
            fail_over([](Node&) {},
                      [](Node& node) {
                          const std::string count = entries_on(node);
                          Workload more(application());
                          more.wait_for_writes(100);
                          more.stop();
                          CHECK(entries_on(node) == count);
                          CHECK(!Connection(proxy().console()).must("show events").rows.empty());
                      });
        // What the old primary has acknowledged after the promotion is lost with it.
        MESSAGE(told(outcome.verdict), ", ", outcome.verdict.missing, " of them lost with it");
        CHECK(outcome.verdict.problems == "");
        CHECK(outcome.verdict.lost_clients == 0);
        CHECK(outcome.notice_ms < 3000);
        // The third node may have followed the old one too far.
        const std::size_t third = 3 - before - trio().primary();
        trio().node(third).kill();
        trio().node(third).make_standby_of(trio().node(trio().primary()));
        trio().rebuild(before);
    });
}

TEST_CASE("a switchover that was announced costs no error") {
    repeat(20, [] {
        const std::size_t before = trio().primary();
        const Outcome outcome = fail_over([](Node& node) {
            CHECK(console("switchover trio") == "");
            node.stop(Node::Stop::Fast);
        });
        check(outcome);
        CHECK(outcome.verdict.errors.empty());
        trio().rebuild(before);
    });
}

TEST_CASE("a primary that waits for its sessions to end can stop, and nobody hears an error") {
    repeat(20, [] {
        const std::size_t before = trio().primary();
        const Outcome outcome = fail_over([](Node& node) {
            node.order_stop(Node::Stop::Smart);
            // Looks over new connections find it out within some ten seconds.
            CHECK(node.stops());
        });
        check(outcome);
        CHECK(outcome.verdict.errors.empty());
        trio().rebuild(before);
    });
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
    CHECK(verdict.problems == "");
    CHECK(verdict.errors.empty());
    CHECK(verdict.missing == 0);
    CHECK(verdict.doubled == 0);
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
    CHECK(verdict.problems == "");
    CHECK(verdict.lost_clients == 0);
    CHECK(verdict.missing == 0);
    CHECK(verdict.doubled == 0);
    trio().wait_until_streaming();
}
