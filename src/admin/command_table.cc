// SPDX-License-Identifier: PostgreSQL
#include "admin/command_table.h"

namespace pgweir::admin {
namespace {

constexpr CommandSpec show(std::string_view words, ShowTable table, std::string_view help) {
    return {.words = words,
            .needs = Role::Stats,
            .verb = Verb::Show,
            .tag = "SHOW",
            .table = table,
            .help = help};
}

// The tag is the first word.
constexpr CommandSpec act(std::string_view words, Verb verb, Argument argument,
                          std::string_view help) {
    return {.words = words,
            .needs = Role::Admin,
            .verb = verb,
            .tag = words,
            .argument = argument,
            .help = help};
}

constexpr CommandSpec shutdown(std::string_view words, ShutdownKind kind, std::string_view help) {
    return {.words = words,
            .needs = Role::Admin,
            .verb = Verb::Shutdown,
            .tag = "SHUTDOWN",
            .shutdown = kind,
            .help = help};
}

// What drivers and psql ask on their own, answered as a PostgreSQL with default settings would.
constexpr CommandSpec answer(std::string_view words, std::string_view column,
                             std::string_view value) {
    return {.words = words,
            .needs = Role::Stats,
            .verb = Verb::Answer,
            .tag = words.starts_with("SHOW") ? "SHOW" : "SELECT 1",
            .column = column,
            .value = value};
}

constexpr CommandSpec accept(std::string_view words, Verb verb, std::string_view tag) {
    return {.words = words,
            .needs = Role::Stats,
            .verb = verb,
            .tag = tag,
            .argument = Argument::Anything};
}

constexpr CommandSpec set(std::string_view words) {
    return accept(words, Verb::Accept, "SET");
}

constexpr CommandSpec unsupported(std::string_view words, std::string_view instead) {
    return {.words = words,
            .needs = Role::Stats,
            .verb = Verb::Unsupported,
            .tag = {},
            .argument = Argument::Anything,
            .value = instead};
}

constexpr std::string_view kShutdownInstead = "PAUSE and RESUME hold clients back.";
constexpr std::string_view kSetInstead =
    "Options are set in the configuration file; RELOAD applies it.";
constexpr std::string_view kShowInstead = "SHOW HELP lists the tables.";

constexpr CommandSpec kCommands[] = {
    show("SHOW HELP", ShowTable::Help, "This table."),
    show("SHOW VERSION", ShowTable::Version, "The version of pgweir."),
    show("SHOW DATABASES", ShowTable::Databases, "Databases with their limits."),
    show("SHOW POOLS", ShowTable::Pools, "Clients and servers of each database and user."),
    show("SHOW CLIENTS", ShowTable::Clients, "Each client."),
    show("SHOW SERVERS", ShowTable::Servers, "Each server."),
    show("SHOW STATS", ShowTable::Stats, "Counts and averages of each database."),
    show("SHOW STATS_TOTALS", ShowTable::StatsTotals, "Counts since the start."),
    show("SHOW STATS_AVERAGES", ShowTable::StatsAverages, "Averages of the last stats_period."),
    show("SHOW TOTALS", ShowTable::Totals, "Counts and averages over all databases."),
    show("SHOW LISTS", ShowTable::Lists, "How many of everything there are."),
    show("SHOW CONFIG", ShowTable::Config, "Every option, its value and its default."),
    show("SHOW USERS", ShowTable::Users, "Users with their limits."),
    show("SHOW STATE", ShowTable::State, "Active or paused."),
    show("SHOW NODES", ShowTable::Nodes,
         "Each node of the databases that have several, and why it gets no traffic."),
    show("SHOW LAG", ShowTable::Lag, "How far each standby is behind its primary."),
    show("SHOW EVENTS", ShowTable::Events,
         "The last changes of nodes: roles, troubles, switchovers."),
    show("SHOW ROUTES", ShowTable::Routes,
         "The most frequent shapes of statements, and why they are no reads."),
    {.words = "EXPLAIN ROUTE",
     .needs = Role::Stats,
     .verb = Verb::Show,
     .tag = "EXPLAIN",
     .argument = Argument::Statement,
     .table = ShowTable::Route,
     .help = "Where the statement (all that follows) would go, and why."},

    act("RELOAD", Verb::Reload, Argument::None, "Read the configuration again and apply it."),
    act("PAUSE", Verb::Pause, Argument::OptionalDatabase,
        "Let transactions finish, close servers, hold clients back; done when they are closed."),
    act("RESUME", Verb::Resume, Argument::OptionalDatabase, "End PAUSE, KILL or SWITCHOVER."),
    act("RECONNECT", Verb::Reconnect, Argument::OptionalDatabase,
        "Close each server when its lease ends and open new ones."),
    act("KILL", Verb::Kill, Argument::OptionalDatabase,
        "Close all clients and servers at once; new clients wait for RESUME."),
    act("SWITCHOVER", Verb::Switchover, Argument::OptionalDatabase,
        "Hold writes back and empty the primary, so that another node can be promoted; done when "
        "it is empty. Writes go on with the new primary, or after RESUME."),
    act("DRAIN", Verb::Drain, Argument::Node,
        "Give the node no new work; done when it has no servers any more."),
    act("UNDRAIN", Verb::Undrain, Argument::Node, "End DRAIN."),
    shutdown("SHUTDOWN", ShutdownKind::Drain, "Let transactions finish, then end."),
    shutdown("SHUTDOWN WAIT_FOR_SERVERS", ShutdownKind::Drain, "As SHUTDOWN."),
    shutdown("SHUTDOWN WAIT_FOR_CLIENTS", ShutdownKind::Drain, "As SHUTDOWN."),
    shutdown("SHUTDOWN IMMEDIATE", ShutdownKind::Now, "End at once."),

    unsupported("DISABLE", kShutdownInstead),
    unsupported("ENABLE", kShutdownInstead),
    unsupported("SUSPEND", kShutdownInstead),
    unsupported("WAIT_CLOSE", "SHOW SERVERS tells in close_needed which servers are still old."),
    unsupported("KILL_CLIENT", "KILL takes a database."),
    unsupported("SHOW FDS", kShowInstead),
    unsupported("SHOW MEM", kShowInstead),
    unsupported("SHOW SOCKETS", "SHOW CLIENTS and SHOW SERVERS list the connections."),
    unsupported("SHOW ACTIVE_SOCKETS", "SHOW CLIENTS and SHOW SERVERS list the connections."),
    unsupported("SHOW PEERS", kShowInstead),
    unsupported("SHOW PEER_POOLS", kShowInstead),
    unsupported("SHOW DNS_HOSTS", kShowInstead),
    unsupported("SHOW DNS_ZONES", kShowInstead),
    unsupported("SET", kSetInstead),

    accept("BEGIN", Verb::Begin, "BEGIN"),
    accept("START TRANSACTION", Verb::Begin, "START TRANSACTION"),
    accept("COMMIT", Verb::Commit, "COMMIT"),
    accept("END", Verb::Commit, "COMMIT"),
    accept("ROLLBACK", Verb::Rollback, "ROLLBACK"),
    accept("ABORT", Verb::Rollback, "ROLLBACK"),
    set("SET APPLICATION_NAME"),
    set("SET BYTEA_OUTPUT"),
    set("SET CLIENT_ENCODING"),
    set("SET CLIENT_MIN_MESSAGES"),
    set("SET DATESTYLE"),
    set("SET DEFAULT_TRANSACTION_READ_ONLY"),
    set("SET EXTRA_FLOAT_DIGITS"),
    set("SET IDLE_IN_TRANSACTION_SESSION_TIMEOUT"),
    set("SET INTERVALSTYLE"),
    set("SET LOCK_TIMEOUT"),
    set("SET NAMES"),
    set("SET SEARCH_PATH"),
    set("SET SESSION CHARACTERISTICS"),
    set("SET STANDARD_CONFORMING_STRINGS"),
    set("SET STATEMENT_TIMEOUT"),
    set("SET TIME ZONE"),
    set("SET TIMEZONE"),
    set("SET TRANSACTION"),
    accept("RESET", Verb::Accept, "RESET"),
    accept("DISCARD", Verb::Accept, "DISCARD ALL"),
    accept("DEALLOCATE ALL", Verb::Accept, "DEALLOCATE ALL"),
    accept("CLOSE ALL", Verb::Accept, "CLOSE CURSOR ALL"),
    accept("UNLISTEN", Verb::Accept, "UNLISTEN"),
    answer("SELECT 1", "?column?", "1"),
    answer("SELECT PG_ADVISORY_UNLOCK_ALL ( )", "pg_advisory_unlock_all", ""),
    answer("SHOW CLIENT_ENCODING", "client_encoding", "UTF8"),
    answer("SHOW DATESTYLE", "DateStyle", "ISO, MDY"),
    answer("SHOW DEFAULT_TRANSACTION_ISOLATION", "default_transaction_isolation", "read committed"),
    answer("SHOW DEFAULT_TRANSACTION_READ_ONLY", "default_transaction_read_only", "off"),
    answer("SHOW SERVER_VERSION", "server_version", "15.0 (pgweir " PGWEIR_VERSION ")"),
    answer("SHOW SERVER_VERSION_NUM", "server_version_num", "150000"),
    answer("SHOW STANDARD_CONFORMING_STRINGS", "standard_conforming_strings", "on"),
    answer("SHOW TIMEZONE", "TimeZone", "UTC"),
    answer("SHOW TIME ZONE", "TimeZone", "UTC"),
    answer("SHOW TRANSACTION ISOLATION LEVEL", "transaction_isolation", "read committed"),
    answer("SHOW TRANSACTION_ISOLATION", "transaction_isolation", "read committed"),
    answer("SHOW TRANSACTION_READ_ONLY", "transaction_read_only", "off"),
};

}  // namespace

std::span<const CommandSpec> command_table() {
    return kCommands;
}

std::string usage_of(const CommandSpec& spec) {
    std::string usage(spec.words);
    if (spec.argument == Argument::OptionalDatabase) usage += " [database]";
    if (spec.argument == Argument::Node) usage += " host:port";
    if (spec.argument == Argument::Statement) usage += " [ON database] statement";
    return usage;
}

std::string_view option_of(Role role) {
    switch (role) {
        case Role::None:
            return "";
        case Role::Stats:
            return "stats_users";
        case Role::Admin:
            return "admin_users";
    }
    return "";
}

}  // namespace pgweir::admin
