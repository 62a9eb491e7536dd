// SPDX-License-Identifier: PostgreSQL
#include "sql/known_names.h"

#include <algorithm>
#include <string>

#include "sql/characters.h"

namespace pgweir::sql {
namespace {

constexpr Pattern kLocalFunctions[] = {
    "pg_stat_*",
    "pg_advisory_*",
    "pg_try_advisory_*",
    "pg_current_*",
    "txid_current*",
    "pg_ls_*",
    "pg_read_file*",
    "pg_read_binary_file*",
    "inet_server_*",
    "inet_client_*",
    "pg_last_*",
    "pg_control_*",
    "pg_wal_replay_*",
    "pg_is_*",
    "pg_get_wal_*",
    "pg_replication_*",
    "pg_logical_*",
    "pg_create_*",
    "pg_drop_replication_slot",
    "pg_copy_*",
    "pg_backup_*",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_walfile_*",
    "pg_split_walfile_name",
    "pg_buffercache*",
    "pg_prewarm*",
    "pg_backend_pid",
    "pg_postmaster_start_time",
    "pg_conf_load_time",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_reload_conf",
    "pg_rotate_logfile*",
    "pg_promote",
    "pg_switch_wal",
    "pg_export_snapshot",
    "pg_blocking_pids",
    "pg_safe_snapshot_blocking_pids",
    "pg_isolation_test_*",
    "pg_lock_status",
    "pg_prepared_xact",
    "pg_prepared_statement",
    "pg_cursor",
    "pg_listening_channels",
    "pg_my_temp_schema",
    "pg_show_*",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_get_backend_memory_contexts",
    "pg_get_shmem_allocations*",
    "pg_log_*",
    "pg_notification_queue_usage",
    "pg_notify",
    "pg_tablespace_location",
    "pg_config",
    "pg_available_*",
    "pg_extension_update_paths",
    "pg_jit_available",
    "pg_get_replication_slots",
    "pg_stat_statements*",
    "pg_sync_*",
    "pg_collation_actual_version",
    "pg_database_collation_actual_version",
    "pg_import_system_collations",
    "pg_get_aios",
    "pg_numa_*",
    "pg_restore_*",
    "pg_clear_*",
    "pg_relation_filepath",
    "pg_settings_get_flags",
    "pg_available_wal_summaries",
    "pg_wal_summary_*",
    "pg_get_wal_summarizer_state",
    "binary_upgrade_*",
};

// The table pg_statistic and its view pg_stats are replicated; pg_stat_… is not.
constexpr Pattern kLocalRelations[] = {
    "pg_stat_*",
    "pg_statio_*",
    "pg_locks",
    "pg_replication_slots",
    "pg_replication_origin_status",
    "pg_prepared_xacts",
    "pg_prepared_statements",
    "pg_cursors",
    "pg_settings",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_backend_memory_contexts",
    "pg_shmem_allocations*",
    "pg_available_extensions",
    "pg_available_extension_versions",
    "pg_config",
    "pg_buffercache*",
    "pg_aios",
    "pg_wait_events",
};

constexpr Pattern kHarmlessVolatile[] = {
    "random",         "random_normal",     "clock_timestamp",
    "timeofday",      "gen_random_uuid",   "uuidv4",
    "uuidv7",         "pg_sleep",          "pg_sleep_for",
    "pg_sleep_until", "current_query",     "system",
    "bernoulli",      "pg_partition_tree", "pg_partition_ancestors",
    "lo_get",
};

constexpr Pattern kRunTexts[] = {
    "table_to_xml*", "schema_to_xml*", "database_to_xml*", "query_to_xml*", "cursor_to_xml*",
    "crosstab*",     "connectby",      "xpath_table",      "ts_stat",
};

constexpr Pattern kOutside[] = {
    "dblink*", "lo_import", "lo_export", "pg_file_*", "http*", "postgres_fdw_*",
};

constexpr Pattern kStateless[] = {
    "currval",
    "lastval",
    "lo_*",
    "loread",
    "lowrite",
    "pg_sequence_last_value",
    "pg_database_size",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "pg_indexes_size",
    "pg_tablespace_size",
    "pg_xact_status",
    "txid_status",
    "pg_xact_commit_timestamp*",
    "pg_get_multixact_members",
    "ts_rewrite",
    "ts_stat",
    "currtid*",
    "brin_*",
    "gin_*",
    "table_to_xml*",
    "schema_to_xml*",
    "database_to_xml*",
    "query_to_xml*",
    "cursor_to_xml*",
    "pg_nextoid",
    "pg_amcheck*",
    "pgstattuple*",
    "pgstatindex",
    "bt_*",
    "pg_size_*",
};

constexpr Pattern kStateful[] = {
    "nextval",
    "setval",
    "set_config",
    "setseed",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_replication_origin_session_*",
    "pg_create_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_copy_logical_replication_slot",
    "pg_backup_start",
    "pg_start_backup",
    "dblink*",
};

// In lower case, sorted.
constexpr std::string_view kSharedParameters[] = {
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "integer_datetimes",
    "intervalstyle",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_identifier_length",
    "role",
    "row_security",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_authorization",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_deferrable",
    "transaction_isolation",
    "xmlbinary",
    "xmloption",
};

bool matches_one(Pattern pattern, std::string_view name) {
    if (!pattern.ends_with('*')) return name == pattern;
    pattern.remove_suffix(1);
    return name.starts_with(pattern);
}

}  // namespace

std::span<const Pattern> local_functions() {
    return kLocalFunctions;
}
std::span<const Pattern> local_relations() {
    return kLocalRelations;
}
std::span<const Pattern> harmless_volatile_functions() {
    return kHarmlessVolatile;
}
std::span<const Pattern> functions_that_run_texts() {
    return kRunTexts;
}
std::span<const Pattern> outside_functions() {
    return kOutside;
}
std::span<const Pattern> stateless_functions() {
    return kStateless;
}
std::span<const Pattern> stateful_functions() {
    return kStateful;
}

bool matches(std::span<const Pattern> patterns, std::string_view name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&](Pattern pattern) { return matches_one(pattern, name); });
}

// A parameter with a dot is an application's own: a session's, or a database's or a role's, which
// are replicated.
bool is_shared_parameter(std::string_view name) {
    std::string folded(name);
    std::transform(folded.begin(), folded.end(), folded.begin(), lower);
    if (folded.find('.') != std::string::npos) return !folded.starts_with("pgweir.");
    return std::binary_search(std::begin(kSharedParameters), std::end(kSharedParameters), folded);
}

}  // namespace pgweir::sql
