// SPDX-License-Identifier: PostgreSQL
// Every SHOW table: rows that the proxy fills, columns declared once (names, order and types of
// PgBouncer 1.25, so that its exporters and dashboards work unchanged), and the merging of what
// several workers know. It knows no session and no pool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/admin/stats.h"
#include "pgweir/base/instant.h"

namespace pgweir::admin {

enum class ShowTable : std::uint8_t {
    Help,
    Version,
    Databases,
    Pools,
    Clients,
    Servers,
    Stats,
    StatsTotals,
    StatsAverages,
    Totals,
    Lists,
    Config,
    Users,
    State,
    Nodes,
    Lag,
    Events,
    Routes,
    Route,  // Of EXPLAIN ROUTE.
    // No tables: what is told over HTTP (http_api.h).
    Metrics,
    Readiness,
};

struct DatabaseRow {
    std::string name = {};
    std::optional<std::string> host = {};
    std::uint64_t port = 5432;
    std::string database = {};             // Its name on the server.
    std::optional<std::string> user = {};  // Every server of it logs in as this user.
    std::uint64_t pool_size = 0;
    std::uint64_t pool_size_min = 0;
    std::uint64_t reserve_pool_size = 0;
    Duration server_lifetime = {};
    std::optional<std::string> pool_mode = {};  // Nothing: the mode of [pool].
    std::optional<std::string> load_balance = {};
    std::uint64_t servers_max = 0;
    std::uint64_t servers = 0;
    std::uint64_t clients_max = 0;
    std::uint64_t clients = 0;
    bool paused = false;
    bool disabled = false;
    std::string trouble = {};  // Why none of its nodes can be used.
    // That are logged in, if it has one node only: it can be used after all.
    std::uint64_t servers_ready = 0;
};

// One (database, user).
struct PoolRow {
    std::string database = {};
    std::string user = {};
    std::uint64_t clients_active = 0;   // Hold a lease, or are idle.
    std::uint64_t clients_waiting = 0;  // Stand in line.
    std::uint64_t cancels_active = 0;   // Cancel requests on their way to a server.
    std::uint64_t cancels_waiting = 0;
    std::uint64_t servers_active = 0;  // Leased.
    std::uint64_t servers_cancelling = 0;
    std::uint64_t servers_being_cancelled = 0;
    std::uint64_t servers_idle = 0;
    std::uint64_t servers_used = 0;    // Idle, and to be checked before the next lease.
    std::uint64_t servers_tested = 0;  // Being cleaned or checked.
    std::uint64_t servers_login = 0;
    Duration wait_max = {};  // Of the first in line.
    std::string pool_mode = {};
    std::optional<std::string> load_balance = {};
};

// One connection, of a client or to a server.
struct ConnectionRow {
    std::string user = {};
    std::string database = {};
    std::string replication = "none";  // "logical", "physical"
    std::string state = {};            // client: active, waiting, idle; server: active, idle, …
    std::string address = {};          // "unix" for a Unix socket.
    std::uint64_t port = 0;
    std::string local_address = {};
    std::uint64_t local_port = 0;
    Instant connected_at = {};
    Instant request_at = {};
    Duration wait = {};
    bool close_needed = false;
    std::uint64_t link = 0;  // The id of the other side of the lease; 0: none.
    std::uint64_t process_id = 0;
    std::string tls = {};  // "TLSv1.3/TLS_AES_256_GCM_SHA384", empty without.
    std::string application_name = {};
    std::uint64_t prepared_statements = 0;
    std::uint64_t id = 0;
};

// One database.
struct StatsRow {
    std::string database = {};
    StatsCounters total = {};
    StatsCounters period_start = {};  // What total was when the period of the averages began.
    Duration period = {};             // How long ago that was.
};

struct UserRow {
    std::string name = {};
    std::optional<std::uint64_t> pool_size = {};  // Nothing: not set for this user.
    std::optional<std::uint64_t> reserve_pool_size = {};
    std::optional<std::string> pool_mode = {};
    std::uint64_t servers_max = 0;
    std::uint64_t servers = 0;
    std::uint64_t clients_max = 0;
    std::uint64_t clients = 0;
};

// The values are as config describes them: secrets are already hidden.
struct ConfigRow {
    std::string key = {};
    std::optional<std::string> value = {};
    std::optional<std::string> fallback = {};
    bool changeable = false;
};

// One node of a cluster. What is not known is nothing.
struct NodeRow {
    std::string cluster = {};    // Its name among the workers; not shown.
    std::string databases = {};  // "app, app_ro"
    std::string host = {};
    std::uint64_t port = 0;
    std::string role = "unknown";  // "primary", "standby"
    std::string zone = {};
    std::uint64_t weight = 1;
    std::optional<std::uint64_t> timeline = {};
    std::optional<std::string> lsn = {};
    std::optional<std::string> primary_lsn = {};
    std::optional<std::uint64_t> lag_bytes = {};  // Of a standby.
    std::optional<Duration> lag_time = {};
    std::uint64_t lag_bytes_max = 0;  // 0: no limit.
    Duration lag_time_max = {};
    std::optional<Duration> round_trip = {};
    std::optional<Duration> evidence_age = {};
    std::optional<Instant> role_since = {};
    std::string state = {};  // "ok", or why it gets no traffic.
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t retries = 0;
    std::uint64_t outstanding = 0;
};

// What has changed about a node.
struct EventRow {
    std::string databases = {};
    Instant at = {};
    std::string node = {};
    bool is_alarm = false;
    std::string text = {};
};

// What has become of the nodes of a cluster since the start. Only the worker that observes them
// knows.
struct ClusterRow {
    std::string databases = {};
    std::uint64_t failovers = 0;
    std::uint64_t lost_sessions = 0;
    std::uint64_t lost_bytes = 0;
    std::uint64_t changes = 0;
    std::uint64_t alarms = 0;
};

// One shape of statement.
struct RouteRow {
    std::string shape = {};
    std::uint64_t statements = 0;
    std::uint64_t retries = 0;
    bool is_read = false;
    std::string reason = {};  // Empty for a read.
};

// The answer to EXPLAIN ROUTE. Workers may know differently much; the one that knows most is heard.
struct RouteExplanation {
    std::uint8_t knows = 0;  // The more the better.
    std::vector<std::string> lines = {};
};

// What SHOW LISTS counts beside the rows of other tables.
struct ListCounts {
    std::uint64_t clients = 0;
    std::uint64_t clients_at_login = 0;
    std::uint64_t servers = 0;
};

// Which of the parts of ShowData a table is made from.
struct ShowParts {
    bool databases = false;
    bool pools = false;
    bool clients = false;
    bool servers = false;
    bool stats = false;
    bool users = false;
    bool config = false;
    bool counts = false;
    bool state = false;
    bool nodes = false;
    bool clusters = false;
    bool events = false;
    bool routes = false;
    bool route = false;

