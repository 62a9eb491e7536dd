// SPDX-License-Identifier: PostgreSQL
// The columns of the tables of read/write splitting, which PgBouncer does not have.
#include "admin/node_tables.h"

#include <algorithm>
#include <cstdio>

#include "admin/table_columns.h"

namespace pgweir::admin {
namespace {

// So many lines are read by people; the classifier of each worker tells about as many.
constexpr std::size_t kRoutesMax = 100;

template <auto Member>
Cell milliseconds(const NodeRow& row, const ShowData&) {
    const std::optional<Duration> time = row.*Member;
    return time ? Cell(std::to_string(time->us / 1000)) : Cell();
}
Cell round_trip(const NodeRow& row, const ShowData&) {
    return row.round_trip ? Cell(std::to_string(row.round_trip->us)) : Cell();
}
Cell role_since(const NodeRow& row, const ShowData& data) {
    if (!row.role_since || !data.origin_unix_us) return {};
    return format_unix_time(row.role_since->us + *data.origin_unix_us);
}
Cell node_name(const NodeRow& row, const ShowData&) {
    return row.host + ":" + std::to_string(row.port);
}

using N = NodeRow;
constexpr Column<N> kNodes[] = {
    {"databases", kTextOid, "The databases whose cluster it belongs to.", field<&N::databases>},
    {"host", kTextOid, "Where it is.", field<&N::host>},
    {"port", kInt4Oid, "Where it is.", field<&N::port>},
    {"role", kTextOid, "As it was seen: primary, standby or unknown.", field<&N::role>},
    {"zone", kTextOid, "As configured.", field<&N::zone>},
    {"weight", kInt4Oid, "Its share of reads, as configured.", field<&N::weight>},
    {"timeline", kInt8Oid, "The highest that it told.", field<&N::timeline>},
    {"lsn", kTextOid, "Inserted (primary) or replayed (standby) at least up to here.",
     field<&N::lsn>},
    {"lag_bytes", kInt8Oid, "Behind the primary, if it is a standby.", field<&N::lag_bytes>},
    {"lag_ms", kInt8Oid, "Milliseconds behind the primary, if it is a standby.",
     milliseconds<&N::lag_time>},
    {"round_trip_us", kInt8Oid, "Microseconds that a look at it takes.", round_trip},
    {"evidence_age_ms", kInt8Oid, "Milliseconds since the last look that it answered.",
     milliseconds<&N::evidence_age>},
    {"role_since", kTextOid, "Since when it has this role.", role_since},
    {"state", kTextOid, "ok, or why it gets no traffic.", field<&N::state>},
    {"reads", kInt8Oid, "Leases for reads.", field<&N::reads>},
    {"writes", kInt8Oid, "All other leases.", field<&N::writes>},
    {"retries", kInt8Oid, "Reads that it refused or lost and that ran again elsewhere.",
     field<&N::retries>},
    {"outstanding", kInt8Oid, "Units in flight or in line there.", field<&N::outstanding>},
};

constexpr Column<N> kLag[] = {
    {"databases", kTextOid, "The databases whose cluster it belongs to.", field<&N::databases>},
    {"node", kTextOid, "Where it is.", node_name},
    {"replayed_lsn", kTextOid, "It has replayed at least up to here.", field<&N::lsn>},
    {"primary_lsn", kTextOid, "The primary has inserted at least up to here.",
     field<&N::primary_lsn>},
    {"lag_bytes", kInt8Oid, "Behind the primary.", field<&N::lag_bytes>},
    {"max_lag_bytes", kInt8Oid, "max_replica_lag_bytes; 0: any.", field<&N::lag_bytes_max>},
    {"lag_ms", kInt8Oid, "Milliseconds behind the primary.", milliseconds<&N::lag_time>},
    {"max_lag_ms", kInt8Oid, "max_replica_lag in milliseconds; 0: any.",
     milliseconds<&N::lag_time_max>},
    {"evidence_age_ms", kInt8Oid, "Milliseconds since the last look that it answered.",
     milliseconds<&N::evidence_age>},
    {"state", kTextOid, "ok, or why it gets no traffic.", field<&N::state>},
};

Cell event_time(const EventRow& row, const ShowData& data) {
    if (!data.origin_unix_us) return {};
    const std::int64_t unix_us = row.at.us + *data.origin_unix_us;
    std::string time = format_unix_time(unix_us);
    char fraction[8];
    std::snprintf(fraction, sizeof fraction, ".%03d", static_cast<int>(unix_us / 1000 % 1000));
    return time.insert(time.size() - std::string_view(" UTC").size(), fraction);
}
Cell event_kind(const EventRow& row, const ShowData&) {
    return row.is_alarm ? "alarm" : "change";
}
constexpr Column<EventRow> kEvents[] = {
    {"time", kTextOid, "When.", event_time},
    {"databases", kTextOid, "The databases whose cluster it is about.",
     field<&EventRow::databases>},
    {"node", kTextOid, "The node that it is about.", field<&EventRow::node>},
    {"kind", kTextOid, "change, or alarm: somebody has to look.", event_kind},
    {"event", kTextOid, "What happened, and why.", field<&EventRow::text>},
};

using R = RouteRow;
Cell verdict(const R& row, const ShowData&) {
    return row.is_read ? "read" : "primary";
}
constexpr Column<R> kRoutes[] = {
    {"shape", kTextOid, "The statement with its literals folded.", field<&R::shape>},
    {"statements", kInt8Oid, "How often it came.", field<&R::statements>},
    {"retries", kInt8Oid, "How often a standby refused it as a write.", field<&R::retries>},
    {"verdict", kTextOid, "read: a standby may serve it; else primary.", verdict},
    {"reason", kTextOid, "Why it is no read.", field<&R::reason>},
};

constexpr Column<std::string> kRoute[] = {
    {"EXPLAIN ROUTE", kTextOid, "Where the statement would go, and why.",
     [](const std::string& line, const ShowData&) { return Cell(line); }},
};

std::vector<N> standbys(const std::vector<N>& nodes) {
    std::vector<N> rows;
    std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(rows),
                 [](const N& node) { return node.role != "primary"; });
    return rows;
}

std::vector<R> most_first(std::vector<R> rows) {
    std::stable_sort(rows.begin(), rows.end(),
                     [](const R& a, const R& b) { return a.statements > b.statements; });
    if (rows.size() > kRoutesMax) rows.resize(kRoutesMax);
    return rows;
}

}  // namespace

std::vector<TableColumn> node_table_columns(ShowTable table) {
    if (table == ShowTable::Nodes) return heads_of<N>(kNodes);
    if (table == ShowTable::Lag) return heads_of<N>(kLag);
    if (table == ShowTable::Events) return heads_of<EventRow>(kEvents);
    if (table == ShowTable::Routes) return heads_of<R>(kRoutes);
    return heads_of<std::string>(kRoute);
}

std::vector<TableRow> node_table_rows(ShowTable table, const ShowData& data) {
    if (table == ShowTable::Nodes) return texts_of<N>(kNodes, data.nodes, data);
    if (table == ShowTable::Lag) return texts_of<N>(kLag, standbys(data.nodes), data);
    if (table == ShowTable::Events) return texts_of<EventRow>(kEvents, data.events, data);
    if (table == ShowTable::Routes) return texts_of<R>(kRoutes, most_first(data.routes), data);
    return texts_of<std::string>(kRoute, data.route.lines, data);
}

}  // namespace pgweir::admin
