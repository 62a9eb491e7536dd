// SPDX-License-Identifier: PostgreSQL
#include "admin/open_metrics.h"

#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace pgweir::admin {
namespace {

using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

std::string number(double value) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value);
    return {text, end.ptr};
}
double seconds(Duration duration) {
    return static_cast<double>(duration.us) / 1e6;
}
double value_of(std::uint64_t count) {
    return static_cast<double>(count);
}

// One metric: its head, then a line for each sample. The format groups by metric, not by what is
// measured, so that each is one pass over the rows.
class Writer {
 public:
    explicit Writer(std::string& out) : out_(out) {}

    void begin(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        out_ += "# HELP " + std::string(name) + " " + std::string(help) + "\n";
        out_ += "# TYPE " + std::string(name) + " " + std::string(type) + "\n";
    }
    void sample(Labels labels, double value) {
        out_ += name_;
        const char* before = "{";
        for (const auto& [label, text] : labels) {
            out_ += before;
            out_ += label;
            out_ += "=\"";
            escape(text);
            out_ += '"';
            before = ",";
        }
        if (labels.size() > 0) out_ += '}';
        out_ += ' ' + number(value) + '\n';
    }

 private:
    void escape(std::string_view text) {
        for (const char c : text) {
            if (c == '\n') {
                out_ += "\\n";
                continue;
            }
            if (c == '\\' || c == '"') out_ += '\\';
            out_ += c;
        }
    }

    std::string& out_;
    std::string_view name_;
};

constexpr std::string_view kGauge = "gauge";
constexpr std::string_view kCounter = "counter";

// One number of a row; a member that is nothing makes no sample.
template <typename Row>
struct Metric {
    std::string_view name;
    std::string_view type;
    std::string_view help;
    std::optional<double> (*value)(const Row&);
};

template <auto Member, typename Row>
std::optional<double> count(const Row& row) {
    return value_of(row.*Member);
}

// --- Databases, pools ---------------------------------------------------------------------------

using D = DatabaseRow;
constexpr Metric<D> kDatabases[] = {
    {"pgweir_database_clients", kGauge, "Clients of the database.", count<&D::clients, D>},
    {"pgweir_database_clients_max", kGauge, "max_db_client_connections; 0: no limit.",
     count<&D::clients_max, D>},
    {"pgweir_database_servers", kGauge, "Servers of the database.", count<&D::servers, D>},
    {"pgweir_database_servers_max", kGauge, "max_db_connections; 0: no limit.",
     count<&D::servers_max, D>},
    {"pgweir_database_pool_size", kGauge, "Servers that one user may hold on one node.",
     count<&D::pool_size, D>},
    {"pgweir_database_paused", kGauge, "1 while the database is paused.",
     [](const D& row) { return std::optional(row.paused ? 1.0 : 0.0); }},
    {"pgweir_database_usable", kGauge, "0 while no node of the database can be used.",
     [](const D& row) {
         return std::optional(row.trouble.empty() || row.servers_ready > 0 ? 1.0 : 0.0);
     }},
};

struct PoolState {
    std::string_view state;
    std::uint64_t PoolRow::*count;
};
constexpr PoolState kPoolClients[] = {
    {"active", &PoolRow::clients_active},
    {"waiting", &PoolRow::clients_waiting},
};
constexpr PoolState kPoolServers[] = {
    {"active", &PoolRow::servers_active},
    {"active_cancel", &PoolRow::servers_cancelling},
    {"being_canceled", &PoolRow::servers_being_cancelled},
    {"idle", &PoolRow::servers_idle},
    {"used", &PoolRow::servers_used},
    {"tested", &PoolRow::servers_tested},
    {"login", &PoolRow::servers_login},
};

void write_pool_states(Writer& writer, const ShowData& data, std::span<const PoolState> states) {
    for (const PoolRow& row : data.pools) {
        for (const PoolState& state : states) {
            writer.sample({{"database", row.database}, {"user", row.user}, {"state", state.state}},
                          value_of(row.*state.count));
        }
    }
}

void write_pools(Writer& writer, const ShowData& data) {
    writer.begin("pgweir_pool_clients", kGauge,
                 "Clients of a database and user, by state: waiting stand in line for a server.");
    write_pool_states(writer, data, kPoolClients);
    writer.begin("pgweir_pool_servers", kGauge, "Servers of a database and user, by state.");
    write_pool_states(writer, data, kPoolServers);
    writer.begin("pgweir_pool_wait_max_seconds", kGauge, "How long the first in line has waited.");
    for (const PoolRow& row : data.pools) {
        writer.sample({{"database", row.database}, {"user", row.user}}, seconds(row.wait_max));
    }
}

// --- Statistics ---------------------------------------------------------------------------------

void write_stats(Writer& writer, const ShowData& data) {
    for (const StatsField& field : stats_fields()) {
        const bool is_time = field.metric.ends_with("_seconds_total");
        writer.begin(field.metric, kCounter, is_time ? field.metric_help : field.help);
        for (const StatsRow& row : data.stats) {
            const double total = value_of(row.total.*field.counter);
            writer.sample({{"database", row.database}}, is_time ? total / 1e6 : total);
        }
    }
}

// --- Nodes, clusters ----------------------------------------------------------------------------

