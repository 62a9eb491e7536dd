// SPDX-License-Identifier: PostgreSQL
// Addresses as people write them: "127.0.0.1:6432", "[::1]:6432", "/run/pgweir",
// "/run/pgweir:6432".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/base/result.h"

namespace pgweir::config {

// Where clients connect.
struct ListenAddress {
    std::string host;  // A name or address; for a Unix socket its directory.
    std::uint16_t port = 6432;

    bool is_unix() const { return !host.empty() && host.front() == '/'; }
    // REQUIRES: is_unix(). As libpq looks for it.
    std::string socket_path() const { return host + "/.s.PGSQL." + std::to_string(port); }
    bool operator==(const ListenAddress&) const = default;
};

// A host and perhaps a port; the port's limits are the caller's to judge only for 0.
struct HostPort {
    std::string host;
    std::optional<std::uint16_t> port;
};

// The error is a sentence's end: "has no port".
Result<HostPort, std::string> parse_host_port(std::string_view text);
// `port` is for a Unix socket that names none.
Result<ListenAddress, std::string> parse_listen_address(std::string_view text,
                                                        std::uint16_t port = 6432);

}  // namespace pgweir::config
