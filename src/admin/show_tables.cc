// SPDX-License-Identifier: PostgreSQL
// The columns of every SHOW table, declared once.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "admin/command_table.h"
#include "admin/node_tables.h"
#include "admin/table_columns.h"

namespace pgweir::admin {
namespace {

using D = DatabaseRow;
constexpr Column<D> kDatabases[] = {
    {"name", kTextOid, "The name that clients use.", field<&D::name>},
    {"host", kTextOid, "Where its servers are.", field<&D::host>},
    {"port", kInt4Oid, "Where its servers are.", field<&D::port>},
    {"database", kTextOid, "Its name on the server.", field<&D::database>},
    {"force_user", kTextOid, "The user of every server, if set.", field<&D::user>},
    {"pool_size", kInt4Oid, "Servers that each pool may hold.", field<&D::pool_size>},
    {"min_pool_size", kInt4Oid, "Servers that each pool keeps.", field<&D::pool_size_min>},
    {"reserve_pool_size", kInt4Oid, "Further servers in need.", field<&D::reserve_pool_size>},
    {"server_lifetime", kInt4Oid, "Seconds.", seconds<&D::server_lifetime>},
    {"pool_mode", kTextOid, "The mode of this database, if set.", field<&D::pool_mode>},
    {"load_balance_hosts", kTextOid, "How hosts are chosen.", field<&D::load_balance>},
    {"max_connections", kInt4Oid, "Servers that it may have; 0: any.", field<&D::servers_max>},
    {"current_connections", kInt4Oid, "Servers that it has.", field<&D::servers>},
    {"max_client_connections", kInt4Oid, "Clients; 0: any.", field<&D::clients_max>},
    {"current_client_connections", kInt4Oid, "Clients that it has.", field<&D::clients>},
    {"paused", kInt4Oid, "1 after PAUSE.", field<&D::paused>},
    {"disabled", kInt4Oid, "1 if it takes no new client.", field<&D::disabled>},
};

using P = PoolRow;
constexpr Column<P> kPools[] = {
    {"database", kTextOid, "Database.", field<&P::database>},
    {"user", kTextOid, "User.", field<&P::user>},
    {"cl_active", kInt4Oid, "Clients that hold a lease or are idle.", field<&P::clients_active>},
    {"cl_waiting", kInt4Oid, "Clients in line.", field<&P::clients_waiting>},
    {"cl_active_cancel_req", kInt4Oid, "Cancel requests sent on.", field<&P::cancels_active>},
    {"cl_waiting_cancel_req", kInt4Oid, "Cancel requests in line.", field<&P::cancels_waiting>},
    {"sv_active", kInt4Oid, "Leased servers.", field<&P::servers_active>},
    {"sv_active_cancel", kInt4Oid, "Connections that carry a cancel request.",
     field<&P::servers_cancelling>},
    {"sv_being_canceled", kInt4Oid, "Servers that await the end of a cancel request.",
     field<&P::servers_being_cancelled>},
    {"sv_idle", kInt4Oid, "Servers ready for a lease.", field<&P::servers_idle>},
    {"sv_used", kInt4Oid, "Servers to be checked before a lease.", field<&P::servers_used>},
    {"sv_tested", kInt4Oid, "Servers being cleaned or checked.", field<&P::servers_tested>},
    {"sv_login", kInt4Oid, "Servers that are logging in.", field<&P::servers_login>},
    {"maxwait", kInt4Oid, "Seconds that the first in line has waited.", seconds<&P::wait_max>},
    {"maxwait_us", kInt4Oid, "Its microseconds.", microseconds_part<&P::wait_max>},
    {"pool_mode", kTextOid, "Pool mode.", field<&P::pool_mode>},
    {"load_balance_hosts", kTextOid, "How hosts are chosen.", field<&P::load_balance>},
};

// A name for a connection, in the columns where PgBouncer shows an address in memory.
std::string handle_of(std::uint64_t id) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(id));
    return text;
}
Cell own_handle(const ConnectionRow& row, const ShowData&) {
    return handle_of(row.id);
}
Cell link_handle(const ConnectionRow& row, const ShowData&) {
    return row.link == 0 ? "" : handle_of(row.link);
}

