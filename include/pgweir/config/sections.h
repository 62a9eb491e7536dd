// SPDX-License-Identifier: PostgreSQL
// The options that hold for the whole process, by section of the file; those about several nodes
// are in cluster_sections.h. To add an option, add one member here; reading, SHOW CONFIG and
// documentation follow.
#pragma once

#include <string>

#include "pgweir/config/connection_sections.h"
#include "pgweir/config/option.h"

namespace pgweir::config {

// Honours VALID UNTIL and LOGIN, and can't be led astray by a search_path.
inline constexpr const char* kDefaultAuthQuery =
    "SELECT rolname, CASE WHEN rolvaliduntil OPERATOR(pg_catalog.<) pg_catalog.now() "
    "THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid "
    "WHERE rolname OPERATOR(pg_catalog.=) $1::pg_catalog.text AND rolcanlogin";

struct GeneralSettings : OptionGroup {
    GeneralSettings() : OptionGroup("pgweir") {}

    Option<TextList> listen{
        this,
        {.name = "listen",
         .fallback = TextList{"127.0.0.1:6432"},
         .reload = Reload::Restart,
         .doc = "Where clients connect: host:port, [v6]:port, or the absolute directory of a Unix "
                "socket, optionally with :port; port 0 lets the system choose."}};
    Option<FileMode> unix_socket_mode{
        this,
        {.name = "unix_socket_mode",
         .fallback = FileMode{0600},
         .max = FileMode{0777},
         .reload = Reload::Restart,
         .doc = "Permissions of Unix sockets; \"0777\" lets every local user connect."}};
    Option<Count> workers{
        this,
        {.name = "workers",
         .fallback = 1,
         .max = 255,
         .reload = Reload::Restart,
         .doc = "Threads that serve clients; 0 means one for each processor core."}};
    Option<PoolMode> pool_mode{
        this,
        {.name = "pool_mode",
         .fallback = PoolMode::Transaction,
         .doc = "When a server goes back to its pool: after the session, the transaction or the "
                "statement."}};

    Option<AuthMethod> auth_type{
        this,
        {.name = "auth_type",
         .fallback = AuthMethod::ScramSha256,
         .doc = "How clients authenticate where the file has no [[hba]] rules: scram-sha-256, md5, "
                "password, cert, peer, trust (known users), any (everybody) or reject."}};
    Option<std::string> auth_file{
        this,
        {.name = "auth_file",
         .doc = "A file of \"user\" \"password or verifier\" lines, as PgBouncer's userlist.txt."}};
    Option<std::string> auth_user{
        this,
        {.name = "auth_user",
         .doc = "Users that are neither in this file nor in auth_file are looked up with "
                "auth_query as this user."}};
    Option<std::string> auth_query{
        this,
        {.name = "auth_query",
         .fallback = kDefaultAuthQuery,
         .doc = "Answers a user's name and verifier for $1; runs as auth_user."}};
    Option<std::string> auth_dbname{
        this,
        {.name = "auth_dbname",
         .doc = "The database in which auth_query runs; empty means the client's own."}};
    Option<Duration> auth_query_cache{
        this,
        {.name = "auth_query_cache",
         .fallback = Duration::seconds(30),
         .doc = "How long an answer of auth_query is believed; 0 asks for every login."}};
    Option<TextList> admin_users{
        this,
        {.name = "admin_users",
         .doc = "Users who may run every command in the console (database pgweir)."}};
    Option<TextList> stats_users{
        this, {.name = "stats_users", .doc = "Users who may run the console's SHOW commands."}};

    Option<std::string> server_reset_query{
        this,
        {.name = "server_reset_query",
         .fallback = "DISCARD ALL",
         .doc = "Cleans a server after a session; empty skips it."}};
    Option<bool> server_reset_query_always{this,
                                           {.name = "server_reset_query_always",
                                            .fallback = false,
                                            .doc = "Runs server_reset_query in all pool modes."}};
    Option<TextList> ignore_startup_parameters{
        this,
        {.name = "ignore_startup_parameters",
         .doc = "Startup parameters that are accepted and dropped."}};
    Option<bool> application_name_add_host{
        this,
        {.name = "application_name_add_host",
         .fallback = false,
         .doc = "Adds the client's address to application_name."}};

