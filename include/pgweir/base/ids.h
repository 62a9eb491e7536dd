// SPDX-License-Identifier: PostgreSQL
// Strong identifiers: a client's can't be passed where a server's is wanted. Tables hold ids, not
// pointers, of what another table owns.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace pgweir {

template <typename Tag>
struct Id {
    std::uint64_t value = 0;  // 0 names nothing.

    constexpr explicit operator bool() const { return value != 0; }
    constexpr auto operator<=>(const Id&) const = default;
};

// One frontend connection, an incarnation: never used again within a process.
using ClientId = Id<struct ClientTag>;
// One connection to a node (a backend connection, or one that carries a CancelRequest), an
// incarnation: never used again within a process.
using ServerId = Id<struct ServerTag>;
// The servers of one (database, user, node).
using PoolId = Id<struct PoolTag>;
// One PostgreSQL instance.
using NodeId = Id<struct NodeTag>;
// One event loop; numbered from 0.
using WorkerIndex = std::uint32_t;

}  // namespace pgweir

template <typename Tag>
struct std::hash<pgweir::Id<Tag>> {
    std::size_t operator()(pgweir::Id<Tag> id) const noexcept {
        return std::hash<std::uint64_t>{}(id.value * 0x9E3779B97F4A7C15ULL);
    }
};
