// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/show.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "admin/command_table.h"

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

std::string types_of(ShowTable table) {
    std::string types;
    for (const TableColumn& column : columns_of(table)) {
        if (!types.empty()) types += ' ';
        types += std::to_string(column.type_oid);
    }
    return types;
}

std::string cell(const TableText& table, std::size_t row, std::string_view name) {
    REQUIRE(row < table.rows.size());
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (table.columns[i].name == name) return table.rows[row][i].value_or("NULL");
    }
    FAIL("no column " << std::string(name));
    return {};
}

constexpr ShowTable kTables[] = {
    ShowTable::Help,          ShowTable::Version, ShowTable::Databases, ShowTable::Pools,
    ShowTable::Clients,       ShowTable::Servers, ShowTable::Stats,     ShowTable::StatsTotals,
    ShowTable::StatsAverages, ShowTable::Totals,  ShowTable::Lists,     ShowTable::Config,
    ShowTable::Users,         ShowTable::State,   ShowTable::Nodes,     ShowTable::Lag,
    ShowTable::Events,        ShowTable::Routes,  ShowTable::Route,
};

ShowData data_with_one_of_each() {
    ShowData data;
    data.databases.push_back({.name = "app", .database = "app"});
    data.pools.push_back({.database = "app", .user = "alice"});
    data.clients.push_back({.user = "alice", .database = "app"});
    data.servers.push_back({.user = "alice", .database = "app"});
    data.stats.push_back({.database = "app"});
    data.users.push_back({.name = "alice"});
    data.config.push_back({.key = "pool_size", .value = "20", .fallback = "20"});
    data.nodes.push_back({.cluster = "a", .databases = "app", .host = "a", .role = "standby"});
    data.events.push_back({.databases = "app", .node = "a:5432", .text = "it was promoted"});
    data.routes.push_back({.shape = "SELECT $1"});
    data.route = {.knows = 1, .lines = {"read"}};
    return data;
}

}  // namespace

TEST_CASE("the columns are PgBouncer's, in its order") {
    CHECK(names_of(ShowTable::Databases) ==
          "name host port database force_user pool_size min_pool_size reserve_pool_size "
          "server_lifetime pool_mode load_balance_hosts max_connections current_connections "
          "max_client_connections current_client_connections paused disabled");
    CHECK(names_of(ShowTable::Pools) ==
          "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active "
          "sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait "
          "maxwait_us pool_mode load_balance_hosts");
    const char* const connection =
        "type user database replication state addr port local_addr local_port connect_time "
        "request_time wait wait_us close_needed ptr link remote_pid tls application_name "
        "prepared_statements id";
    CHECK(names_of(ShowTable::Clients) == connection);
    CHECK(names_of(ShowTable::Servers) == connection);
    CHECK(names_of(ShowTable::Stats) ==
          "database total_server_assignment_count total_xact_count total_query_count "
          "total_received total_sent total_xact_time total_query_time total_wait_time "
          "total_client_parse_count total_server_parse_count total_bind_count "
          "avg_server_assignment_count avg_xact_count avg_query_count avg_recv avg_sent "
          "avg_xact_time avg_query_time avg_wait_time avg_client_parse_count "
          "avg_server_parse_count avg_bind_count");
    CHECK(names_of(ShowTable::StatsTotals) ==
          "database server_assignment_count xact_count query_count bytes_received bytes_sent "
          "xact_time query_time wait_time client_parse_count server_parse_count bind_count");
    CHECK(names_of(ShowTable::StatsAverages) ==
          "database server_assignment_count xact_count query_count bytes_received bytes_sent "
          "xact_time query_time wait_time avg_client_parse_count avg_server_parse_count "
          "avg_bind_count");
    CHECK(names_of(ShowTable::Totals) == "name value");
    CHECK(names_of(ShowTable::Lists) == "list items");
    CHECK(names_of(ShowTable::Config) == "key value default changeable");
    CHECK(names_of(ShowTable::Users) ==
          "name pool_size reserve_pool_size pool_mode max_user_connections current_connections "
          "max_user_client_connections current_client_connections");
    CHECK(names_of(ShowTable::State) == "key value");
    CHECK(names_of(ShowTable::Version) == "version");
}

