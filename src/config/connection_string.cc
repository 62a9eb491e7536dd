// SPDX-License-Identifier: PostgreSQL
// libpq's connection URIs, as the manual has them in "Connection URIs":
//   postgresql://[user[:password]@][host[:port]][,…][/database][?name=value[&…]]
#include "pgweir/config/connection_string.h"

#include "config/nearest.h"
#include "pgweir/config/listen_address.h"
#include "pgweir/config/option_value.h"

namespace pgweir::config {
namespace {

using Parsed = Result<ConnectionString, std::string>;
using Trouble = std::optional<std::string>;

constexpr std::array<std::string_view, 2> kSchemes{"postgres://", "postgresql://"};
constexpr std::size_t kNodesMax = 64;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Nothing if a "%" is not followed by two hexadecimal digits, or stands for NUL.
std::optional<std::string> decode_percent(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

// Takes what comes before `separator` off `rest`; all of it if there is no separator.
std::string_view take_until(std::string_view& rest, char separator) {
    const std::size_t at = rest.find(separator);
    const std::string_view taken = rest.substr(0, at);
    rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
    return taken;
}

Trouble decode_into(std::string& target, std::string_view text, std::string_view what) {
    auto decoded = decode_percent(text);
    if (!decoded) {
        return "has a \"%\" in its " + std::string(what) +
               " that is not followed by two hexadecimal digits";
    }
    target = std::move(*decoded);
    return std::nullopt;
}

Trouble read_user_info(std::string_view text, ConnectionString& out) {
    const std::string_view user = take_until(text, ':');
    if (auto trouble = decode_into(out.user, user, "user")) return trouble;
    return decode_into(out.password, text, "password");
}

Trouble read_node(std::string_view text, ConnectionString& out) {
    if (text.empty()) return "has no host";
    auto parsed = parse_host_port(text);
    if (!parsed) return "names the host \"" + std::string(text) + "\", which " + parsed.error();
    if (parsed->port == 0) return "has the port 0";
    NodeAddress node{{}, parsed->port.value_or(5432)};
    if (auto trouble = decode_into(node.host, parsed->host, "host")) return trouble;
    out.nodes.push_back(std::move(node));
    return std::nullopt;
}

Trouble read_nodes(std::string_view text, ConnectionString& out) {
    do {
        if (auto trouble = read_node(take_until(text, ','), out)) return trouble;
        if (out.nodes.size() > kNodesMax) return "has more than 64 hosts";
    } while (!text.empty());
    return std::nullopt;
}

template <typename T>
Trouble read_option(std::optional<T>& target, const std::string& name, const std::string& value) {
    try {
        target = read_value<T>(RawValue(value));
        return std::nullopt;
    } catch (const ValueError& error) {
        return "has an " + name + " that " + error.what();
    }
}

Trouble read_parameter(const std::string& name, const std::string& value, ConnectionString& out) {
    static constexpr std::array<std::string_view, 11> kNames{"sslmode",
                                                             "sslnegotiation",
                                                             "sslrootcert",
                                                             "require_auth",
                                                             "channel_binding",
                                                             "application_name",
                                                             "user",
                                                             "password",
                                                             "dbname",
                                                             "host",
                                                             "port"};
    if (name == "sslmode") return read_option(out.tls_mode, name, value);
    if (name == "require_auth") return read_option(out.require_auth, name, value);
    if (name == "channel_binding") return read_option(out.channel_binding, name, value);
    if (name == "application_name")
        out.application_name = value;
    else if (name == "sslrootcert")
        out.tls_root_file = value;
    else if (name == "user")
        out.user = value;
    else if (name == "password")
        out.password = value;
    else if (name == "dbname")
        out.database = value;
    else if (name == "host")
        return read_nodes(value, out);
    else if (name == "sslnegotiation" && (value == "direct" || value == "postgres")) {
        out.tls_direct = value == "direct";
    } else if (name == "port") {
        for (NodeAddress& node : out.nodes) {
            auto with_port = parse_host_port("h:" + value);
            if (!with_port || with_port->port == 0)
                return "has a port that is no number up to 65535";
            node.port = *with_port->port;
        }
    } else {
        const auto close = nearest(name, kNames);
        return "has the parameter \"" + name + "\", which pgweir does not know" +
               (close && *close != name ? "; did you mean \"" + std::string(*close) + "\"?" : "");
    }
    return std::nullopt;
}

Trouble read_parameters(std::string_view text, ConnectionString& out) {
    while (!text.empty()) {
        std::string_view pair = take_until(text, '&');
        std::string name;
        std::string value;
        if (auto trouble = decode_into(name, take_until(pair, '='), "parameters")) return trouble;
        if (auto trouble = decode_into(value, pair, "parameters")) return trouble;
        if (auto trouble = read_parameter(name, value, out)) return trouble;
    }
    return std::nullopt;
}

}  // namespace

bool is_connection_string(std::string_view text) {
    return text.starts_with(kSchemes[0]) || text.starts_with(kSchemes[1]);
}

Parsed parse_connection_string(std::string_view text) {
    if (!is_connection_string(text)) {
        return failure(std::string("does not begin with postgres:// or postgresql://"));
    }
    text.remove_prefix(text.find("://") + 3);
    for (const char c : text) {
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
            return failure(std::string("has a space or a control character in it; write %20"));
        }
    }
    ConnectionString out;
    std::string_view parameters = text;
    std::string_view database = take_until(parameters, '?');
    std::string_view authority = take_until(database, '/');
    // The last "@": a password that holds one unescaped is what people mean.
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        if (auto trouble = read_user_info(authority.substr(0, at), out)) return failure(*trouble);
        authority.remove_prefix(at + 1);
    }
    if (!authority.empty()) {
        if (auto trouble = read_nodes(authority, out)) return failure(*trouble);
    }
    if (auto trouble = decode_into(out.database, database, "database")) return failure(*trouble);
    if (auto trouble = read_parameters(parameters, out)) return failure(*trouble);
    if (out.nodes.empty()) return failure(std::string("has no host"));
    return out;
}

}  // namespace pgweir::config
