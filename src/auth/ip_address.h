// SPDX-License-Identifier: PostgreSQL
// Numeric addresses as 16 bytes, IPv4 as ::ffff:a.b.c.d. No names, no sockets.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "pgweir/base/bytes.h"

namespace pgweir::auth {

using IpAddress = std::array<Byte, 16>;

// "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"; a zone ("fe80::1%eth0") is left out.
std::optional<IpAddress> parse_ip_address(std::string_view text);
bool is_ipv4(const IpAddress& address);
// 127.0.0.0/8 and ::1: packets that leave no machine.
bool is_loopback_address(const IpAddress& address);

}  // namespace pgweir::auth
