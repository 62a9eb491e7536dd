// SPDX-License-Identifier: PostgreSQL
// What both roles of SCRAM have in common: attributes (RFC 5802, 7), nonces, proofs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/entropy.h"

namespace pgweir::auth {

constexpr std::string_view kBindingType = "tls-server-end-point";

// Takes `name=value` off the front, with the comma behind it if there is one. Nothing if something
// else stands there. The value may be empty.
std::optional<std::string_view> take_attribute(std::string_view& rest, char name);
// The same for any name that is a letter.
std::optional<std::string_view> take_any_attribute(std::string_view& rest, char& name);

// True if `message` ends where `value`, a part of it, ends.
inline bool is_last(std::string_view message, std::string_view value) {
    return value.data() + value.size() == message.data() + message.size();
}

// True for 1 to kScramNonceBytesMax characters from 0x21 to 0x7e, none a comma.
bool is_nonce(std::string_view text);
// 18 random bytes in base64, as PostgreSQL makes them.
std::string make_nonce(Entropy& entropy);

// base64(gs2-header + channel binding data): what c= has to be.
std::string channel_binding_attribute(std::string_view gs2_header, ByteView data);

// Its own inverse: ClientProof := ClientKey XOR ClientSignature.
SecretKey exclusive_or(const SecretKey& a, const SecretKey& b);

}  // namespace pgweir::auth