    bool any() const {
        return databases || pools || clients || servers || stats || users || config || counts ||
               state || nodes || clusters || events || routes || route;
    }
};
ShowParts parts_of(ShowTable table);

// What one worker knows; the parts that parts_of() asks for are filled.
struct ShowData {
    std::vector<DatabaseRow> databases;
    std::vector<PoolRow> pools;
    std::vector<ConnectionRow> clients;
    std::vector<ConnectionRow> servers;
    std::vector<StatsRow> stats;
    std::vector<UserRow> users;
    std::vector<ConfigRow> config;
    std::vector<NodeRow> nodes;
    std::vector<ClusterRow> clusters;
    std::vector<EventRow> events;
    std::vector<RouteRow> routes;
    RouteExplanation route;
    ListCounts counts;
    bool paused = false;  // Every database is paused.
    bool is_stopping = false;
    // Microseconds from 1970-01-01 UTC to the origin of Instant. Where nobody knows them, points in
    // time are shown as NULL.
    std::optional<std::int64_t> origin_unix_us;
};

// Adds what another worker knows: counts of the same database, pool or user add up, limits are the
// same everywhere, connections stand side by side.
// REQUIRES: `into` is what a worker knows, not an empty one.
void merge(ShowData& into, ShowData&& other);

struct TableColumn {
    std::string_view name;
    std::uint32_t type_oid = 0;
    std::string_view help;
};
using TableRow = std::vector<std::optional<std::string>>;

struct TableText {
    std::vector<TableColumn> columns;
    std::vector<TableRow> rows;
};

// The columns alone are known before there is data (Describe).
std::vector<TableColumn> columns_of(ShowTable table);
TableText render(ShowTable table, const ShowData& data);

// "2026-11-23 14:05:09 UTC"
std::string format_unix_time(std::int64_t unix_us);

}  // namespace pgweir::admin
