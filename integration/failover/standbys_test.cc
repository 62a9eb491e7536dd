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
    CHECK(verdict.lost_places == 0);
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

// What it was answering when it froze runs elsewhere once two looks have failed.
TEST_CASE("a standby freezes: new reads are served elsewhere, and nobody hears an error") {
    repeat(20, [] {
        trio().clear();
        Workload load(application());
        load.wait_for_writes(50);
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        load.take_longest_read();
        trio().node(some_standby()).freeze();
        const auto frozen_at = Clock::now();
        wait_until("new readers are served", [] {
            for (int i = 0; i < 10; ++i) {
                Connection client = Connection::attempt(application());
                client.send("select count(*) from beats");
                if (!client.has_answer(std::chrono::milliseconds(100))) return false;
            }
            return true;
        });
        const std::chrono::duration<double, std::milli> took = Clock::now() - frozen_at;
        load.wait_for_writes(200);
        load.wait_for_reads(500);
        const auto longest = load.take_longest_read();
        trio().node(some_standby()).thaw();
        load.wait_for_reads_on(trio().node(some_standby()).name(), 100);
        MESSAGE("new reads move on after ", took.count(), " ms; the longest read took ",
                longest.count(), " ms");
        CHECK(took.count() < 3000);
        check_quiet(load);
        trio().wait_until_streaming();
    });
}
