// SPDX-License-Identifier: PostgreSQL
// What no single option can see: contradictions between options, and texts that are addresses.
#include <algorithm>

#include "pgweir/config/connection_string.h"
#include "pgweir/config/settings.h"

namespace pgweir::config {
namespace {

class Checker {
 public:
    Checker(const Settings& settings, std::string_view file) : settings_(settings), file_(file) {}

    void run() const {
        check_listen();
        check_peers();
        check_http();
        check_limits();
        check_timeouts();
        check_client_tls();
        check_server_tls();
        check_authentication();
        for (const auto& [name, database] : settings_.databases()) check_database(database);
        for (const auto& [name, user] : settings_.users()) check_user(user);
        for (const auto& [name, node] : settings_.nodes()) check_node(node);
    }

 private:
    [[noreturn]] void fail(unsigned line, const std::string& sentence) const {
        throw ConfigError(file_, line, sentence);
    }
    [[noreturn]] void fail(const OptionBase& option, const std::string& sentence) const {
        fail(option.line(), std::string(option.name()) + " " + sentence);
    }

    void check_listen() const {
        const auto& listen = settings_.general.listen;
        if (listen().empty()) fail(listen, "is empty: no client could connect");
        for (const std::string& text : listen()) {
            const auto address = parse_listen_address(text);
            if (!address) fail(listen, "names \"" + text + "\", which " + address.error());
        }
    }

    void check_peers() const {
        const auto& general = settings_.general;
        if (general.peers().empty()) {
            if (general.peer_id() != 0) fail(general.peer_id, "needs peers");
            if (!general.cancel_secret().empty()) fail(general.cancel_secret, "needs peers");
            return;
        }
        constexpr std::size_t kPeersMax = 32;
        const std::size_t count = general.peers().size();
        if (count < 2 || count > kPeersMax) {
            fail(general.peers, "must name 2 to 32 instances, this one included");
        }
        for (const std::string& text : general.peers()) {
            const auto parsed = parse_host_port(text);
            if (!parsed) fail(general.peers, "names \"" + text + "\", which " + parsed.error());
            if (parsed->port == 0) fail(general.peers, "names \"" + text + "\" with the port 0");
        }
        if (general.peer_id() < 1 || general.peer_id() > count) {
            fail(general.peers.line(), "peer_id = " + general.peer_id.show() +
                                           " must be a place in peers: 1 to " +
                                           std::to_string(count));
        }
        constexpr std::size_t kSecretMin = 16;
        if (general.cancel_secret().size() < kSecretMin) {
            fail(general.peers, "need a cancel_secret of at least 16 characters");
        }
    }

    void check_http() const {
        const auto& http = settings_.http;
        for (const std::string& text : http.listen()) {
            const auto address = parse_listen_address(text);
            if (!address) fail(http.listen, "names \"" + text + "\", which " + address.error());
            if (address->is_unix()) {
                fail(http.listen, "names \"" + text + "\", which is no host:port");
            }
        }
        constexpr std::size_t kTokenMin = 16;
        if (!http.token().empty() && http.token().size() < kTokenMin) {
            fail(http.token, "must have at least 16 characters");
        }
    }

    void check_limits() const {
        const auto& limits = settings_.limits;
        require_at_most(limits.min_pool_size, limits.min_pool_size(), limits.default_pool_size,
                        limits.default_pool_size());
        if (const Count all = limits.max_server_connections(); all != 0) {
            require_at_most(limits.min_pool_size, limits.min_pool_size(),
                            limits.max_server_connections, all);
        }
        if (limits.prepared_statements_memory() < limits.max_buffered_message()) {
            fail(limits.prepared_statements_memory,
                 "= " + limits.prepared_statements_memory.show() +
                     " must be at least max_buffered_message = " +
                     limits.max_buffered_message.show());
        }
    }