using R = ConnectionRow;
constexpr Column<R> kConnections[] = {
    {"type", kTextOid, "C: client, S: server.", nullptr},
    {"user", kTextOid, "User.", field<&R::user>},
    {"database", kTextOid, "Database.", field<&R::database>},
    {"replication", kTextOid, "none, logical or physical.", field<&R::replication>},
    {"state", kTextOid, "State.", field<&R::state>},
    {"addr", kTextOid, "Address of the other end.", field<&R::address>},
    {"port", kInt4Oid, "Port of the other end.", field<&R::port>},
    {"local_addr", kTextOid, "Address of this end.", field<&R::local_address>},
    {"local_port", kInt4Oid, "Port of this end.", field<&R::local_port>},
    {"connect_time", kTextOid, "When it was made.", point_in_time<&R::connected_at>},
    {"request_time", kTextOid, "When the last request came.", point_in_time<&R::request_at>},
    {"wait", kInt4Oid, "Seconds that it has waited.", seconds<&R::wait>},
    {"wait_us", kInt4Oid, "Its microseconds.", microseconds_part<&R::wait>},
    {"close_needed", kInt4Oid, "1: closed when its lease ends.", field<&R::close_needed>},
    {"ptr", kTextOid, "Names this connection.", own_handle},
    {"link", kTextOid, "Names the other side of the lease.", link_handle},
    {"remote_pid", kInt4Oid, "Process ID of the other end, if known.", field<&R::process_id>},
    {"tls", kTextOid, "TLS version and cipher.", field<&R::tls>},
    {"application_name", kTextOid, "As the client set it.", field<&R::application_name>},
    {"prepared_statements", kInt4Oid, "Prepared statements.", field<&R::prepared_statements>},
    // 64 bits where PgBouncer has 32: ids are never used again.
    {"id", kInt8Oid, "Unique number.", field<&R::id>},
};

using U = UserRow;
constexpr Column<U> kUsers[] = {
    {"name", kTextOid, "User.", field<&U::name>},
    // Text, as in PgBouncer.
    {"pool_size", kTextOid, "The user's own pool_size, if set.", field<&U::pool_size>},
    {"reserve_pool_size", kTextOid, "The user's own, if set.", field<&U::reserve_pool_size>},
    {"pool_mode", kTextOid, "The user's own mode, if set.", field<&U::pool_mode>},
    {"max_user_connections", kInt4Oid, "Servers; 0: any.", field<&U::servers_max>},
    {"current_connections", kInt4Oid, "Servers.", field<&U::servers>},
    {"max_user_client_connections", kInt4Oid, "Clients; 0: any.", field<&U::clients_max>},
    {"current_client_connections", kInt4Oid, "Clients.", field<&U::clients>},
};

Cell yes_or_no(const ConfigRow& row, const ShowData&) {
    return row.changeable ? "yes" : "no";
}
constexpr Column<ConfigRow> kConfig[] = {
    {"key", kTextOid, "Option.", field<&ConfigRow::key>},
    {"value", kTextOid, "In force.", field<&ConfigRow::value>},
    {"default", kTextOid, "If it is not set.", field<&ConfigRow::fallback>},
    {"changeable", kTextOid, "yes: RELOAD applies it.", yes_or_no},
};

// Tables of names and values.
struct NamedValue {
    std::string name;
    std::string value;
};
constexpr Column<NamedValue> kLists[] = {
    {"list", kTextOid, "What is counted.", field<&NamedValue::name>},
    {"items", kInt4Oid, "How many.", field<&NamedValue::value>},
};
constexpr Column<NamedValue> kState[] = {
    {"key", kTextOid, "State.", field<&NamedValue::name>},
    {"value", kTextOid, "yes or no.", field<&NamedValue::value>},
};
constexpr Column<NamedValue> kTotals[] = {
    {"name", kTextOid, "What is counted.", field<&NamedValue::name>},
    {"value", kNumericOid, "Over all databases.", field<&NamedValue::value>},
};
constexpr Column<NamedValue> kVersion[] = {
    {"version", kTextOid, "Version of pgweir.", field<&NamedValue::value>},
};

Cell command_words(const CommandSpec& spec, const ShowData&) {
    return usage_of(spec);
}
Cell command_role(const CommandSpec& spec, const ShowData&) {
    return std::string(option_of(spec.needs.role));
}
Cell command_help(const CommandSpec& spec, const ShowData&) {
    return std::string(spec.help);
}
constexpr Column<CommandSpec> kHelp[] = {
    {"command", kTextOid, "What to type.", command_words},
    {"needs", kTextOid, "The option that lists who may.", command_role},
    {"description", kTextOid, "What it does.", command_help},
};

std::vector<TableRow> connections(const std::vector<ConnectionRow>& rows, const char* type,
                                  const ShowData& data) {
    auto texts = texts_of<R>(kConnections, rows, data);
    for (TableRow& text : texts) text.front() = type;
    return texts;
}

