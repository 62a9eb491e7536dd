// SPDX-License-Identifier: PostgreSQL
// See password.h.
#include "pgweir/auth/password.h"

#include <openssl/crypto.h>

#include "auth/crypto.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

namespace {

// md5 of two texts, one behind the other. The copy that this needs is wiped.
std::optional<SecretText> md5_of_both(std::string_view a, ByteView b) {
    Bytes both;
    both.reserve(a.size() + b.size());
    both.insert(both.end(), a.begin(), a.end());
    both.insert(both.end(), b.begin(), b.end());
    std::optional<SecretText> hex = md5_hex(both);
    OPENSSL_cleanse(both.data(), both.size());
    return hex;
}

bool hashes_match(const Md5Hash& a, const Md5Hash& b) {
    return equal_in_constant_time(as_bytes(a.hex.reveal()), as_bytes(b.hex.reveal()));
}

}  // namespace

std::optional<Md5Hash> md5_hash(std::string_view password, std::string_view user) {
    std::optional<SecretText> hex = md5_of_both(password, as_bytes(user));
    if (!hex) return std::nullopt;
    return Md5Hash{std::move(*hex)};
}

std::optional<std::string> make_md5_response(const Md5Hash& hash, const Md5Salt& salt) {
    const std::optional<SecretText> hex = md5_of_both(hash.hex.reveal(), salt);
    if (!hex) return std::nullopt;
    return "md5" + std::string(hex->reveal());
}

bool md5_response_matches(const Secret& secret, std::string_view user, const Md5Salt& salt,
                          std::string_view response) {
    std::optional<Md5Hash> hash;
    if (const auto* stored = std::get_if<Md5Hash>(&secret)) hash = *stored;
    if (const auto* plain = std::get_if<PlainPassword>(&secret)) {
        if (!plain->text.empty()) hash = md5_hash(plain->text.reveal(), user);
    }
    if (!hash) return false;
    const std::optional<std::string> expected = make_md5_response(*hash, salt);
    return expected && equal_in_constant_time(as_bytes(*expected), as_bytes(response));
}

bool password_matches(const Secret& secret, std::string_view user, std::string_view password) {
    if (password.empty()) return false;
    if (const auto* plain = std::get_if<PlainPassword>(&secret)) {
        // Digests are compared, so that the time tells nothing of the stored password's length.
        return sha256(as_bytes(plain->text.reveal())).matches(sha256(as_bytes(password)));
    }
    if (const auto* stored = std::get_if<Md5Hash>(&secret)) {
        const std::optional<Md5Hash> claimed = md5_hash(password, user);
        return claimed && hashes_match(*stored, *claimed);
    }
    return verifier_accepts(std::get<ScramVerifier>(secret), password);
}

}  // namespace pgweir::auth