    Option<TextList> peers{
        this,
        {.name = "peers",
         .reload = Reload::Restart,
         .doc = "All instances that share one address, this one included, in the same order "
                "everywhere: [\"host:port\", …], where pgweir listens. A cancel request that "
                "reaches another instance than its client's is handed on."}};
    Option<Count> peer_id{this,
                          {.name = "peer_id",
                           .max = 32,
                           .reload = Reload::Restart,
                           .doc = "The place of this instance in peers; the first is 1."}};
    Option<std::string> cancel_secret{
        this,
        {.name = "cancel_secret",
         .reload = Reload::Restart,
         .secret = true,
         .doc = "What the instances of peers share, so that cancel keys tell them, and nobody "
                "else, whose they are; at least 16 characters, the same everywhere."}};

    Option<LogLevel> log_level{
        this,
        {.name = "log_level",
         .fallback = LogLevel::Info,
         .doc = "The least level that is logged: debug, info, warning or error."}};
    Option<std::string> log_file{
        this,
        {.name = "log_file", .doc = "The log goes to this file; empty means standard error."}};
    Option<bool> log_connections{
        this, {.name = "log_connections", .fallback = true, .doc = "Logs each login."}};
    Option<bool> log_disconnections{this,
                                    {.name = "log_disconnections",
                                     .fallback = true,
                                     .doc = "Logs each end of a connection, with its reason."}};
    Option<bool> log_pooler_errors{this,
                                   {.name = "log_pooler_errors",
                                    .fallback = true,
                                    .doc = "Logs the errors that pgweir itself sends to clients."}};
    Option<Duration> stats_period{
        this,
        {.name = "stats_period",
         .fallback = Duration::seconds(60),
         .min = Duration::seconds(1),
         .doc = "The period of the averages in SHOW STATS, and of the line that log_stats logs."}};
    Option<bool> log_stats{
        this,
        {.name = "log_stats", .fallback = true, .doc = "Logs the averages every stats_period."}};
    Option<std::string> pidfile{this,
                                {.name = "pidfile",
                                 .reload = Reload::Restart,
                                 .doc = "A file that holds the process ID while pgweir runs."}};
    Option<bool> core_dumps{
        this,
        {.name = "core_dumps",
         .fallback = false,
         .reload = Reload::Restart,
         .doc = "Lets a crash leave a core file, and debuggers attach; both show passwords."}};
};

struct LimitSettings : OptionGroup {
    LimitSettings() : OptionGroup("limits") {}

    Option<Count> max_client_conn{
        this, {.name = "max_client_conn", .fallback = 10000, .min = 1, .doc = "Clients in all."}};
    Option<Count> max_db_client_connections{
        this,
        {.name = "max_db_client_connections", .doc = "Clients of one database; 0 means no limit."}};
    Option<Count> max_user_client_connections{
        this,
        {.name = "max_user_client_connections", .doc = "Clients of one user; 0 means no limit."}};
    Option<Count> max_login_clients{this,
                                    {.name = "max_login_clients",
                                     .fallback = 1000,
                                     .min = 1,
                                     .doc = "Clients that have not authenticated yet, in all."}};
    Option<Count> max_login_clients_per_address{
        this,
        {.name = "max_login_clients_per_address",
         .fallback = 0,
         .doc = "Clients that have not authenticated yet, from one address; 0 means no limit of "
                "its own."}};

