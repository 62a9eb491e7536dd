// SPDX-License-Identifier: PostgreSQL
// What is counted per database, and its averages over the last statistics period. The names of
// SHOW STATS come from here; the counting itself is done where the work is done.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "pgweir/base/instant.h"

namespace pgweir::admin {

// Since the start of the process; they only grow.
struct StatsCounters {
    std::uint64_t server_assignments = 0;  // A client was given a server.
    std::uint64_t transactions = 0;
    std::uint64_t queries = 0;
    std::uint64_t received_bytes = 0;  // From clients.
    std::uint64_t sent_bytes = 0;      // To clients.
    std::uint64_t transaction_us = 0;
    std::uint64_t query_us = 0;
    std::uint64_t wait_us = 0;  // Clients waited for a server.
    std::uint64_t client_parses = 0;
    std::uint64_t server_parses = 0;
    std::uint64_t binds = 0;

    StatsCounters& operator+=(const StatsCounters& other);
    StatsCounters& operator-=(const StatsCounters& other);
    bool operator==(const StatsCounters&) const = default;
};

enum class AverageOver : std::uint8_t { Second, Query, Transaction, Assignment };

// One counter under the four names that it has in PgBouncer's tables.
struct StatsField {
    std::uint64_t StatsCounters::*counter;
    AverageOver average_over;
    std::string_view total_name;     // SHOW STATS
    std::string_view average_name;   // SHOW STATS
    std::string_view totals_name;    // SHOW STATS_TOTALS
    std::string_view averages_name;  // SHOW STATS_AVERAGES
    std::string_view name;           // SHOW TOTALS, behind total_ and avg_
    std::string_view help;
    std::string_view metric;            // /metrics; times are seconds there,
    std::string_view metric_help = {};  // which the help of a time has to say otherwise.
};
std::span<const StatsField> stats_fields();

// The average of one field of `change`, which came about in `period`. 0 if nothing did.
std::uint64_t average_of(const StatsField& field, const StatsCounters& change, Duration period);

// Where the period that averages are taken over begins: between one and two statistics periods ago,
// so that an average is never of an instant.
class StatsWindow {
 public:
    explicit StatsWindow(Instant now) : older_at_(now), newer_at_(now) {}

    // To be told the counters from time to time, at least once per period.
    void note(const StatsCounters& now_counted, Instant now, Duration stats_period);

    const StatsCounters& start() const { return older_; }
    Duration length(Instant now) const { return now - older_at_; }

 private:
    StatsCounters older_;
    StatsCounters newer_;
    Instant older_at_;
    Instant newer_at_;
};

}  // namespace pgweir::admin