// Statistics have a column per counter.
std::vector<TableColumn> stats_heads(std::string_view StatsField::*name) {
    std::vector<TableColumn> heads;
    for (const StatsField& stat : stats_fields()) {
        heads.push_back({stat.*name, kNumericOid, stat.help});
    }
    return heads;
}
std::vector<TableColumn> with_database(std::vector<TableColumn> heads) {
    heads.insert(heads.begin(), {"database", kTextOid, "Database."});
    return heads;
}

StatsCounters change_of(const StatsRow& row) {
    StatsCounters change = row.total;
    change -= row.period_start;
    return change;
}
enum class StatsPart : std::uint8_t { Totals, Averages, Both };
std::vector<TableRow> stats_texts(const std::vector<StatsRow>& rows, StatsPart part) {
    std::vector<TableRow> texts;
    for (const StatsRow& row : rows) {
        TableRow& text = texts.emplace_back();
        text.push_back(row.database);
        if (part != StatsPart::Averages) {
            for (const StatsField& stat : stats_fields()) {
                text.push_back(std::to_string(row.total.*stat.counter));
            }
        }
        if (part == StatsPart::Totals) continue;
        const StatsCounters change = change_of(row);
        for (const StatsField& stat : stats_fields()) {
            text.push_back(std::to_string(average_of(stat, change, row.period)));
        }
    }
    return texts;
}

std::vector<NamedValue> totals(const ShowData& data) {
    StatsCounters total;
    StatsCounters change;
    Duration period;
    for (const StatsRow& row : data.stats) {
        total += row.total;
        change += change_of(row);
        period = std::max(period, row.period);
    }
    std::vector<NamedValue> values;
    for (const StatsField& stat : stats_fields()) {
        values.push_back({"total_" + std::string(stat.name), std::to_string(total.*stat.counter)});
    }
    for (const StatsField& stat : stats_fields()) {
        values.push_back(
            {"avg_" + std::string(stat.name), std::to_string(average_of(stat, change, period))});
    }
    return values;
}

std::vector<NamedValue> lists(const ShowData& data) {
    const auto count = [](std::uint64_t n) { return std::to_string(n); };
    return {
        {"databases", count(data.databases.size())},
        {"users", count(data.users.size())},
        {"peers", "0"},
        {"pools", count(data.pools.size())},
        {"peer_pools", "0"},
        {"free_clients", "0"},  // pgweir keeps no memory of clients that are gone.
        {"used_clients", count(data.counts.clients)},
        {"login_clients", count(data.counts.clients_at_login)},
        {"free_servers", "0"},
        {"used_servers", count(data.counts.servers)},
        {"dns_names", "0"},  // The edge's resolver keeps no names.
        {"dns_zones", "0"},
        {"dns_queries", "0"},
        {"dns_pending", "0"},
    };
}

std::vector<NamedValue> state(const ShowData& data) {
    return {{"active", data.paused ? "no" : "yes"},
            {"paused", data.paused ? "yes" : "no"},
            {"suspended", "no"}};
}

std::vector<CommandSpec> shown_commands() {
    std::vector<CommandSpec> shown;
    for (const CommandSpec& spec : command_table()) {
        if (!spec.help.empty()) shown.push_back(spec);
    }
    return shown;
}

}  // namespace

ShowParts parts_of(ShowTable table) {
    switch (table) {
        case ShowTable::Help:
        case ShowTable::Version:
            return {};
        case ShowTable::Databases:
            return {.databases = true};
        case ShowTable::Pools:
            return {.pools = true};
        case ShowTable::Clients:
            return {.clients = true};
        case ShowTable::Servers:
            return {.servers = true};
        case ShowTable::Stats:
        case ShowTable::StatsTotals:
        case ShowTable::StatsAverages:
        case ShowTable::Totals:
            return {.stats = true};
        case ShowTable::Lists:
            return {.databases = true, .pools = true, .users = true, .counts = true};
        case ShowTable::Config:
            return {.config = true};
        case ShowTable::Users:
            return {.users = true};
        case ShowTable::State:
            return {.state = true};
        case ShowTable::Nodes:
        case ShowTable::Lag:
            return {.nodes = true};
        case ShowTable::Events:
            return {.events = true};
        case ShowTable::Routes:
            return {.routes = true};
        case ShowTable::Route:
            return {.route = true};
        case ShowTable::Metrics:
            return {.databases = true,
                    .pools = true,
                    .stats = true,
                    .counts = true,
                    .state = true,
                    .nodes = true,
                    .clusters = true};
        case ShowTable::Readiness:
            return {.databases = true};
    }
    return {};
}