    // Options of a node that no database has would be without effect.
    void check_node(const NodeSettings& node) const {
        unsigned line = 0;
        for (const OptionBase* option : node.options()) line = std::max(line, option->line());
        const auto parsed = parse_host_port(node.name);
        if (!parsed) {
            fail(line, "[" + node.section() + "] must name a node as \"host:port\"; it " +
                           parsed.error());
        }
        const NodeAddress address{parsed->host, parsed->port.value_or(5432)};
        for (const auto& [name, database] : settings_.databases()) {
            const auto nodes = database.nodes();
            if (std::find(nodes.begin(), nodes.end(), address) != nodes.end()) return;
        }
        fail(line, "[" + node.section() + "] is a node of no database");
    }

    void check_timeouts() const {
        const auto& timeouts = settings_.timeouts;
        if (timeouts.server_login_retry_max() < timeouts.server_login_retry()) {
            fail(timeouts.server_login_retry,
                 "= " + timeouts.server_login_retry.show() +
                     " must not be longer than server_login_retry_max = " +
                     timeouts.server_login_retry_max.show());
        }
    }

    void require_at_most(const OptionBase& small, Count value, const OptionBase& large,
                         Count limit) const {
        if (value <= limit) return;
        const OptionBase& at = small.is_set() ? small : large;
        fail(at.line(), std::string(small.name()) + " = " + std::to_string(value) +
                            " must not be more than " + std::string(large.name()) + " = " +
                            std::to_string(limit));
    }

    void check_client_tls() const {
        const auto& tls = settings_.tls;
        const TlsMode mode = tls.client_tls_sslmode();
        if (mode == TlsMode::Disable) return;
        const std::string wanted = "= \"" + tls.client_tls_sslmode.show() + "\" needs ";
        if (tls.client_tls_cert_file().empty()) {
            fail(tls.client_tls_sslmode, wanted + "client_tls_cert_file");
        }
        if (tls.client_tls_key_file().empty()) {
            fail(tls.client_tls_sslmode, wanted + "client_tls_key_file");
        }
        if (mode >= TlsMode::VerifyCa && tls.client_tls_ca_file().empty()) {
            fail(tls.client_tls_sslmode, wanted + "client_tls_ca_file");
        }
    }

    void check_server_tls() const {
        const auto& tls = settings_.tls;
        if (tls.server_tls_cert_file().empty() != tls.server_tls_key_file().empty()) {
            const bool has_cert = !tls.server_tls_cert_file().empty();
            const OptionBase& given = has_cert
                                          ? static_cast<const OptionBase&>(tls.server_tls_cert_file)
                                          : tls.server_tls_key_file;
            fail(given, std::string("needs ") +
                            (has_cert ? "server_tls_key_file" : "server_tls_cert_file"));
        }
        check_server_tls_mode(tls.server_tls_sslmode, tls.server_tls_sslmode());
        check_channel_binding(tls.server_channel_binding, tls.server_channel_binding(),
                              tls.server_tls_sslmode());
        if (tls.server_tls_direct() && tls.server_tls_sslmode() < TlsMode::Require) {
            fail(tls.server_tls_direct,
                 "needs server_tls_sslmode \"require\", \"verify-ca\" or \"verify-full\"");
        }
    }

    // Without TLS there is nothing that could be bound: every login would fail.
    void check_channel_binding(const OptionBase& option, ChannelBinding binding,
                               TlsMode mode) const {
        if (binding != ChannelBinding::Require || mode != TlsMode::Disable) return;
        fail(option, "= \"require\" can't be with server_tls_sslmode = \"disable\"");
    }

    // `option` says where it stands: server_tls_sslmode, or a url.
    void check_server_tls_mode(const OptionBase& option, TlsMode mode) const {
        if (mode < TlsMode::VerifyCa || !settings_.tls.server_tls_ca_file().empty()) return;
        fail(option.line(),
             "server_tls_sslmode = " + write_value(mode) + " needs server_tls_ca_file in [tls]");
    }

    void check_authentication() const {
        const auto& general = settings_.general;
        if (general.auth_query.is_set() && general.auth_user().empty()) {
            const bool some_database =
                std::any_of(settings_.databases().begin(), settings_.databases().end(),
                            [](const auto& entry) { return !entry.second.auth_user().empty(); });
            if (!some_database) fail(general.auth_query, "needs auth_user, as whom it runs");
        }
        if (!general.auth_user().empty()) check_auth_query(general.auth_query);
        if (settings_.hba.empty()) {
            check_method(general.auth_type(), general.auth_type.line(), "auth_type");
        }
        for (const HbaRule& rule : settings_.hba) check_method(rule.method, rule.line, "method");
    }

