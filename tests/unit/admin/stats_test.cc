// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/stats.h"

#include <doctest/doctest.h>

#include <string_view>

using namespace pgweir;
using namespace pgweir::admin;

namespace {

std::uint64_t average(std::string_view name, const StatsCounters& change, Duration period) {
    for (const StatsField& field : stats_fields()) {
        if (field.average_name == name) return average_of(field, change, period);
    }
    FAIL("no such field");
    return 0;
}

}  // namespace

TEST_CASE("averages are per second, times are per what took them") {
    const StatsCounters change{.server_assignments = 50,
                               .transactions = 100,
                               .queries = 300,
                               .received_bytes = 1000,
                               .sent_bytes = 5000,
                               .transaction_us = 20'000,
                               .query_us = 15'000,
                               .wait_us = 500,
                               .client_parses = 10,
                               .server_parses = 20,
                               .binds = 40};
    const Duration period = Duration::seconds(10);
    CHECK(average("avg_server_assignment_count", change, period) == 5);
    CHECK(average("avg_xact_count", change, period) == 10);
    CHECK(average("avg_query_count", change, period) == 30);
    CHECK(average("avg_recv", change, period) == 100);
    CHECK(average("avg_sent", change, period) == 500);
    CHECK(average("avg_xact_time", change, period) == 200);
    CHECK(average("avg_query_time", change, period) == 50);
    CHECK(average("avg_wait_time", change, period) == 10);
    CHECK(average("avg_client_parse_count", change, period) == 1);
    CHECK(average("avg_server_parse_count", change, period) == 2);
    CHECK(average("avg_bind_count", change, period) == 4);
}

TEST_CASE("the average of nothing, or of no time, is 0") {
    for (const StatsField& field : stats_fields()) {
        CHECK(average_of(field, {}, Duration::seconds(60)) == 0);
    }
    CHECK(average("avg_recv", {.received_bytes = 1000}, Duration{}) == 0);
    CHECK(average("avg_query_time", {.query_us = 1000}, Duration::seconds(1)) == 0);
}

TEST_CASE("the average of many bytes does not overflow") {
    const StatsCounters change{.sent_bytes = std::uint64_t{1} << 60};
    CHECK(average("avg_sent", change, Duration::seconds(1)) == std::uint64_t{1} << 60);
}

TEST_CASE("a window of statistics begins between one and two periods ago") {
    const Duration period = Duration::seconds(60);
    StatsWindow window(Instant{0});
    for (std::int64_t second = 1; second <= 200; ++second) {
        const Instant now = Instant{} + Duration::seconds(second);
        const auto count = static_cast<std::uint64_t>(second);
        window.note({.queries = count * 10}, now, period);
        CAPTURE(second);
        CHECK(window.length(now) < period + period + Duration::seconds(1));
        if (second >= 60) CHECK(window.length(now) >= period);
        // Ten a second, at every moment.
        const StatsCounters start = window.start();
        const std::uint64_t length = static_cast<std::uint64_t>(window.length(now).us) / 1'000'000;
        CHECK(count * 10 - start.queries == length * 10);
    }
}
