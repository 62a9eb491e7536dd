// SPDX-License-Identifier: PostgreSQL
// Everything that can be configured: finding, and resolving of overrides.
#include "pgweir/config/settings.h"

#include <algorithm>

#include "pgweir/config/connection_string.h"

namespace pgweir::config {
namespace {

template <typename Group>
Group& add(std::map<std::string, Group, std::less<>>& groups, std::string_view name) {
    auto [at, added] = groups.try_emplace(std::string(name), name);
    return at->second;
}

bool contains(const TextList& list, std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

}  // namespace

DatabaseSettings& Settings::add_database(std::string_view name) {
    return add(databases_, name);
}

UserSettings& Settings::add_user(std::string_view name) {
    return add(users_, name);
}

NodeSettings& Settings::add_node(std::string_view name) {
    return add(nodes_, name);
}

const DatabaseSettings* Settings::find_database(std::string_view name) const {
    auto at = databases_.find(name);
    if (at == databases_.end()) at = databases_.find(std::string_view("*"));
    return at == databases_.end() ? nullptr : &at->second;
}

const UserSettings* Settings::find_user(std::string_view name) const {
    const auto at = users_.find(name);
    return at == users_.end() ? nullptr : &at->second;
}

namespace {

// What one database's section says of its nodes and the login there, whichever way it says it.
ConnectionString target_of(const DatabaseSettings& database) {
    if (database.url.is_set()) {
        auto parsed = parse_connection_string(database.url());
        if (parsed) {
            if (parsed->password.empty()) parsed->password = database.password();
            return std::move(*parsed);
        }
    }
    ConnectionString target;
    target.user = database.user();
    target.password = database.password();
    target.database = database.dbname();
    for (const std::string& text : database.node_list()) {
        auto parsed = parse_host_port(text);
        if (parsed) target.nodes.push_back({parsed->host, parsed->port.value_or(5432)});
    }
    if (target.nodes.empty()) {
        target.nodes.push_back({database.host(), static_cast<std::uint16_t>(database.port())});
    }
    return target;
}

void apply(const DatabaseSettings& database, EffectivePool& pool) {
    ConnectionString target = target_of(database);
    pool.nodes = std::move(target.nodes);
    if (!target.database.empty()) pool.server_database = std::move(target.database);
    if (!target.user.empty()) {
        pool.server_user = std::move(target.user);
        pool.server_password = std::move(target.password);
        pool.user_is_fixed = true;
    }
    pool.tls_mode = database.server_tls_sslmode.value_or(target.tls_mode.value_or(pool.tls_mode));
    pool.require_auth =
        database.server_require_auth.value_or(target.require_auth.value_or(pool.require_auth));
    pool.channel_binding = database.server_channel_binding.value_or(
        target.channel_binding.value_or(pool.channel_binding));
    pool.cleartext_password = database.server_cleartext_password.value_or(pool.cleartext_password);
    pool.max_protocol_version =
        database.server_max_protocol_version.value_or(pool.max_protocol_version);
    pool.application_name =
        database.application_name.is_set() ? database.application_name() : target.application_name;
    pool.pool_mode = database.pool_mode.value_or(pool.pool_mode);
    pool.pool_size = database.pool_size.value_or(pool.pool_size);
    pool.min_pool_size = database.min_pool_size.value_or(pool.min_pool_size);
    pool.reserve_pool_size = database.reserve_pool_size.value_or(pool.reserve_pool_size);
    pool.max_db_connections = database.max_db_connections.value_or(pool.max_db_connections);
    pool.max_db_client_connections =
        database.max_db_client_connections.value_or(pool.max_db_client_connections);
    pool.query_wait_timeout = database.query_wait_timeout.value_or(pool.query_wait_timeout);
    pool.server_lifetime = database.server_lifetime.value_or(pool.server_lifetime);
    pool.route = database.route.value_or(pool.route);
    pool.split = database.split.value_or(pool.split);
    pool.consistency = database.consistency.value_or(pool.consistency);
    pool.reads_on_primary = database.reads_on_primary.value_or(pool.reads_on_primary);
    pool.replica_wait = database.replica_wait.value_or(pool.replica_wait);
    pool.auth_user = database.auth_user.value_or(pool.auth_user);
    pool.auth_query = database.auth_query.value_or(pool.auth_query);
    pool.auth_database = database.auth_dbname.value_or(pool.auth_database);
}

void apply(const UserSettings& user, EffectivePool& pool) {
    pool.pool_mode = user.pool_mode.value_or(pool.pool_mode);
    pool.pool_size = user.pool_size.value_or(pool.pool_size);
    pool.reserve_pool_size = user.reserve_pool_size.value_or(pool.reserve_pool_size);
    pool.max_user_connections = user.max_user_connections.value_or(pool.max_user_connections);
    pool.max_user_client_connections =
        user.max_user_client_connections.value_or(pool.max_user_client_connections);
    pool.query_timeout = user.query_timeout.value_or(pool.query_timeout);
    pool.idle_transaction_timeout =
        user.idle_transaction_timeout.value_or(pool.idle_transaction_timeout);
    pool.transaction_timeout = user.transaction_timeout.value_or(pool.transaction_timeout);
    pool.client_idle_timeout = user.client_idle_timeout.value_or(pool.client_idle_timeout);
}

}  // namespace

std::vector<NodeAddress> DatabaseSettings::nodes() const {
    return target_of(*this).nodes;
}

EffectivePool Settings::pool_for(std::string_view database, std::string_view user) const {
    EffectivePool pool{
        .nodes = {},
        .server_database = std::string(database),
        .server_user = std::string(user),
        .server_password = {},
        .tls_mode = tls.server_tls_sslmode(),
        .require_auth = tls.server_require_auth(),
        .channel_binding = tls.server_channel_binding(),
        .cleartext_password = tls.server_cleartext_password(),
        .max_protocol_version = tls.server_max_protocol_version(),
        .pool_mode = general.pool_mode(),
        .pool_size = limits.default_pool_size(),
        .min_pool_size = limits.min_pool_size(),
        .reserve_pool_size = limits.reserve_pool_size(),
        .max_db_connections = limits.max_db_connections(),
        .max_user_connections = limits.max_user_connections(),
        .max_db_client_connections = limits.max_db_client_connections(),
        .max_user_client_connections = limits.max_user_client_connections(),
        .reserve_pool_timeout = timeouts.reserve_pool_timeout(),
        .query_wait_timeout = timeouts.query_wait_timeout(),
        .query_wait_notify = timeouts.query_wait_notify(),
        .query_timeout = timeouts.query_timeout(),
        .transaction_timeout = timeouts.transaction_timeout(),
        .idle_transaction_timeout = timeouts.idle_transaction_timeout(),
        .client_idle_timeout = timeouts.client_idle_timeout(),
        .server_idle_timeout = timeouts.server_idle_timeout(),
        .server_lifetime = timeouts.server_lifetime(),
        .split = routing.split(),
        .consistency = routing.consistency(),
        .reads_on_primary = routing.reads_on_primary(),
        .replica_wait = routing.replica_wait(),
        .application_name = {},
        .auth_user = general.auth_user(),
        .auth_query = general.auth_query(),
        .auth_database = general.auth_dbname(),
    };
    if (const DatabaseSettings* found = find_database(database)) apply(*found, pool);
    if (const UserSettings* found = find_user(user)) apply(*found, pool);
    return pool;
}

const NodeSettings* Settings::find_node(const NodeAddress& address) const {
    const auto is_meant = [&](const auto& named) {
        const auto parsed = parse_host_port(named.first);
        return parsed && parsed->host == address.host &&
               parsed->port.value_or(5432) == address.port;
    };
    const auto at = std::find_if(nodes_.begin(), nodes_.end(), is_meant);
    return at == nodes_.end() ? nullptr : &at->second;
}

// The first of these that names a user: monitor_user, the database's own user, auth_user. What is
// missing of a password is looked for among the users of the file.
MonitorLogin Settings::monitor_login(std::string_view database) const {
    const EffectivePool pool = pool_for(database, {});
    MonitorLogin login{.user = cluster.monitor_user(),
                       .password = cluster.monitor_password(),
                       .database = cluster.monitor_dbname(),
                       .tls_mode = pool.tls_mode,
                       .tls_ca_file = tls.server_tls_ca_file(),
                       .tls_cert_file = tls.server_tls_cert_file(),
                       .tls_key_file = tls.server_tls_key_file(),
                       .timeout = cluster.probe_timeout()};
    if (login.user.empty() && pool.user_is_fixed) {
        login.user = pool.server_user;
        login.password = pool.server_password;
    }
    if (login.user.empty()) login.user = pool.auth_user;
    if (login.database.empty()) login.database = pool.server_database;
    const UserSettings* known = find_user(login.user);
    if (login.password.empty() && known != nullptr) login.password = known->password();
    return login;
}

std::vector<ListenAddress> Settings::listen_addresses() const {
    std::vector<ListenAddress> addresses;
    std::uint16_t port = 6432;  // A Unix socket without a port has that of the first TCP address.
    for (const std::string& text : general.listen()) {
        const auto parsed = parse_listen_address(text);
        if (parsed && !parsed->is_unix()) {
            port = parsed->port;
            break;
        }
    }
    for (const std::string& text : general.listen()) {
        if (auto parsed = parse_listen_address(text, port)) addresses.push_back(std::move(*parsed));
    }
    return addresses;
}

std::vector<ListenAddress> Settings::http_addresses() const {
    std::vector<ListenAddress> addresses;
    for (const std::string& text : http.listen()) {
        if (auto parsed = parse_listen_address(text)) addresses.push_back(std::move(*parsed));
    }
    return addresses;
}

std::vector<NodeAddress> Settings::peer_addresses() const {
    std::vector<NodeAddress> addresses;
    for (const std::string& text : general.peers()) {
        const auto parsed = parse_host_port(text);
        if (parsed) addresses.push_back({parsed->host, parsed->port.value_or(6432)});
    }
    return addresses;
}

bool Settings::is_admin(std::string_view user) const {
    return contains(general.admin_users(), user);
}

bool Settings::may_read_stats(std::string_view user) const {
    return is_admin(user) || contains(general.stats_users(), user);
}

std::vector<OptionGroup*> Settings::sections() {
    return {&general, &limits, &timeouts, &routing, &cluster, &tcp, &tls, &http};
}

std::vector<const OptionGroup*> Settings::sections() const {
    return {&general, &limits, &timeouts, &routing, &cluster, &tcp, &tls, &http};
}

std::vector<const OptionGroup*> Settings::all_groups() const {
    auto groups = sections();
    for (const auto& [name, database] : databases_) groups.push_back(&database);
    for (const auto& [name, user] : users_) groups.push_back(&user);
    for (const auto& [name, node] : nodes_) groups.push_back(&node);
    return groups;
}

std::vector<std::string> restart_differences(const Settings& running, const Settings& wanted) {
    std::vector<std::string> names;
    const auto old_sections = running.sections();
    const auto new_sections = wanted.sections();
    for (std::size_t i = 0; i < old_sections.size(); ++i) {
        const auto& old_options = old_sections[i]->options();
        const auto& new_options = new_sections[i]->options();
        for (std::size_t k = 0; k < old_options.size(); ++k) {
            if (old_options[k]->reload() == Reload::Live) continue;
            if (!old_options[k]->same_as(*new_options[k])) {
                names.push_back(old_sections[i]->name_among_all(*old_options[k]));
            }
        }
    }
    return names;
}

}  // namespace pgweir::config