    Option<Count> default_pool_size{
        this,
        {.name = "default_pool_size",
         .fallback = 20,
         .min = 1,
         .doc = "Servers that one database and user may hold on one node."}};
    Option<Count> min_pool_size{
        this,
        {.name = "min_pool_size",
         .doc = "Servers that a pool keeps open while it has clients or a fixed user."}};
    Option<Count> reserve_pool_size{
        this,
        {.name = "reserve_pool_size",
         .doc = "Servers that a pool may open beyond its size for clients that have waited for "
                "reserve_pool_timeout."}};
    Option<Count> max_db_connections{
        this,
        {.name = "max_db_connections",
         .doc = "Servers of one database, whoever the user; 0 means no limit."}};
    Option<Count> max_user_connections{
        this,
        {.name = "max_user_connections",
         .doc = "Servers of one user, whatever the database; 0 means no limit."}};
    Option<Count> max_node_connections{
        this, {.name = "max_node_connections", .doc = "Servers on one node; 0 means no limit."}};
    Option<Count> max_server_connections{
        this, {.name = "max_server_connections", .doc = "Servers in all; 0 means no limit."}};

    Option<Count> max_prepared_statements{
        this,
        {.name = "max_prepared_statements",
         .fallback = 200,
         .min = 1,
         .doc = "Prepared statements of clients that one server holds at a time."}};
    Option<ByteSize> prepared_statements_memory{
        this,
        {.name = "prepared_statements_memory",
         .fallback = mib(64),
         .min = kib(64),
         .doc = "Memory for the texts of clients' prepared statements, for each worker."}};
    Option<Count> max_client_prepared_statements{
        this,
        {.name = "max_client_prepared_statements",
         .fallback = 10000,
         .min = 1,
         .doc = "Prepared statements that one client may have."}};
    Option<ByteSize> max_message_size{
        this,
        {.name = "max_message_size",
         .fallback = mib(1024),
         .min = kib(64),
         .max = mib(2047),
         .doc = "The longest message that a client may send; bodies are passed on as they come."}};
    Option<ByteSize> max_buffered_message{
        this,
        {.name = "max_buffered_message",
         .fallback = mib(16),
         .min = kib(64),
         .max = mib(1024),
         .doc = "The longest message that must be seen whole before it is passed on, such as "
                "Parse of a named statement."}};
};

struct TimeoutSettings : OptionGroup {
    TimeoutSettings() : OptionGroup("timeouts") {}

    Option<Duration> query_wait_timeout{
        this,
        {.name = "query_wait_timeout",
         .fallback = Duration::seconds(120),
         .doc =
             "A client that has waited this long for a server gets an error; 0 waits for ever."}};
    Option<Duration> query_wait_notify{
        this,
        {.name = "query_wait_notify",
         .fallback = Duration::seconds(5),
         .doc = "A client that has waited this long for a server is told so by a notice; 0 says "
                "nothing."}};
    Option<Duration> reserve_pool_timeout{
        this,
        {.name = "reserve_pool_timeout",
         .fallback = Duration::seconds(5),
         .doc = "A client that has waited this long may use the reserve pool; 0 turns it off."}};
    Option<Duration> client_login_timeout{
        this,
        {.name = "client_login_timeout",
         .fallback = Duration::seconds(60),
         .min = Duration::milliseconds(1),
         .doc = "A client must have logged in within this time."}};
    Option<Duration> client_idle_timeout{
        this,
        {.name = "client_idle_timeout",
         .doc = "A client that is idle for longer is disconnected; 0 means no limit."}};
    Option<Duration> client_write_timeout{
        this,
        {.name = "client_write_timeout",
         .fallback = Duration::seconds(300),
         .doc = "A client that holds a server and reads nothing of its answer for longer is "
                "disconnected; 0 means no limit."}};
    Option<Duration> partial_frame_timeout{
        this,
        {.name = "partial_frame_timeout",
         .fallback = Duration::seconds(300),
         .doc = "A message that a client began must go on within this time; 0 means no limit."}};
    Option<Duration> idle_transaction_timeout{
        this,
        {.name = "idle_transaction_timeout",
         .doc = "A client that is idle in a transaction for longer is disconnected; 0 means no "
                "limit."}};
    Option<Duration> query_timeout{
        this,
        {.name = "query_timeout",
         .doc = "A query that runs for longer is canceled and its client disconnected; 0 means no "
                "limit."}};
    Option<Duration> transaction_timeout{
        this,
        {.name = "transaction_timeout",
         .doc = "A transaction that lasts longer is ended and its client disconnected; 0 means no "
                "limit."}};