    void check_auth_query(const Option<std::string>& query) const {
        if (query().find("$1") == std::string::npos) {
            fail(query, "has no $1, where the user's name goes");
        }
    }

    void check_method(AuthMethod method, unsigned line, const std::string& option) const {
        if (method != AuthMethod::Cert || !settings_.tls.client_tls_ca_file().empty()) return;
        fail(line, option + " \"cert\" needs client_tls_ca_file in [tls]");
    }

    void check_database(const DatabaseSettings& database) const {
        check_database_address(database);
        if (database.password.is_set() && database.user().empty() && !database.url.is_set()) {
            fail(database.password, "needs user in [" + database.section() + "]");
        }
        if (database.auth_query.is_set()) {
            check_auth_query(database.auth_query);
            if (database.auth_user().empty() && settings_.general.auth_user().empty()) {
                fail(database.auth_query, "needs auth_user, as whom it runs");
            }
        }
        if (database.server_tls_sslmode.is_set()) {
            check_server_tls_mode(database.server_tls_sslmode, database.server_tls_sslmode());
        }
        if (database.server_channel_binding.is_set()) {
            check_channel_binding(
                database.server_channel_binding, database.server_channel_binding(),
                database.server_tls_sslmode.value_or(settings_.tls.server_tls_sslmode()));
        }
        const auto& limits = settings_.limits;
        if (database.min_pool_size.is_set() || database.pool_size.is_set()) {
            require_at_most(
                database.min_pool_size, database.min_pool_size.value_or(limits.min_pool_size()),
                database.pool_size, database.pool_size.value_or(limits.default_pool_size()));
        }
    }

    void check_database_address(const DatabaseSettings& database) const {
        if (database.host.is_set() && database.host().empty()) fail(database.host, "is empty");
        if (database.node_list.is_set()) {
            if (database.host.is_set()) fail(database.host, "and nodes exclude each other");
            if (database.port.is_set()) fail(database.port, "belongs into nodes: \"host:port\"");
            if (database.node_list().empty()) fail(database.node_list, "is empty");
            for (const std::string& text : database.node_list()) {
                const auto node = parse_host_port(text);
                if (!node) {
                    fail(database.node_list, "names \"" + text + "\", which " + node.error());
                }
                if (node->port == 0) {
                    fail(database.node_list, "names \"" + text + "\", which has the port 0");
                }
            }
        }
        if (database.url.is_set()) check_url(database);
    }

    void check_url(const DatabaseSettings& database) const {
        for (const OptionBase* option : std::initializer_list<const OptionBase*>{
                 &database.host, &database.port, &database.node_list, &database.dbname,
                 &database.user}) {
            if (option->is_set()) fail(*option, "and url exclude each other");
        }
        const auto parsed = parse_connection_string(database.url());
        if (!parsed) fail(database.url, parsed.error());
        const bool has_password = database.password.is_set();
        if (!parsed->password.empty() && has_password) {
            fail(database.password, "stands in url already");
        }
        if (parsed->user.empty() && (has_password || !parsed->password.empty())) {
            fail(database.url, "has no user for the password");
        }
        if (!parsed->tls_root_file.empty() || parsed->tls_direct) {
            fail(database.url,
                 "can't say how TLS is spoken; set server_tls_ca_file and "
                 "server_tls_direct in [tls]");
        }
        if (parsed->tls_mode && !database.server_tls_sslmode.is_set()) {
            check_server_tls_mode(database.url, *parsed->tls_mode);
        }
    }

    void check_user(const UserSettings& user) const {
        if (user.name.empty()) fail(0, "a user's name is empty");
    }

    const Settings& settings_;
    std::string_view file_;
};

}  // namespace

void Settings::check(std::string_view file) const {
    Checker(*this, file).run();
}

}  // namespace pgweir::config