using N = NodeRow;
template <auto Member>
std::optional<double> optional_time(const N& row) {
    return row.*Member ? std::optional(seconds(*(row.*Member))) : std::nullopt;
}
template <auto Member>
std::optional<double> optional_count(const N& row) {
    return row.*Member ? std::optional(value_of(*(row.*Member))) : std::nullopt;
}
constexpr Metric<N> kNodes[] = {
    {"pgweir_node_up", kGauge, "1 if the node may be used; SHOW NODES tells why not.",
     [](const N& row) { return std::optional(row.state == "ok" ? 1.0 : 0.0); }},
    {"pgweir_node_timeline", kGauge, "The highest timeline that the node told.",
     optional_count<&N::timeline>},
    {"pgweir_node_lag_bytes", kGauge, "How far the standby is behind the primary.",
     optional_count<&N::lag_bytes>},
    {"pgweir_node_lag_seconds", kGauge, "How far the standby is behind the primary.",
     optional_time<&N::lag_time>},
    {"pgweir_node_round_trip_seconds", kGauge, "How long a look at the node takes.",
     optional_time<&N::round_trip>},
    {"pgweir_node_evidence_age_seconds", kGauge, "How old the last look is that it answered.",
     optional_time<&N::evidence_age>},
    {"pgweir_node_outstanding", kGauge, "Units in flight or in line at the node.",
     count<&N::outstanding, N>},
    {"pgweir_node_reads_total", kCounter, "Leases for reads.", count<&N::reads, N>},
    {"pgweir_node_writes_total", kCounter, "All other leases.", count<&N::writes, N>},
    {"pgweir_node_retries_total", kCounter,
     "Reads that the node refused or lost and that ran again elsewhere.", count<&N::retries, N>},
};

void write_nodes(Writer& writer, const ShowData& data) {
    const auto name = [](const N& row) { return row.host + ":" + std::to_string(row.port); };
    writer.begin("pgweir_node_role", kGauge, "1 for the role that was seen of the node.");
    for (const N& row : data.nodes) {
        for (const std::string_view role : {"primary", "standby", "unknown"}) {
            writer.sample({{"databases", row.databases}, {"node", name(row)}, {"role", role}},
                          row.role == role ? 1.0 : 0.0);
        }
    }
    for (const Metric<N>& metric : kNodes) {
        writer.begin(metric.name, metric.type, metric.help);
        for (const N& row : data.nodes) {
            const auto value = metric.value(row);
            if (!value) continue;
            writer.sample({{"databases", row.databases}, {"node", name(row)}}, *value);
        }
    }
}

using C = ClusterRow;
constexpr Metric<C> kClusters[] = {
    {"pgweir_failovers_total", kCounter, "Times that another node has become the primary.",
     count<&C::failovers, C>},
    {"pgweir_lost_sessions_total", kCounter,
     "Sessions that had seen or written what a failover lost.", count<&C::lost_sessions, C>},
    {"pgweir_lost_bytes_total", kCounter,
     "WAL that failovers lost, as far as sessions had seen it.", count<&C::lost_bytes, C>},
};

void write_clusters(Writer& writer, const ShowData& data) {
    for (const Metric<C>& metric : kClusters) {
        writer.begin(metric.name, metric.type, metric.help);
        for (const C& row : data.clusters) {
            writer.sample({{"databases", row.databases}}, *metric.value(row));
        }
    }
    writer.begin("pgweir_events_total", kCounter,
                 "What has changed about nodes, as in SHOW EVENTS; alarms are for somebody to "
                 "look at.");
    for (const C& row : data.clusters) {
        writer.sample({{"databases", row.databases}, {"kind", "change"}}, value_of(row.changes));
        writer.sample({{"databases", row.databases}, {"kind", "alarm"}}, value_of(row.alarms));
    }
}

void write_process(Writer& writer, const ShowData& data) {
    writer.begin("pgweir_info", kGauge, "Always 1; the version is a label.");
    writer.sample({{"version", PGWEIR_VERSION}}, 1);
    writer.begin("pgweir_clients", kGauge, "Clients in all.");
    writer.sample({}, value_of(data.counts.clients));
    writer.begin("pgweir_login_clients", kGauge, "Clients that have not authenticated yet.");
    writer.sample({}, value_of(data.counts.clients_at_login));
    writer.begin("pgweir_servers", kGauge, "Servers in all.");
    writer.sample({}, value_of(data.counts.servers));
    writer.begin("pgweir_paused", kGauge, "1 while every database is paused.");
    writer.sample({}, data.paused ? 1 : 0);
    writer.begin("pgweir_stopping", kGauge, "1 while pgweir is shutting down.");
    writer.sample({}, data.is_stopping ? 1 : 0);
}

}  // namespace

std::string open_metrics(const ShowData& data) {
    std::string out;
    Writer writer(out);
    write_process(writer, data);
    for (const Metric<D>& metric : kDatabases) {
        writer.begin(metric.name, metric.type, metric.help);
        for (const D& row : data.databases) {
            writer.sample({{"database", row.name}}, *metric.value(row));
        }
    }
    write_pools(writer, data);
    write_stats(writer, data);
    write_nodes(writer, data);
    write_clusters(writer, data);
    return out;
}

}  // namespace pgweir::admin
