// SPDX-License-Identifier: PostgreSQL
// Replication that nobody waits for: a failover loses commits, and says so.
#include <doctest/doctest.h>

#include <algorithm>

#include "stage.h"

using namespace pgweir::integration;

TEST_CASE("an asynchronous failover loses what no standby had received, and nothing else") {
    Trio nodes(false);
    PgweirProcess pgweir(nodes.config());
    Workload load(pgweir.target().with_database("trio"));
    load.wait_for_writes(200);
    load.wait_for_reads(50);
    const auto cut = Clock::now();
    nodes.node(1).follow_nobody();
    nodes.node(2).follow_nobody();
    load.wait_for_writes(100);
    nodes.node(0).kill();
    const std::size_t next = nodes.furthest_standby();
    nodes.promote(next);
    const auto accepted = wait_for_writes_on(nodes.node(next));
    const double notice_ms = wait_for_notice(load, nodes.node(next), accepted);
    load.wait_for_writes(200);
    load.wait_for_reads(50);
    load.stop();
    const Workload::Verdict verdict = load.judge(nodes.node(next).owner());
    MESSAGE(told(verdict), ", ", verdict.missing, " of them lost; the first write came ", notice_ms,
            " ms after the promoted node took one");
    check_honest(verdict);
    CHECK(verdict.missing >= 100);
    CHECK(verdict.first_missing > cut);
    CHECK(notice_ms < 3000);
    const Answer events = Connection(pgweir.console()).must("show events");
    CHECK(std::any_of(events.rows.begin(), events.rows.end(), [](const auto& row) {
        return std::any_of(row.begin(), row.end(), [](const std::optional<std::string>& text) {
            return text && text->find("is not part of timeline 2") != std::string::npos;
        });
    }));
}
