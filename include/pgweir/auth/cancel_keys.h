// SPDX-License-Identifier: PostgreSQL
// Cancel keys of several pgweir that share a secret: behind one address, a CancelRequest reaches
// whichever instance the load balancer picks, and the key says whose it is. Nobody without the
// secret can read that, or say that a request comes from one of the instances.
//
//   key of a client = process_id:u32 secret[4 or 32]
//   the lowest bits of secret[0] = the instance's place in the list, exclusive or a mask that
//     HMAC-SHA-256 makes of all the rest
//   request that one instance hands to another = process_id:u32 secret[4 or 32] tag[32]
//     tag = HMAC-SHA-256 of the rest: it is handed on once, never twice
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"

namespace pgweir::auth {

class CancelKeys {
 public:
    static constexpr std::size_t kPeersMax = 32;

    // Alone: keys say nothing.
    CancelKeys() = default;
    // The `own`-th of `peers` instances. REQUIRES: own < peers <= kPeersMax, a secret.
    CancelKeys(std::string_view secret, std::size_t peers, std::size_t own);

    bool has_peers() const { return peers_ > 1; }
    // Makes a fresh random secret one of this instance's.
    void mark(std::uint32_t process_id, std::span<Byte> secret) const;
    // Whose key it is; nothing if it can be nobody's.
    std::optional<std::size_t> owner(std::uint32_t process_id, ByteView secret) const;
    bool is_own(std::size_t peer) const { return peer == own_; }

    // The secret of the request as it is handed to its owner.
    Bytes wrap(std::uint32_t process_id, ByteView secret) const;
    // The client's secret in a request that another instance hands over; nothing if none did.
    std::optional<ByteView> unwrap(std::uint32_t process_id, ByteView secret) const;

 private:
    Byte mask_of(std::uint32_t process_id, ByteView secret) const;

    SecretKey key_;
    std::size_t peers_ = 1;
    std::size_t own_ = 0;
    Byte bits_ = 0;  // Those of secret[0] that name the instance.
};

}  // namespace pgweir::auth
