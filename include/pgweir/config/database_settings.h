// SPDX-License-Identifier: PostgreSQL
// What the file says of one database, one user, one HBA rule. An option here that is not set
// leaves the choice to the section for the whole process (see Settings::pool_for).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgweir/config/node_address.h"
#include "pgweir/config/option.h"

namespace pgweir::config {

struct DatabaseSettings : OptionGroup {
    explicit DatabaseSettings(std::string_view database)
        : OptionGroup("databases." + std::string(database)), name(database) {}

    // As clients ask for it; "*" stands for every database that has no section of its own.
    const std::string name;

    Option<std::string> host{
        this,
        {.name = "host",
         .fallback = "127.0.0.1",
         .doc = "The node: a host name, an address, or the directory of its Unix socket."}};
    Option<Count> port{
        this,
        {.name = "port", .fallback = 5432, .min = 1, .max = 65535, .doc = "The node's port."}};
    Option<TextList> node_list{
        this,
        {.name = "nodes",
         .doc =
             "Instead of host and port, the nodes of a cluster in any order: [\"host:port\", …]."}};
    Option<std::string> url{
        this,
        {.name = "url",
         .secret = true,
         .doc = "Instead of host, port, dbname, user and password: postgres://user@host:port/db."}};
    Option<std::string> dbname{
        this,
        {.name = "dbname", .doc = "The database's name on the node; empty means the same name."}};
    Option<std::string> user{
        this,
        {.name = "user", .doc = "All servers log in as this user; empty means as the client's."}};
    Option<std::string> password{
        this, {.name = "password", .secret = true, .doc = "The password of user."}};

    Option<PoolMode> pool_mode{
        this, {.name = "pool_mode", .doc = "As pool_mode in [pgweir], for this database."}};
    Option<Count> pool_size{
        this, {.name = "pool_size", .min = 1, .doc = "As default_pool_size, for this database."}};
    Option<Count> min_pool_size{
        this, {.name = "min_pool_size", .doc = "As min_pool_size in [limits], for this database."}};
    Option<Count> reserve_pool_size{
        this,
        {.name = "reserve_pool_size",
         .doc = "As reserve_pool_size in [limits], for this database."}};
    Option<Count> max_db_connections{
        this,
        {.name = "max_db_connections",
         .doc = "As max_db_connections in [limits], for this database."}};
    Option<Count> max_db_client_connections{
        this,
        {.name = "max_db_client_connections",
         .doc = "As max_db_client_connections in [limits], for this database."}};
    Option<Duration> query_wait_timeout{
        this,
        {.name = "query_wait_timeout",
         .doc = "As query_wait_timeout in [timeouts], for this database."}};
    Option<Duration> server_lifetime{
        this,
        {.name = "server_lifetime", .doc = "As server_lifetime in [timeouts], for this database."}};
    Option<TlsMode> server_tls_sslmode{
        this,
        {.name = "server_tls_sslmode",
         .doc = "As server_tls_sslmode in [tls], for this database."}};
    Option<RequireAuth> server_require_auth{
        this,
        {.name = "server_require_auth",
         .doc = "As server_require_auth in [tls], for this database."}};
    Option<ChannelBinding> server_channel_binding{
        this,
        {.name = "server_channel_binding",
         .doc = "As server_channel_binding in [tls], for this database."}};
    Option<CleartextPassword> server_cleartext_password{
        this,
        {.name = "server_cleartext_password",
         .doc = "As server_cleartext_password in [tls], for this database."}};
    Option<ProtocolVersion> server_max_protocol_version{
        this,
        {.name = "server_max_protocol_version",
         .doc = "As server_max_protocol_version in [tls], for this database."}};
    Option<std::string> auth_user{
        this, {.name = "auth_user", .doc = "As auth_user in [pgweir], for this database."}};
    Option<std::string> auth_query{
        this, {.name = "auth_query", .doc = "As auth_query in [pgweir], for this database."}};
    Option<std::string> auth_dbname{
        this, {.name = "auth_dbname", .doc = "As auth_dbname in [pgweir], for this database."}};
    Option<std::string> application_name{
        this,
        {.name = "application_name", .doc = "application_name of servers whose client has none."}};

