// SPDX-License-Identifier: PostgreSQL
// A start without a file: the connection string says it all.
#include "pgweir/config/connection_string.h"
#include "pgweir/config/settings.h"

namespace pgweir::config {
namespace {

std::string write_host_port(const NodeAddress& node) {
    const bool is_v6 = node.host.find(':') != std::string::npos && node.host.front() != '/';
    return (is_v6 ? "[" + node.host + "]" : node.host) + ":" + std::to_string(node.port);
}

}  // namespace

std::unique_ptr<Settings> settings_from_connection_string(std::string_view uri) {
    const auto parsed = parse_connection_string(uri);
    if (!parsed) throw ConfigError("", 0, "the connection string " + parsed.error());
    if (!parsed->password.empty() && parsed->user.empty()) {
        throw ConfigError("", 0, "the connection string has a password but no user");
    }

    auto settings = std::make_unique<Settings>();
    // Whoever reaches the address is let in: it is on loopback, and the node still asks for the
    // password that the connection string has.
    settings->general.auth_type.assign(AuthMethod::Any);
    settings->general.admin_users.assign({parsed->user.empty() ? "postgres" : parsed->user});
    if (parsed->tls_mode) settings->tls.server_tls_sslmode.assign(*parsed->tls_mode);
    if (parsed->require_auth) settings->tls.server_require_auth.assign(*parsed->require_auth);
    if (parsed->channel_binding) {
        settings->tls.server_channel_binding.assign(*parsed->channel_binding);
    }
    if (parsed->tls_direct) settings->tls.server_tls_direct.assign(true);
    if (!parsed->tls_root_file.empty()) {
        settings->tls.server_tls_ca_file.assign(parsed->tls_root_file);
    }

    // As in libpq, the database is by default the user's name.
    std::string name = parsed->database.empty() ? parsed->user : parsed->database;
    if (name.empty()) name = "postgres";
    DatabaseSettings& database = settings->add_database(name);
    TextList nodes;
    for (const NodeAddress& node : parsed->nodes) nodes.push_back(write_host_port(node));
    database.node_list.assign(std::move(nodes));
    if (!parsed->user.empty()) database.user.assign(parsed->user);
    if (!parsed->password.empty()) database.password.assign(parsed->password);
    if (!parsed->application_name.empty()) {
        database.application_name.assign(parsed->application_name);
    }
    settings->check("");
    return settings;
}

}  // namespace pgweir::config
