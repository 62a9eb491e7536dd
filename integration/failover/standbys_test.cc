// SPDX-License-Identifier: PostgreSQL
// Standbys go and come while the primary stays: nobody hears of it.
#include <doctest/doctest.h>

#include "stage.h"

using namespace pgweir::integration;

namespace {

std::size_t some_standby() {
    return trio().primary() == 0 ? 1 : 0;
}

void check_quiet(Workload& load) {
    load.stop();
    const Workload::Verdict verdict = load.judge(trio().node(trio().primary()).owner());
    MESSAGE(told(verdict));
    check_honest(verdict);
    CHECK(verdict.errors.empty());
    CHECK(verdict.missing == 0);
}

}  // namespace

TEST_CASE("a standby is killed, comes back on its address, and nobody hears an error") {
    repeat(20, [] {
        trio().clear();
        Workload load(application());
        load.wait_for_writes(50);
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        trio().node(some_standby()).kill();
        load.wait_for_writes(50);
        load.wait_for_reads(300);
        trio().node(some_standby()).start();
        trio().wait_until_streaming();
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        check_quiet(load);
    });
}

TEST_CASE("a standby is killed while it is read from and another copy takes its address") {
    repeat(20, [] {
        trio().clear();
        Workload load(application());
        load.wait_for_writes(50);
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        trio().rebuild(some_standby());
        load.wait_for_writes(50);
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        check_quiet(load);
    });
}

TEST_CASE("a standby freezes: its readers are served elsewhere, and nobody hears an error") {
    repeat(20, [] {
        trio().clear();
        Workload load(application());
        load.wait_for_writes(50);
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        load.take_longest_read();
        trio().node(some_standby()).freeze();
        load.wait_for_writes(200);
        load.wait_for_reads(1000);
        const auto longest = load.take_longest_read();
        trio().node(some_standby()).thaw();
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        MESSAGE("the longest read took ", longest.count(), " ms");
        CHECK(longest.count() < 3000);
        check_quiet(load);
        trio().wait_until_streaming();
    });
}
