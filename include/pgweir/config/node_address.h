// SPDX-License-Identifier: PostgreSQL
// Where a PostgreSQL node listens.
#pragma once

#include <cstdint>
#include <string>

namespace pgweir {

// A host that begins with '/' is the directory of a Unix socket, as in libpq.
struct NodeAddress {
    std::string host;
    std::uint16_t port = 5432;
    bool operator==(const NodeAddress&) const = default;
};

}  // namespace pgweir
