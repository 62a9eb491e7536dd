// SPDX-License-Identifier: PostgreSQL
#include "stage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

namespace pgweir::integration {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

// Writers, writers of transactions and readers: each has one operation in flight at most.
constexpr int kBusyClients = 9;

}  // namespace

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

bool runs_long() {
    return std::getenv("PGWEIR_LONG") != nullptr;
}

void repeat(int long_times, const std::function<void()>& act) {
    for (int i = 0; i < (runs_long() ? long_times : 1); ++i) act();
}

int Outcome::errors() const {
    int sum = 0;
    for (const auto& [sqlstate, count] : verdict.errors) sum += count;
    return sum;
}

Clock::time_point wait_for_writes_on(Node& node) {
    Connection direct(node.owner());
    wait_until(node.name() + " takes writes",
               [&] { return direct.query("insert into beats default values").ok(); });
    return Clock::now();
}

double wait_for_notice(Workload& load, Node& node, Clock::time_point accepted) {
    const int timeline = node.timeline();
    Clock::time_point first;
    wait_until("a write through pgweir",
               [&] { return load.first_write_after(accepted, timeline, first); });
    return Milliseconds(first - accepted).count();
}

Outcome fail_over(const Act& break_it, const Act& meanwhile, const Target& target) {
    trio().clear();
    const std::size_t before = trio().primary();
    Workload load(target);
    load.wait_for_writes(200);
    load.wait_for_reads(50);
    break_it(trio().node(before));
    const std::size_t next = trio().furthest_standby();
    trio().promote(next);
    const auto accepted = wait_for_writes_on(trio().node(next));
    Outcome outcome;
    outcome.notice_ms = wait_for_notice(load, trio().node(next), accepted);
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
    if (verdict.lost_places > 0) {
        text += ", " + std::to_string(verdict.lost_places) + " places that may be lost";
    }
    for (const auto& [sqlstate, count] : verdict.read_errors) {
        text += " (" + std::to_string(count) + " " + sqlstate + " of reads)";
    }
    return text;
}

void check_honest(const Workload::Verdict& verdict) {
    CHECK(verdict.problems == "");
    CHECK(verdict.lost_clients == 0);
    CHECK(verdict.doubled == 0);
    CHECK(verdict.unexpected == 0);
    CHECK(verdict.backwards == 0);
    CHECK(verdict.missing_since == 0);
}

void check(const Outcome& outcome, double notice_ms_max) {
    MESSAGE(told(outcome.verdict), "; the first write came ", outcome.notice_ms,
            " ms after the promoted node took one");
    check_honest(outcome.verdict);
    CHECK(outcome.verdict.missing == 0);
    // Each client has one operation in flight at most.
    CHECK(outcome.errors() <= kBusyClients);
    // And its session may have seen a place that nobody can be sure of any more: while the set of
    // synchronous standbys changes, what the primary was seen to have inserted has to do, and that
    // lies ahead of what a standby has received. It is told once.
    CHECK(outcome.verdict.lost_places <= kBusyClients);
    CHECK(outcome.notice_ms < notice_ms_max);
}

Spread spread_of(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    return {values[values.size() / 2], values[values.size() * 99 / 100]};
}

void tell_spread(const std::vector<Outcome>& outcomes) {
    if (!runs_long()) return;
    std::vector<double> notices;
    std::vector<double> errors;
    for (const Outcome& each : outcomes) {
        notices.push_back(each.notice_ms);
        errors.push_back(each.errors());
    }
    const Spread notice = spread_of(notices);
    const Spread error = spread_of(errors);
    MESSAGE("of ", outcomes.size(), " failovers: first write after the promotion p50 ", notice.p50,
            " ms, p99 ", notice.p99, " ms; errors p50 ", error.p50, ", p99 ", error.p99);
}

std::string entries_on(Node& node) {
    return Connection(node.owner()).value("select count(*) from entries");
}

std::string console(const std::string& command) {
    const Answer answer = Connection(proxy().console()).query(command);
    return answer.ok() ? "" : answer.sqlstate + " " + answer.message;
}

}  // namespace pgweir::integration
