// SPDX-License-Identifier: PostgreSQL
// The few functions of libcrypto that authentication needs, with our types; and strict base64.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"

namespace pgweir::auth {

SecretKey sha256(ByteView data);
SecretKey hmac_sha256(ByteView key, ByteView data);
SecretKey pbkdf2_sha256(std::string_view password, ByteView salt, std::uint32_t iterations);
// Lower-case hexadecimal digits. Nothing if libcrypto refuses md5 (FIPS).
std::optional<SecretText> md5_hex(ByteView data);

std::string base64_encode(ByteView bytes);
// RFC 4648 with padding, nothing else in between; nothing on any other text.
std::optional<Bytes> base64_decode(std::string_view text);

}  // namespace pgweir::auth