TEST_CASE("the types are PgBouncer's, but for the wider id") {
    CHECK(types_of(ShowTable::Pools) == "25 25 23 23 23 23 23 23 23 23 23 23 23 23 23 25 25");
    CHECK(types_of(ShowTable::Clients) ==
          "25 25 25 25 25 25 23 25 23 25 25 23 23 23 25 25 23 25 25 23 20");
    CHECK(types_of(ShowTable::Databases) == "25 25 23 25 25 23 23 23 23 25 25 23 23 23 23 23 23");
    CHECK(types_of(ShowTable::Users) == "25 25 25 25 23 23 23 23");
    CHECK(types_of(ShowTable::Totals) == "25 1700");
    CHECK(types_of(ShowTable::Lists) == "25 23");
}

TEST_CASE("every row has a value for every column, and every column a sentence") {
    const ShowData data = data_with_one_of_each();
    for (const ShowTable table : kTables) {
        CAPTURE(names_of(table));
        const TableText text = render(table, data);
        CHECK(!text.rows.empty());
        for (const TableRow& row : text.rows) CHECK(row.size() == text.columns.size());
        std::set<std::string_view> names;
        for (const TableColumn& column : text.columns) {
            CHECK(names.insert(column.name).second);
            CHECK(column.help.ends_with('.'));
        }
    }
}

TEST_CASE("a pool is shown with its waiting time in two columns") {
    ShowData data;
    data.pools.push_back({.database = "app",
                          .user = "alice",
                          .clients_active = 1,
                          .clients_waiting = 2,
                          .cancels_active = 3,
                          .cancels_waiting = 4,
                          .servers_active = 5,
                          .servers_cancelling = 6,
                          .servers_being_cancelled = 7,
                          .servers_idle = 8,
                          .servers_used = 9,
                          .servers_tested = 10,
                          .servers_login = 11,
                          .wait_max = Duration::microseconds(12'000'013),
                          .pool_mode = "transaction"});
    const TableText text = render(ShowTable::Pools, data);
    REQUIRE(text.rows.size() == 1);
    std::string row;
    for (const auto& value : text.rows[0]) row += value.value_or("NULL") + " ";
    CHECK(row == "app alice 1 2 3 4 5 6 7 8 9 10 11 12 13 transaction NULL ");
}

TEST_CASE("a connection is shown with its times, its handle and its link") {
    ShowData data;
    data.clients.push_back({.user = "alice",
                            .database = "app",
                            .state = "active",
                            .address = "192.0.2.7",
                            .port = 40'000,
                            .connected_at = Instant{5'000'000},
                            .request_at = Instant{65'000'000},
                            .wait = Duration::microseconds(2'500'000),
                            .link = 31,
                            .application_name = "psql",
                            .id = 255});
    TableText text = render(ShowTable::Clients, data);
    CHECK(cell(text, 0, "type") == "C");
    CHECK(cell(text, 0, "connect_time") == "NULL");  // Nobody said when the origin was.
    data.origin_unix_us = 1'700'000'000'000'000;
    text = render(ShowTable::Clients, data);
    CHECK(cell(text, 0, "connect_time") == "2023-11-14 22:13:25 UTC");
    CHECK(cell(text, 0, "request_time") == "2023-11-14 22:14:25 UTC");
    CHECK(cell(text, 0, "wait") == "2");
    CHECK(cell(text, 0, "wait_us") == "500000");
    CHECK(cell(text, 0, "ptr") == "0xff");
    CHECK(cell(text, 0, "link") == "0x1f");
    CHECK(cell(text, 0, "id") == "255");
    data.servers = data.clients;
    data.servers[0].link = 0;
    text = render(ShowTable::Servers, data);
    CHECK(cell(text, 0, "type") == "S");
    CHECK(cell(text, 0, "link").empty());
}