std::vector<TableColumn> columns_of(ShowTable table) {
    switch (table) {
        case ShowTable::Help:
            return heads_of<CommandSpec>(kHelp);
        case ShowTable::Version:
            return heads_of<NamedValue>(kVersion);
        case ShowTable::Databases:
            return heads_of<D>(kDatabases);
        case ShowTable::Pools:
            return heads_of<P>(kPools);
        case ShowTable::Clients:
        case ShowTable::Servers:
            return heads_of<R>(kConnections);
        case ShowTable::Stats: {
            auto heads = with_database(stats_heads(&StatsField::total_name));
            for (const TableColumn& head : stats_heads(&StatsField::average_name)) {
                heads.push_back(head);
            }
            return heads;
        }
        case ShowTable::StatsTotals:
            return with_database(stats_heads(&StatsField::totals_name));
        case ShowTable::StatsAverages:
            return with_database(stats_heads(&StatsField::averages_name));
        case ShowTable::Totals:
            return heads_of<NamedValue>(kTotals);
        case ShowTable::Lists:
            return heads_of<NamedValue>(kLists);
        case ShowTable::Config:
            return heads_of<ConfigRow>(kConfig);
        case ShowTable::Users:
            return heads_of<U>(kUsers);
        case ShowTable::State:
            return heads_of<NamedValue>(kState);
        case ShowTable::Nodes:
        case ShowTable::Lag:
        case ShowTable::Events:
        case ShowTable::Routes:
        case ShowTable::Route:
            return node_table_columns(table);
        case ShowTable::Metrics:
        case ShowTable::Readiness:
            break;
    }
    return {};
}

namespace {

std::vector<TableRow> rows_of(ShowTable table, const ShowData& data) {
    switch (table) {
        case ShowTable::Help:
            return texts_of<CommandSpec>(kHelp, shown_commands(), data);
        case ShowTable::Version:
            return {{"pgweir " PGWEIR_VERSION}};
        case ShowTable::Databases:
            return texts_of<D>(kDatabases, data.databases, data);
        case ShowTable::Pools:
            return texts_of<P>(kPools, data.pools, data);
        case ShowTable::Clients:
            return connections(data.clients, "C", data);
        case ShowTable::Servers:
            return connections(data.servers, "S", data);
        case ShowTable::Stats:
            return stats_texts(data.stats, StatsPart::Both);
        case ShowTable::StatsTotals:
            return stats_texts(data.stats, StatsPart::Totals);
        case ShowTable::StatsAverages:
            return stats_texts(data.stats, StatsPart::Averages);
        case ShowTable::Totals:
            return texts_of<NamedValue>(kTotals, totals(data), data);
        case ShowTable::Lists:
            return texts_of<NamedValue>(kLists, lists(data), data);
        case ShowTable::Config:
            return texts_of<ConfigRow>(kConfig, data.config, data);
        case ShowTable::Users:
            return texts_of<U>(kUsers, data.users, data);
        case ShowTable::State:
            return texts_of<NamedValue>(kState, state(data), data);
        case ShowTable::Nodes:
        case ShowTable::Lag:
        case ShowTable::Events:
        case ShowTable::Routes:
        case ShowTable::Route:
            return node_table_rows(table, data);
        case ShowTable::Metrics:
        case ShowTable::Readiness:
            break;
    }
    return {};
}

}  // namespace

TableText render(ShowTable table, const ShowData& data) {
    return {columns_of(table), rows_of(table, data)};
}

std::string format_unix_time(std::int64_t unix_us) {
    std::int64_t unix_seconds = unix_us / 1'000'000;
    std::int64_t days = unix_seconds / 86'400;
    std::int64_t of_day = unix_seconds % 86'400;
    if (of_day < 0) {
        of_day += 86'400;
        --days;
    }
    // The proleptic Gregorian calendar in eras of 400 years that begin on the first of March, so
    // that the leap day is the last of its year.
    const std::int64_t shifted = days + 719'468;
    const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
    const std::int64_t day_of_era = shifted - era * 146'097;
    const std::int64_t year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const std::int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const std::int64_t month_from_march = (5 * day_of_year + 2) / 153;
    const std::int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    const std::int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    char text[64];
    std::snprintf(text, sizeof text, "%04lld-%02lld-%02lld %02lld:%02lld:%02lld UTC",
                  static_cast<long long>(year), static_cast<long long>(month),
                  static_cast<long long>(day), static_cast<long long>(of_day / 3'600),
                  static_cast<long long>(of_day / 60 % 60), static_cast<long long>(of_day % 60));
    return text;
}

}  // namespace pgweir::admin
