// SPDX-License-Identifier: PostgreSQL
// Everything that can be configured. A reload builds a new Settings and publishes it as
// shared_ptr<const Settings>; a published one never changes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/config/cluster_sections.h"
#include "pgweir/config/config_error.h"
#include "pgweir/config/database_settings.h"
#include "pgweir/config/listen_address.h"
#include "pgweir/config/monitor_login.h"
#include "pgweir/config/node_address.h"
#include "pgweir/config/sections.h"

namespace pgweir::config {

// What holds for the pools of one database and one user, overrides applied: the user's option goes
// before the database's, that before the process's.
struct EffectivePool {
    std::vector<NodeAddress> nodes;  // Empty if there is no such database.
    std::string server_database;     // The name on the node.
    std::string server_user;         // As whom servers log in.
    std::string server_password;     // Empty: as the client proved itself, or as the users say.
    bool user_is_fixed = false;      // server_user comes from the database's section.
    TlsMode tls_mode = TlsMode::Prefer;
    RequireAuth require_auth;
    ChannelBinding channel_binding = ChannelBinding::Prefer;
    CleartextPassword cleartext_password = CleartextPassword::Protected;
    ProtocolVersion max_protocol_version = ProtocolVersion::V30;
    PoolMode pool_mode = PoolMode::Transaction;

    // 0: no limit (of sizes: none kept, no reserve).
    Count pool_size = 0;
    Count min_pool_size = 0;
    Count reserve_pool_size = 0;
    Count max_db_connections = 0;
    Count max_user_connections = 0;
    Count max_db_client_connections = 0;
    Count max_user_client_connections = 0;
    Duration reserve_pool_timeout;
    Duration query_wait_timeout;
    Duration query_wait_notify;
    Duration query_timeout;
    Duration transaction_timeout;
    Duration idle_transaction_timeout;
    Duration client_idle_timeout;
    Duration server_idle_timeout;
    Duration server_lifetime;

    DatabaseRoute route = DatabaseRoute::Auto;
    Split split = Split::On;
    ReadConsistency consistency = ReadConsistency::Session;
    ReadsOnPrimary reads_on_primary = ReadsOnPrimary::Fallback;
    Duration replica_wait;

    std::string application_name;  // Of servers whose client has none.
    std::string auth_user;         // Empty: no auth_query.
    std::string auth_query;
    std::string auth_database;

    bool operator==(const EffectivePool&) const = default;
};

class Settings {
 public:
    Settings() = default;
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;

    GeneralSettings general;
    LimitSettings limits;
    TimeoutSettings timeouts;
    RoutingSettings routing;
    ClusterSettings cluster;
    TcpSettings tcp;
    TlsSettings tls;
    HttpSettings http;
    std::vector<HbaRule> hba;
    // What auth_file holds; read by whoever read the settings. Never shown.
    std::string auth_file_text;

    // The section of that name, made if there is none yet.
    DatabaseSettings& add_database(std::string_view name);
    UserSettings& add_user(std::string_view name);
    NodeSettings& add_node(std::string_view name);
    const std::map<std::string, DatabaseSettings, std::less<>>& databases() const {
        return databases_;
    }
    const std::map<std::string, UserSettings, std::less<>>& users() const { return users_; }

    // The database's own section, or that of "*", or nullptr.
    const DatabaseSettings* find_database(std::string_view name) const;
    const UserSettings* find_user(std::string_view name) const;
    const NodeSettings* find_node(const NodeAddress& address) const;
    // How the nodes of this database are observed; its user is empty if nobody may.
    MonitorLogin monitor_login(std::string_view database) const;
    EffectivePool pool_for(std::string_view database, std::string_view user) const;

    const std::map<std::string, NodeSettings, std::less<>>& nodes() const { return nodes_; }

    // REQUIRES: check() found no error.
    std::vector<ListenAddress> listen_addresses() const;
    std::vector<ListenAddress> http_addresses() const;
    std::vector<NodeAddress> peer_addresses() const;
    bool is_admin(std::string_view user) const;
    // True for admins, too.
    bool may_read_stats(std::string_view user) const;

    // The sections for the whole process, in the order of the file.
    std::vector<OptionGroup*> sections();
    std::vector<const OptionGroup*> sections() const;
    // Everything: those sections, then databases and users by name.
    std::vector<const OptionGroup*> all_groups() const;

    // What no single option can see: throws ConfigError with the line of the option at fault.
    void check(std::string_view file) const;

 private:
    std::map<std::string, DatabaseSettings, std::less<>> databases_;
    std::map<std::string, UserSettings, std::less<>> users_;
    std::map<std::string, NodeSettings, std::less<>> nodes_;
};

// A start without a file: one database, served on loopback to whoever asks, as a sidecar does it;
// servers log in as the URI says. Throws ConfigError.
std::unique_ptr<Settings> settings_from_connection_string(std::string_view uri);

// Names of options that differ and need a restart: a reload reports them and leaves them.
std::vector<std::string> restart_differences(const Settings& running, const Settings& wanted);

}  // namespace pgweir::config