    Option<Duration> server_connect_timeout{
        this,
        {.name = "server_connect_timeout",
         .fallback = Duration::seconds(15),
         .min = Duration::milliseconds(1),
         .doc = "A node must accept a connection within this time."}};
    Option<Duration> server_login_timeout{this,
                                          {.name = "server_login_timeout",
                                           .fallback = Duration::seconds(15),
                                           .min = Duration::milliseconds(1),
                                           .doc = "A login to a node must end within this time."}};
    Option<Duration> server_login_retry{
        this,
        {.name = "server_login_retry",
         .fallback = Duration::milliseconds(200),
         .min = Duration::milliseconds(1),
         .doc = "The first pause after a login that failed; it doubles, with jitter, up to "
                "server_login_retry_max."}};
    Option<Duration> server_login_retry_max{
        this,
        {.name = "server_login_retry_max",
         .fallback = Duration::seconds(15),
         .min = Duration::milliseconds(1),
         .doc = "The longest pause between logins while they fail."}};
    Option<Duration> server_idle_timeout{
        this,
        {.name = "server_idle_timeout",
         .fallback = Duration::seconds(600),
         .doc = "A server that nobody needed for longer is closed; 0 means no limit."}};
    Option<Duration> server_lifetime{
        this,
        {.name = "server_lifetime",
         .fallback = Duration::seconds(3600),
         .doc = "A server older than this is closed when it is free; 0 means no limit."}};
    Option<Duration> server_clean_timeout{
        this,
        {.name = "server_clean_timeout",
         .fallback = Duration::seconds(5),
         .min = Duration::milliseconds(1),
         .doc = "A server that a client left must be clean again within this time, or it is "
                "closed."}};
    Option<Duration> cancel_wait_timeout{
        this,
        {.name = "cancel_wait_timeout",
         .fallback = Duration::seconds(10),
         .min = Duration::milliseconds(1),
         .doc = "A cancel request must have reached its node within this time."}};
    Option<Duration> shutdown_timeout{
        this,
        {.name = "shutdown_timeout",
         .fallback = Duration::seconds(30),
         .doc = "How long a shutdown waits for transactions to end; 0 waits for ever."}};
};

// For operators' tools; clients never see it.
struct HttpSettings : OptionGroup {
    HttpSettings() : OptionGroup("http", "http_") {}

    Option<TextList> listen{
        this,
        {.name = "listen",
         .reload = Reload::Restart,
         .doc = "Where /metrics, /healthz and /readyz are served, and orders taken: host:port, "
                "[v6]:port; port 0 lets the system choose. Empty: nowhere. It is spoken without "
                "TLS: stay on loopback, or behind something that adds it."}};
    Option<std::string> token{
        this,
        {.name = "token",
         .secret = true,
         .doc = "Orders (POST) must bring it as \"Authorization: Bearer …\"; at least 16 "
                "characters. Empty: no orders are taken."}};
    Option<Count> max_connections{
        this,
        {.name = "max_connections",
         .fallback = 64,
         .min = 1,
         .max = 1024,
         .doc = "Connections at a time; one more ends the oldest whose request is not complete."}};
    Option<Duration> request_timeout{
        this,
        {.name = "request_timeout",
         .fallback = Duration::seconds(10),
         .min = Duration::milliseconds(100),
         .doc = "A request must have come, and its answer must have been taken, within this time "
                "each."}};
    Option<Duration> order_timeout{
        this,
        {.name = "order_timeout",
         .fallback = Duration::seconds(60),
         .min = Duration::milliseconds(100),
         .doc = "An order that is not done by then is answered with 504; it goes on."}};
};

}  // namespace pgweir::config