    Option<DatabaseRoute> route{
        this,
        {.name = "route",
         .doc = "Where its units run: auto (as their statements say), primary, or replica (a "
                "read-only alias: all of them on standbys)."}};
    Option<Split> split{this,
                        {.name = "split", .doc = "As split in [routing], for this database."}};
    Option<ReadConsistency> consistency{
        this, {.name = "consistency", .doc = "As consistency in [routing], for this database."}};
    Option<ReadsOnPrimary> reads_on_primary{
        this,
        {.name = "reads_on_primary",
         .doc = "As reads_on_primary in [routing], for this database."}};
    Option<Duration> replica_wait{
        this, {.name = "replica_wait", .doc = "As replica_wait in [routing], for this database."}};

    // In the order of the file; never empty. REQUIRES: Settings::check() found no error.
    std::vector<NodeAddress> nodes() const;
};

// One node, as [nodes."host:port"]: what pgweir can't observe.
struct NodeSettings : OptionGroup {
    explicit NodeSettings(std::string_view node)
        : OptionGroup("nodes.\"" + std::string(node) + "\""), name(node) {}

    const std::string name;  // "host:port", as in the list of nodes.

    Option<std::string> zone{this,
                             {.name = "zone", .doc = "Where it runs; see zone in [routing]."}};
    Option<Count> weight{this,
                         {.name = "weight",
                          .fallback = 1,
                          .min = 1,
                          .max = 100,
                          .doc = "Its share of the reads, beside that of the other nodes."}};
};

struct UserSettings : OptionGroup {
    explicit UserSettings(std::string_view user)
        : OptionGroup("users." + std::string(user)), name(user) {}

    const std::string name;

    Option<std::string> password{
        this,
        {.name = "password",
         .secret = true,
         .doc = "The password, or a verifier: \"SCRAM-SHA-256$…\" or \"md5…\"."}};
    Option<PoolMode> pool_mode{
        this, {.name = "pool_mode", .doc = "As pool_mode in [pgweir], for this user."}};
    Option<Count> pool_size{
        this, {.name = "pool_size", .min = 1, .doc = "As default_pool_size, for this user."}};
    Option<Count> reserve_pool_size{
        this,
        {.name = "reserve_pool_size", .doc = "As reserve_pool_size in [limits], for this user."}};
    Option<Count> max_user_connections{
        this,
        {.name = "max_user_connections",
         .doc = "As max_user_connections in [limits], for this user."}};
    Option<Count> max_user_client_connections{
        this,
        {.name = "max_user_client_connections",
         .doc = "As max_user_client_connections in [limits], for this user."}};
    Option<Duration> query_timeout{
        this, {.name = "query_timeout", .doc = "As query_timeout in [timeouts], for this user."}};
    Option<Duration> idle_transaction_timeout{
        this,
        {.name = "idle_transaction_timeout",
         .doc = "As idle_transaction_timeout in [timeouts], for this user."}};
    Option<Duration> transaction_timeout{
        this,
        {.name = "transaction_timeout",
         .doc = "As transaction_timeout in [timeouts], for this user."}};
    Option<Duration> client_idle_timeout{
        this,
        {.name = "client_idle_timeout",
         .doc = "As client_idle_timeout in [timeouts], for this user."}};
};

// One [[hba]] entry, as it was written. The first rule that fits a client decides; if none does,
// the client is rejected.
struct HbaRule {
    enum class Type : std::uint8_t { Local, Host, HostSsl, HostNoSsl };

    Type type = Type::Host;
    TextList databases = {"all"};  // Names, or "all".
    TextList users = {"all"};      // Names, or "all".
    std::string address = "all";   // "all", an address, or address/bits; unused by Local.
    AuthMethod method = AuthMethod::Reject;
    unsigned line = 0;  // Where it stands in the file.

    bool operator==(const HbaRule&) const = default;
};

template <>
inline constexpr std::array<EnumName<HbaRule::Type>, 4> kEnumNames<HbaRule::Type>{{
    {HbaRule::Type::Local, "local"},
    {HbaRule::Type::Host, "host"},
    {HbaRule::Type::HostSsl, "hostssl"},
    {HbaRule::Type::HostNoSsl, "hostnossl"},
}};

}  // namespace pgweir::config
