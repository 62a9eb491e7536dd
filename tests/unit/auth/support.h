// SPDX-License-Identifier: PostgreSQL
// What the tests of authentication have in common.
#pragma once

#include <string>
#include <string_view>

#include "pgweir/auth/client_authenticator.h"
#include "pgweir/auth/scram.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/entropy.h"
#include "pgweir/base/random.h"

namespace pgweir::auth {

class SeededEntropy : public Entropy {
 public:
    explicit SeededEntropy(std::uint64_t seed = 1) : random_(seed) {}
    void fill(std::span<std::uint8_t> out) override { random_.fill(out); }

 private:
    Random random_;
};

inline SecretKey key_of(Byte byte) {
    SecretKey key;
    for (Byte& each : key.writable()) each = byte;
    return key;
}

// What PostgreSQL 15 stored for the password "pencil".
constexpr std::string_view kPencilVerifier =
    "SCRAM-SHA-256$4096:fb/KVsQvjiwfR1uuXYPK4w==$Od7NGuRPOHzwxRSwmViFVMXNsbFT4OPDajf1RTISHvI=:"
    "tQYYCIf3LdjKscGYRy1Lv9bYx1AuYAAnUVYAAO1bTUc=";
constexpr std::string_view kPencil = "pencil";

inline ScramVerifier pencil_verifier() {
    ScramVerifier verifier;
    const bool ok = ScramVerifier::parse(kPencilVerifier, verifier);
    PGWEIR_ASSERT(ok);
    return verifier;
}

inline PlainPassword plain(std::string_view text) {
    return PlainPassword{SecretText(text)};
}

inline Bytes bytes_of(std::string_view text) {
    return Bytes(text.begin(), text.end());
}

// The body of a PasswordMessage.
inline Bytes password_body(std::string_view password) {
    Bytes body = bytes_of(password);
    body.push_back(0);
    return body;
}

// The body of a SASLInitialResponse.
inline Bytes initial_body(std::string_view mechanism, std::string_view data) {
    Bytes body = password_body(mechanism);
    Byte length[4];
    store_u32(length, static_cast<std::uint32_t>(data.size()));
    body.insert(body.end(), length, length + 4);
    body.insert(body.end(), data.begin(), data.end());
    return body;
}

}  // namespace pgweir::auth
