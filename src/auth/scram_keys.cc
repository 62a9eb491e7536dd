// SPDX-License-Identifier: PostgreSQL
// From a password to keys and verifiers (RFC 5802, 3), and the cache in front of that.
#include <openssl/crypto.h>

#include <algorithm>
#include <string>

#include "auth/crypto.h"
#include "auth/saslprep.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

namespace {

SecretKey derived(const SecretKey& key, std::string_view label) {
    return hmac_sha256(key.reveal(), as_bytes(label));
}

// HMAC(mock_key, label NUL user): unpredictable, and the same at every attempt.
SecretKey mock_bytes(const SecretKey& mock_key, std::string_view label, std::string_view user) {
    std::string text(label);
    text += '\0';
    text += user;
    return hmac_sha256(mock_key.reveal(), as_bytes(text));
}

}  // namespace

ScramKeys derive_scram_keys(std::string_view password, ByteView salt, std::uint32_t iterations) {
    const SecretText prepared = saslprep(password);
    const SecretKey salted_password = pbkdf2_sha256(prepared.reveal(), salt, iterations);
    return {derived(salted_password, "Client Key"), derived(salted_password, "Server Key")};
}

ScramVerifier make_verifier(const ScramKeys& keys, ByteView salt, std::uint32_t iterations) {
    ScramVerifier verifier;
    verifier.iterations = iterations;
    verifier.salt.assign(salt.begin(), salt.end());
    verifier.stored_key = sha256(keys.client_key.reveal());
    verifier.server_key = keys.server_key;
    return verifier;
}

bool verifier_accepts(const ScramVerifier& verifier, std::string_view password) {
    const ScramKeys keys = derive_scram_keys(password, verifier.salt, verifier.iterations);
    return keys.server_key.matches(verifier.server_key);
}

Bytes mock_salt(const SecretKey& mock_key, std::string_view user) {
    const SecretKey bytes = mock_bytes(mock_key, "salt", user);
    return Bytes(bytes.reveal().begin(), bytes.reveal().begin() + kScramSaltBytes);
}

ScramVerifier mock_verifier(const SecretKey& mock_key, std::string_view user) {
    ScramVerifier verifier;
    verifier.iterations = kScramIterations;
    verifier.salt = mock_salt(mock_key, user);
    verifier.stored_key = mock_bytes(mock_key, "stored key", user);
    verifier.server_key = mock_bytes(mock_key, "server key", user);
    return verifier;
}

ScramKeys ScramKeyCache::keys(std::string_view password, ByteView salt, std::uint32_t iterations) {
    // Neither a password nor a number in decimal can hold a NUL, so no two inputs look alike.
    const std::string count = std::to_string(iterations);
    Bytes text;
    text.reserve(password.size() + count.size() + salt.size() + 2);
    text.insert(text.end(), password.begin(), password.end());
    text.push_back(0);
    text.insert(text.end(), count.begin(), count.end());
    text.push_back(0);
    text.insert(text.end(), salt.begin(), salt.end());
    const SecretKey digest = sha256(text);
    OPENSSL_cleanse(text.data(), text.size());
    Digest key{};
    std::copy(digest.reveal().begin(), digest.reveal().end(), key.begin());

    if (const auto found = entries_.find(key); found != entries_.end()) return found->second;
    ScramKeys keys = derive_scram_keys(password, salt, iterations);
    if (entries_max_ == 0) return keys;
    if (entries_.size() >= entries_max_) {
        entries_.erase(order_.front());
        order_.pop_front();
    }
    entries_.emplace(key, keys);
    order_.push_back(key);
    return keys;
}

void ScramKeyCache::clear() {
    entries_.clear();
    order_.clear();
}

}  // namespace pgweir::auth