TEST_CASE("points in time are dates of the Gregorian calendar") {
    CHECK(format_unix_time(0) == "1970-01-01 00:00:00 UTC");
    CHECK(format_unix_time(951'782'400'000'000) == "2000-02-29 00:00:00 UTC");
    CHECK(format_unix_time(4'107'542'399'000'000) == "2100-02-28 23:59:59 UTC");
    CHECK(format_unix_time(4'107'542'400'000'000) == "2100-03-01 00:00:00 UTC");
    CHECK(format_unix_time(-1'000'000) == "1969-12-31 23:59:59 UTC");
}

TEST_CASE("statistics show totals and the averages of the last period") {
    ShowData data;
    data.stats.push_back(
        {.database = "app",
         .total = {.transactions = 1'000, .queries = 3'000, .query_us = 90'000},
         .period_start = {.transactions = 400, .queries = 2'400, .query_us = 60'000},
         .period = Duration::seconds(60)});
    data.stats.push_back({.database = "web",
                          .total = {.transactions = 60},
                          .period_start = {},
                          .period = Duration::seconds(60)});
    const TableText both = render(ShowTable::Stats, data);
    CHECK(cell(both, 0, "total_xact_count") == "1000");
    CHECK(cell(both, 0, "avg_xact_count") == "10");
    CHECK(cell(both, 0, "avg_query_time") == "50");
    CHECK(cell(render(ShowTable::StatsTotals, data), 1, "xact_count") == "60");
    CHECK(cell(render(ShowTable::StatsAverages, data), 1, "xact_count") == "1");
    const TableText totals = render(ShowTable::Totals, data);
    CHECK(totals.rows[1][0] == "total_xact_count");
    CHECK(totals.rows[1][1] == "1060");
    CHECK(totals.rows[3][0] == "total_client_bytes");
    const std::size_t fields = stats_fields().size();
    CHECK(totals.rows[fields + 1][0] == "avg_xact_count");
    CHECK(totals.rows[fields + 1][1] == "11");
}

TEST_CASE("counts of workers add up; what is the same everywhere stays") {
    ShowData one = data_with_one_of_each();
    one.databases[0].servers = 3;
    one.databases[0].servers_max = 10;
    one.databases[0].paused = true;
    one.pools[0].clients_active = 5;
    one.pools[0].wait_max = Duration::seconds(1);
    one.stats[0].total.queries = 7;
    one.stats[0].period = Duration::seconds(60);
    one.users[0].clients = 2;
    one.counts = {.clients = 5, .clients_at_login = 1, .servers = 3};
    ShowData two = data_with_one_of_each();
    two.databases[0].servers = 4;
    two.databases[0].servers_max = 10;
    two.pools[0].clients_active = 6;
    two.pools[0].wait_max = Duration::seconds(2);
    two.pools.push_back({.database = "web", .user = "bob"});
    two.stats[0].total.queries = 8;
    two.stats[0].period = Duration::seconds(61);
    two.users[0].clients = 3;
    two.counts = {.clients = 6, .clients_at_login = 2, .servers = 4};
    two.origin_unix_us = 1;

    merge(one, std::move(two));

    REQUIRE(one.databases.size() == 1);
    CHECK(one.databases[0].servers == 7);
    CHECK(one.databases[0].servers_max == 10);
    CHECK(!one.databases[0].paused);
    REQUIRE(one.pools.size() == 2);
    CHECK(one.pools[0].clients_active == 11);
    CHECK(one.pools[0].wait_max == Duration::seconds(2));
    CHECK(one.pools[1].user == "bob");
    CHECK(one.clients.size() == 2);
    CHECK(one.servers.size() == 2);
    REQUIRE(one.stats.size() == 1);
    CHECK(one.stats[0].total.queries == 15);
    CHECK(one.stats[0].period == Duration::seconds(61));
    CHECK(one.users[0].clients == 5);
    CHECK(one.config.size() == 1);
    CHECK(one.origin_unix_us == 1);
    const TableText lists = render(ShowTable::Lists, one);
    CHECK(lists.rows[3] == TableRow{"pools", "2"});
    CHECK(lists.rows[6] == TableRow{"used_clients", "11"});
    CHECK(lists.rows[7] == TableRow{"login_clients", "3"});
    CHECK(lists.rows[9] == TableRow{"used_servers", "7"});
}

TEST_CASE("pools of two users of one database are two") {
    ShowData one;
    one.pools.push_back({.database = "app", .user = "alice"});
    ShowData two;
    two.pools.push_back({.database = "app", .user = "bob"});
    merge(one, std::move(two));
    CHECK(one.pools.size() == 2);
}

TEST_CASE("SHOW HELP lists what can be done, and by whom") {
    const TableText help = render(ShowTable::Help, {});
    std::set<std::string> commands;
    for (const TableRow& row : help.rows) commands.insert(*row[0]);
    CHECK(commands.contains("SHOW POOLS"));
    CHECK(commands.contains("PAUSE [database]"));
    CHECK(!commands.contains("SHOW FDS"));
    CHECK(!commands.contains("SELECT 1"));
    CHECK(*help.rows[0][1] == "stats_users");
}

TEST_CASE("help and version need no data, every other table does") {
    for (const ShowTable table : kTables) {
        const bool is_here = table == ShowTable::Help || table == ShowTable::Version;
        CHECK(parts_of(table).any() == !is_here);
    }
}
