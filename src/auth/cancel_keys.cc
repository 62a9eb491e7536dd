// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/cancel_keys.h"

#include <bit>

#include "auth/crypto.h"
#include "pgweir/base/assert.h"

namespace pgweir::auth {

namespace {

constexpr std::size_t kTagBytes = SecretKey::kBytes;

// Which of its two uses a digest is for: none can be taken for the other.
enum class Use : Byte { Mask = 1, Tag = 2 };

Bytes digest_input(Use use, std::uint32_t process_id, ByteView secret) {
    Bytes input(5);
    input[0] = static_cast<Byte>(use);
    store_u32(input.data() + 1, process_id);
    input.insert(input.end(), secret.begin(), secret.end());
    return input;
}

}  // namespace

CancelKeys::CancelKeys(std::string_view secret, std::size_t peers, std::size_t own)
    : key_(hmac_sha256(as_bytes(secret), as_bytes("pgweir cancel keys"))),
      peers_(peers),
      own_(own),
      bits_(static_cast<Byte>(std::bit_ceil(peers) - 1)) {
    PGWEIR_ASSERT(!secret.empty() && own < peers && peers <= kPeersMax);
}

Byte CancelKeys::mask_of(std::uint32_t process_id, ByteView secret) const {
    Bytes input = digest_input(Use::Mask, process_id, secret);
    input[5] = static_cast<Byte>(input[5] & ~bits_);
    return hmac_sha256(key_.reveal(), input).reveal()[0];
}

void CancelKeys::mark(std::uint32_t process_id, std::span<Byte> secret) const {
    if (!has_peers()) return;
    PGWEIR_ASSERT(!secret.empty());
    const Byte masked = static_cast<Byte>(own_ ^ mask_of(process_id, secret));
    secret[0] = static_cast<Byte>((secret[0] & ~bits_) | (masked & bits_));
}

std::optional<std::size_t> CancelKeys::owner(std::uint32_t process_id, ByteView secret) const {
    if (!has_peers()) return own_;
    // pgweir makes no other ones: 4 bytes with protocol 3.0, 32 with 3.2.
    if (secret.size() != 4 && secret.size() != 32) return std::nullopt;
    const auto peer = static_cast<std::size_t>((secret[0] ^ mask_of(process_id, secret)) & bits_);
    return peer < peers_ ? std::optional(peer) : std::nullopt;
}

Bytes CancelKeys::wrap(std::uint32_t process_id, ByteView secret) const {
    const SecretKey tag = hmac_sha256(key_.reveal(), digest_input(Use::Tag, process_id, secret));
    Bytes wrapped(secret.begin(), secret.end());
    wrapped.insert(wrapped.end(), tag.reveal().begin(), tag.reveal().end());
    return wrapped;
}

std::optional<ByteView> CancelKeys::unwrap(std::uint32_t process_id, ByteView secret) const {
    if (!has_peers() || secret.size() <= kTagBytes) return std::nullopt;
    const ByteView inner = secret.first(secret.size() - kTagBytes);
    const SecretKey tag = hmac_sha256(key_.reveal(), digest_input(Use::Tag, process_id, inner));
    if (!equal_in_constant_time(tag.reveal(), secret.last(kTagBytes))) return std::nullopt;
    return inner;
}

}  // namespace pgweir::auth
