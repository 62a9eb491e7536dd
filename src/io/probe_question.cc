// SPDX-License-Identifier: PostgreSQL
#include "io/probe_question.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::io {

namespace {

enum Column {
    InRecovery,
    Place,
    RecoveryEnd,
    FileName,
    Received,
    StartedAt,
    Written,
    WrittenBy,
    Checkpoint,
    SystemId,
    kColumns
};

// The role is asked once for each row: asked again, it may have changed in between, and the
// functions of a primary are errors on a standby. CASE runs only the branch that it takes.
constexpr const char* kPlace = R"(SELECT role.in_recovery,
CASE WHEN role.in_recovery THEN pg_catalog.pg_last_wal_replay_lsn()
ELSE pg_catalog.pg_current_wal_insert_lsn() END,
CASE WHEN NOT role.in_recovery THEN pg_catalog.pg_last_wal_replay_lsn() END,
CASE WHEN NOT role.in_recovery THEN
pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) END,
CASE WHEN role.in_recovery THEN
(SELECT receiver.received_tli FROM pg_catalog.pg_stat_wal_receiver AS receiver) END,
pg_catalog.pg_postmaster_start_time(),
writers.written,
writers.who,
)";
constexpr const char* kControl = R"(CASE WHEN role.in_recovery THEN
(SELECT control.timeline_id FROM pg_catalog.pg_control_checkpoint() AS control) END,
(SELECT control.system_identifier FROM pg_catalog.pg_control_system() AS control)
)";
constexpr const char* kNoControl = "NULL::pg_catalog.int4, NULL::pg_catalog.int8\n";
// A role that may not know the state of replication is told NULL.
constexpr const char* kRole =
    R"(FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery OFFSET 0) AS role
CROSS JOIN LATERAL
(SELECT pg_catalog.max(sender.write_lsn) AS written,
pg_catalog.sum(sender.pid::pg_catalog.int8 OPERATOR(pg_catalog.*) sender.pid)::pg_catalog.int8
AS who
FROM pg_catalog.pg_stat_get_wal_senders() AS sender
WHERE NOT role.in_recovery
AND sender.sync_state OPERATOR(pg_catalog.=) ANY ('{sync,quorum}'::pg_catalog.text[])) AS writers)";

// From 1970-01-01 to 2000-01-01, where PostgreSQL's time begins.
constexpr std::int64_t kUnixToPostgresql = std::int64_t{10957} * 86400 * 1'000'000;

bool is_null(const PGresult* row, Column column) {
    return PQgetisnull(row, 0, column) != 0;
}

std::string_view bytes(const PGresult* row, Column column) {
    return {PQgetvalue(row, 0, column), static_cast<std::size_t>(PQgetlength(row, 0, column))};
}

// A number in network order; nothing if the value has another size.
std::optional<std::uint64_t> number(const PGresult* row, Column column, std::size_t size) {
    const std::string_view value = bytes(row, column);
    if (value.size() != size) return std::nullopt;
    std::uint64_t sum = 0;
    for (const char c : value) sum = sum << 8 | static_cast<unsigned char>(c);
    return sum;
}

// 0 for NULL. Sets `is_well_formed` to false if it is no number.
std::uint64_t number_or_null(const PGresult* row, Column column, std::size_t size,
                             bool& is_well_formed) {
    if (is_null(row, column)) return 0;
    const auto value = number(row, column, size);
    if (!value) is_well_formed = false;
    return value.value_or(0);
}

// The first eight digits of a WAL file's name are its timeline, whatever segment it is.
std::uint32_t timeline_of_file(std::string_view name) {
    std::uint32_t timeline = 0;
    std::from_chars(name.data(), name.data() + std::min<std::size_t>(8, name.size()), timeline, 16);
    return timeline;
}

}  // namespace

std::string text(ProbeQuestion question) {
    return std::string(kPlace) + (question == ProbeQuestion::Place ? kNoControl : kControl) + kRole;
}

bool read_answer(const PGresult* answer, ProbeMemory& memory, cluster::Observation& seen) {
    if (PQntuples(answer) != 1 || PQnfields(answer) != kColumns) return false;
    bool is_well_formed = !is_null(answer, InRecovery) && PQbinaryTuples(answer) != 0;
    seen.in_recovery = number_or_null(answer, InRecovery, 1, is_well_formed) != 0;
    seen.lsn.value = number_or_null(answer, Place, 8, is_well_formed);
    seen.recovery_ended_at.value = number_or_null(answer, RecoveryEnd, 8, is_well_formed);
    const auto received =
        static_cast<std::uint32_t>(number_or_null(answer, Received, 4, is_well_formed));
    const auto checkpoint =
        static_cast<std::uint32_t>(number_or_null(answer, Checkpoint, 4, is_well_formed));
    const cluster::Lsn written{number_or_null(answer, Written, 8, is_well_formed)};
    const std::uint64_t writers = number_or_null(answer, WrittenBy, 8, is_well_formed);
    const std::uint64_t system_id = number_or_null(answer, SystemId, 8, is_well_formed);
    const std::uint64_t started_us = number_or_null(answer, StartedAt, 8, is_well_formed);
    if (!is_well_formed) return false;

    if (started_us != 0) {
        seen.started_unix_us = static_cast<std::int64_t>(started_us) + kUnixToPostgresql;
    }
    // What one of them acknowledged that has gone since is not among what the others have written.
    if (writers != 0 && writers == memory.synchronous) seen.acknowledged = written;
    memory.synchronous = writers;
    if (system_id != 0) memory.system_id = system_id;
    seen.system_id = memory.system_id;
    memory.timeline = std::max(
        {memory.timeline, received, checkpoint, timeline_of_file(bytes(answer, FileName))});
    memory.wants_control = seen.in_recovery && received == 0;
    seen.timeline = memory.timeline;
    return true;
}

}  // namespace pgweir::io
