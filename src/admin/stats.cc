// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/stats.h"

#include <array>

namespace pgweir::admin {
namespace {

using C = StatsCounters;

constexpr std::array kFields = {
    StatsField{&C::server_assignments, AverageOver::Second, "total_server_assignment_count",
               "avg_server_assignment_count", "server_assignment_count", "server_assignment_count",
               "server_assignment_count", "Times that a client was given a server.",
               "pgweir_server_assignments_total"},
    StatsField{&C::transactions, AverageOver::Second, "total_xact_count", "avg_xact_count",
               "xact_count", "xact_count", "xact_count", "Transactions.",
               "pgweir_transactions_total"},
    StatsField{&C::queries, AverageOver::Second, "total_query_count", "avg_query_count",
               "query_count", "query_count", "query_count", "Queries.", "pgweir_queries_total"},
    StatsField{&C::received_bytes, AverageOver::Second, "total_received", "avg_recv",
               "bytes_received", "bytes_received", "client_bytes", "Bytes received from clients.",
               "pgweir_received_bytes_total"},
    StatsField{&C::sent_bytes, AverageOver::Second, "total_sent", "avg_sent", "bytes_sent",
               "bytes_sent", "server_bytes", "Bytes sent to clients.", "pgweir_sent_bytes_total"},
    StatsField{&C::transaction_us, AverageOver::Transaction, "total_xact_time", "avg_xact_time",
               "xact_time", "xact_time", "xact_time", "Microseconds in transactions.",
               "pgweir_transaction_seconds_total", "Seconds in transactions."},
    StatsField{&C::query_us, AverageOver::Query, "total_query_time", "avg_query_time", "query_time",
               "query_time", "query_time", "Microseconds in queries.", "pgweir_query_seconds_total",
               "Seconds in queries."},
    StatsField{&C::wait_us, AverageOver::Assignment, "total_wait_time", "avg_wait_time",
               "wait_time", "wait_time", "wait_time",
               "Microseconds that clients waited for a server.", "pgweir_wait_seconds_total",
               "Seconds that clients waited for a server."},
    StatsField{&C::client_parses, AverageOver::Second, "total_client_parse_count",
               "avg_client_parse_count", "client_parse_count", "avg_client_parse_count",
               "ps_client_parse_count", "Statements prepared by clients.",
               "pgweir_client_parses_total"},
    StatsField{&C::server_parses, AverageOver::Second, "total_server_parse_count",
               "avg_server_parse_count", "server_parse_count", "avg_server_parse_count",
               "ps_server_parse_count", "Statements prepared on servers.",
               "pgweir_server_parses_total"},
    StatsField{&C::binds, AverageOver::Second, "total_bind_count", "avg_bind_count", "bind_count",
               "avg_bind_count", "ps_bind_count", "Prepared statements bound by clients.",
               "pgweir_binds_total"},
};
static_assert(sizeof(StatsCounters) == kFields.size() * sizeof(std::uint64_t),
              "each counter is shown");

std::uint64_t ratio(std::uint64_t sum, std::uint64_t count) {
    return count == 0 ? 0 : sum / count;
}

}  // namespace

StatsCounters& StatsCounters::operator+=(const StatsCounters& other) {
    for (const StatsField& field : kFields) this->*field.counter += other.*field.counter;
    return *this;
}

StatsCounters& StatsCounters::operator-=(const StatsCounters& other) {
    for (const StatsField& field : kFields) this->*field.counter -= other.*field.counter;
    return *this;
}

std::span<const StatsField> stats_fields() {
    return kFields;
}

std::uint64_t average_of(const StatsField& field, const StatsCounters& change, Duration period) {
    const std::uint64_t sum = change.*field.counter;
    switch (field.average_over) {
        case AverageOver::Second: {
            if (period.us <= 0) return 0;
            // In floating point: a byte counter times a million may not fit in 64 bits.
            const double seconds = static_cast<double>(period.us) / 1e6;
            return static_cast<std::uint64_t>(static_cast<double>(sum) / seconds);
        }
        case AverageOver::Query:
            return ratio(sum, change.queries);
        case AverageOver::Transaction:
            return ratio(sum, change.transactions);
        case AverageOver::Assignment:
            return ratio(sum, change.server_assignments);
    }
    return 0;
}

void StatsWindow::note(const StatsCounters& now_counted, Instant now, Duration stats_period) {
    if (now - newer_at_ < stats_period) return;
    older_ = newer_;
    older_at_ = newer_at_;
    newer_ = now_counted;
    newer_at_ = now;
}

}  // namespace pgweir::admin
