// SPDX-License-Identifier: PostgreSQL
// How servers may ask pgweir to prove who it is, with libpq's names and meaning: require_auth and
// channel_binding.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "pgweir/base/result.h"

namespace pgweir {

// What libpq's require_auth names: none, password, md5, scram-sha-256.
struct RequireAuth {
    bool none = true;
    bool password = true;
    bool md5 = true;
    bool scram = true;

    auto operator<=>(const RequireAuth&) const = default;
};
// "scram-sha-256,md5" allows these alone; "!password,!none" forbids these alone; "" allows all.
// The error is a sentence's end: "can't be …".
Result<RequireAuth, std::string> parse_require_auth(std::string_view text);
std::string text_of(const RequireAuth& require);

// Whether SCRAM is bound to the TLS connection (SCRAM-SHA-256-PLUS).
enum class ChannelBinding : std::uint8_t { Disable, Prefer, Require };

// Where a password may cross in clear.
enum class CleartextPassword : std::uint8_t {
    Protected,  // Over TLS, a Unix socket, or loopback.
    Anywhere,
};

// The newest version of the protocol that servers are asked for.
enum class ProtocolVersion : std::uint8_t { V30, V32 };

}  // namespace pgweir
