// SPDX-License-Identifier: PostgreSQL
// libpq's connection URIs: postgres://user:password@host:port,host:port/database?sslmode=require
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/result.h"
#include "pgweir/config/node_address.h"
#include "pgweir/config/server_auth.h"
#include "pgweir/config/tls_mode.h"

namespace pgweir::config {

struct ConnectionString {
    std::vector<NodeAddress> nodes;  // Never empty.
    std::string user;                // Empty if there is none, as the others.
    std::string password;
    std::string database;
    std::string application_name;
    std::optional<TlsMode> tls_mode;
    std::optional<RequireAuth> require_auth;
    std::optional<ChannelBinding> channel_binding;
    std::string tls_root_file;
    bool tls_direct = false;
};

bool is_connection_string(std::string_view text);

// The error is a sentence's end, never with a password in it: "has no host".
Result<ConnectionString, std::string> parse_connection_string(std::string_view text);

}  // namespace pgweir::config
