// SPDX-License-Identifier: PostgreSQL
// Cleartext and md5 passwords, both roles (PostgreSQL manual, "Start-up":
// AuthenticationCleartextPassword, AuthenticationMD5Password).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"

namespace pgweir::auth {

using Md5Salt = std::array<Byte, 4>;

// md5(password + user). Nothing if libcrypto refuses md5 (FIPS).
std::optional<Md5Hash> md5_hash(std::string_view password, std::string_view user);

// "md5" + md5(hash + salt): what PasswordMessage carries. Nothing if libcrypto refuses md5.
std::optional<std::string> make_md5_response(const Md5Hash& hash, const Md5Salt& salt);

// In constant time. False for a secret that is a SCRAM verifier: md5 can't be checked with it.
bool md5_response_matches(const Secret& secret, std::string_view user, const Md5Salt& salt,
                          std::string_view response);

// A password in clear against any kind of secret. In constant time; costs a PBKDF2 for a verifier.
// An empty password matches nothing.
bool password_matches(const Secret& secret, std::string_view user, std::string_view password);

}  // namespace pgweir::auth
