// SPDX-License-Identifier: PostgreSQL
// SHOW NODES, SHOW LAG, SHOW ROUTES, EXPLAIN ROUTE: columns, and several workers as one.
#include <doctest/doctest.h>

#include <string>

#include "pgweir/admin/show.h"

using namespace pgweir;
using namespace pgweir::admin;

namespace {

std::string names_of(ShowTable table) {
    std::string names;
    for (const TableColumn& column : columns_of(table)) {
        if (!names.empty()) names += ' ';
        names += column.name;
    }
    return names;
}

std::string row_of(const TableText& table, std::size_t row) {
    REQUIRE(row < table.rows.size());
    std::string text;
    for (const auto& value : table.rows[row]) {
        if (!text.empty()) text += '|';
        text += value.value_or("NULL");
    }
    return text;
}

NodeRow standby() {
    return {.cluster = "one:5432,two:5432,",
            .databases = "app",
            .host = "two",
            .port = 5432,
            .role = "standby",
            .zone = "east",
            .weight = 2,
            .timeline = 3,
            .lsn = "0/10",
            .primary_lsn = "0/18",
            .lag_bytes = 8,
            .lag_time = Duration::milliseconds(5),
            .lag_bytes_max = 100,
            .lag_time_max = Duration::seconds(1),
            .round_trip = Duration::microseconds(70),
            .evidence_age = Duration::milliseconds(90),
            .role_since = Instant{5'000'000},
            .state = "ok",
            .reads = 1,
            .writes = 2,
            .retries = 3,
            .outstanding = 4};
}

}  // namespace

TEST_CASE("SHOW NODES shows all that is known of a node") {
    CHECK(names_of(ShowTable::Nodes) ==
          "databases host port role zone weight timeline lsn lag_bytes lag_ms round_trip_us "
          "evidence_age_ms role_since state reads writes retries outstanding");
    ShowData data;
    data.nodes = {standby()};
    data.origin_unix_us = 1'700'000'000'000'000;
    CHECK(row_of(render(ShowTable::Nodes, data), 0) ==
          "app|two|5432|standby|east|2|3|0/10|8|5|70|90|2023-11-14 22:13:25 UTC|ok|1|2|3|4");
}

TEST_CASE("what is not known of a node is NULL") {
    ShowData data;
    data.nodes.push_back({.databases = "app", .host = "one", .port = 1, .state = "not seen yet"});
    data.origin_unix_us = 0;
    CHECK(row_of(render(ShowTable::Nodes, data), 0) ==
          "app|one|1|unknown||1|NULL|NULL|NULL|NULL|NULL|NULL|NULL|not seen yet|0|0|0|0");
}

TEST_CASE("SHOW LAG shows every node but the primary, beside the limits") {
    CHECK(names_of(ShowTable::Lag) ==
          "databases node replayed_lsn primary_lsn lag_bytes max_lag_bytes lag_ms max_lag_ms "
          "evidence_age_ms state");
    ShowData data;
    data.nodes = {standby(), standby()};
    data.nodes[0].role = "primary";
    const TableText lag = render(ShowTable::Lag, data);
    REQUIRE(lag.rows.size() == 1);
    CHECK(row_of(lag, 0) == "app|two:5432|0/10|0/18|8|100|5|1000|90|ok");
}

TEST_CASE("SHOW EVENTS shows what happened, with milliseconds") {
    CHECK(names_of(ShowTable::Events) == "time databases node kind event");
    ShowData data;
    data.origin_unix_us = 1'700'000'000'000'000;
    data.events = {{.databases = "app",
                    .at = Instant{} + Duration::milliseconds(1007),
                    .node = "two:5432",
                    .text = "two:5432 is the primary now"},
                   {.is_alarm = true, .text = "neither gets any work"}};
    const TableText events = render(ShowTable::Events, data);
    REQUIRE(events.rows.size() == 2);
    CHECK(row_of(events, 0) ==
          "2023-11-14 22:13:21.007 UTC|app|two:5432|change|two:5432 is the primary now");
    CHECK(row_of(events, 1).find("|alarm|") != std::string::npos);
}

TEST_CASE("a node's counts of all workers add up, and its youngest evidence is shown") {
    ShowData one;
    one.nodes = {standby()};
    ShowData two;
    two.nodes = {standby()};
    two.nodes[0].evidence_age = Duration::milliseconds(20);
    two.nodes[0].lsn = "0/14";
    two.nodes[0].reads = 10;
    ShowData three;
    three.nodes = {standby()};
    three.nodes[0].cluster = "another";
    three.nodes.push_back(standby());
    three.nodes[1].evidence_age.reset();
    merge(one, std::move(two));
    merge(one, std::move(three));
    REQUIRE(one.nodes.size() == 2);
    CHECK(one.nodes[0].lsn == "0/14");
    CHECK(one.nodes[0].evidence_age == Duration::milliseconds(20));
    CHECK(one.nodes[0].reads == 12);
    CHECK(one.nodes[0].writes == 6);
    CHECK(one.nodes[0].retries == 9);
    CHECK(one.nodes[0].outstanding == 12);
    CHECK(one.nodes[1].cluster == "another");
}

TEST_CASE("SHOW ROUTES adds shapes up and shows the most frequent first") {
    CHECK(names_of(ShowTable::Routes) == "shape statements retries verdict reason");
    ShowData one;
    one.routes.push_back({.shape = "SELECT $1", .statements = 5, .is_read = true});
    one.routes.push_back({.shape = "SELECT f()", .statements = 4, .is_read = true});
    ShowData two;
    two.routes.push_back(
        {.shape = "SELECT f()", .statements = 3, .retries = 1, .reason = "learned"});
    merge(one, std::move(two));
    const TableText routes = render(ShowTable::Routes, one);
    REQUIRE(routes.rows.size() == 2);
    CHECK(row_of(routes, 0) == "SELECT f()|7|1|primary|learned");
    CHECK(row_of(routes, 1) == "SELECT $1|5|0|read|");
}

TEST_CASE("SHOW ROUTES ends after a hundred shapes") {
    ShowData data;
    for (std::uint64_t i = 1; i <= 150; ++i) data.routes.push_back({.shape = "s", .statements = i});
    const TableText routes = render(ShowTable::Routes, data);
    CHECK(routes.rows.size() == 100);
    CHECK(row_of(routes, 99) == "s|51|0|primary|");
}

TEST_CASE("EXPLAIN ROUTE is answered by the worker that knows most") {
    CHECK(names_of(ShowTable::Route) == "EXPLAIN ROUTE");
    ShowData one;
    one.route = {.knows = 1, .lines = {"one"}};
    for (const std::uint8_t knows : {std::uint8_t{1}, std::uint8_t{3}, std::uint8_t{2}}) {
        ShowData other;
        other.route = {.knows = knows, .lines = {std::to_string(knows), "more"}};
        merge(one, std::move(other));
    }
    const TableText text = render(ShowTable::Route, one);
    REQUIRE(text.rows.size() == 2);
    CHECK(row_of(text, 0) == "3");
    CHECK(row_of(text, 1) == "more");
}
