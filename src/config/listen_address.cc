// SPDX-License-Identifier: PostgreSQL
// Addresses as people write them.
#include "pgweir/config/listen_address.h"

#include <charconv>

namespace pgweir::config {
namespace {

using Parsed = Result<HostPort, std::string>;

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, port);
    if (text.empty() || error != std::errc() || at != end) return std::nullopt;
    return port;
}

Parsed with_port(std::string_view host, std::string_view port_text) {
    const auto port = parse_port(port_text);
    if (!port) {
        return failure("has \"" + std::string(port_text) +
                       "\" as its port, which must be 0 to 65535");
    }
    return HostPort{std::string(host), port};
}

// "[::1]" or "[::1]:6432".
Parsed parse_bracketed(std::string_view text) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return failure(std::string("has no \"]\""));
    const std::string_view host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (host.empty()) return failure(std::string("has no host"));
    if (rest.empty()) return HostPort{std::string(host), std::nullopt};
    if (rest.front() != ':')
        return failure(std::string("has something after \"]\" that is no port"));
    return with_port(host, rest.substr(1));
}

}  // namespace

Parsed parse_host_port(std::string_view text) {
    if (text.empty()) return failure(std::string("is empty"));
    for (const char c : text) {
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
            return failure(std::string("has a space or a control character in it"));
        }
    }
    if (text.front() == '[') return parse_bracketed(text);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return HostPort{std::string(text), std::nullopt};
    if (text.front() != '/' && text.find(':') != colon) {
        return failure(
            std::string("has several \":\"; an IPv6 address needs brackets: [::1]:5432"));
    }
    if (colon == 0) return failure(std::string("has no host"));
    return with_port(text.substr(0, colon), text.substr(colon + 1));
}

Result<ListenAddress, std::string> parse_listen_address(std::string_view text, std::uint16_t port) {
    auto parsed = parse_host_port(text);
    if (!parsed) return failure(parsed.error());
    ListenAddress address{std::move(parsed->host), parsed->port.value_or(port)};
    if (address.is_unix()) {
        // sockaddr_un has room for 107 characters and a NUL.
        if (address.socket_path().size() > 107) {
            return failure(std::string("is too long for a Unix socket (107 characters)"));
        }
        return address;
    }
    if (!parsed->port) {
        return failure(std::string("has no port; write host:port, e.g. 127.0.0.1:6432"));
    }
    return address;
}

}  // namespace pgweir::config
