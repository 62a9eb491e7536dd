// SPDX-License-Identifier: PostgreSQL
// Secrets as values: passwords, md5 hashes, SCRAM keys and verifiers. They are wiped when they are
// destroyed, have no way to be printed, and say `reveal()` where one of them is read.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "pgweir/base/bytes.h"
#include "pgweir/base/result.h"

namespace pgweir::auth {

// A text that is wiped when it goes.
class SecretText {
 public:
    SecretText() = default;
    explicit SecretText(std::string_view text) : text_(text) {}
    SecretText(const SecretText& other) = default;
    SecretText(SecretText&& other) noexcept;
    SecretText& operator=(const SecretText& other);
    SecretText& operator=(SecretText&& other) noexcept;
    ~SecretText() { wipe(); }

    std::string_view reveal() const { return text_; }
    bool empty() const { return text_.empty(); }
    void wipe();

 private:
    std::string text_;
};

// A key or digest of SHA-256's size, wiped when it goes.
class SecretKey {
 public:
    static constexpr std::size_t kBytes = 32;

    SecretKey() = default;
    explicit SecretKey(std::span<const Byte, kBytes> bytes);
    SecretKey(const SecretKey&) = default;
    SecretKey& operator=(const SecretKey&) = default;
    ~SecretKey();

    ByteView reveal() const { return bytes_; }
    std::span<Byte, kBytes> writable() { return bytes_; }
    // In constant time.
    bool matches(const SecretKey& other) const;

 private:
    std::array<Byte, kBytes> bytes_{};
};

// What the owner of a password can prove itself with, and recognise the server with, without the
// password (RFC 5802: ClientKey, ServerKey). They belong to one salt and iteration count.
struct ScramKeys {
    SecretKey client_key;
    SecretKey server_key;
};

// What PostgreSQL stores in pg_authid.rolpassword for SCRAM:
//   SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey      (salt and keys in base64)
struct ScramVerifier {
    std::uint32_t iterations = 4096;
    Bytes salt;
    SecretKey stored_key;
    SecretKey server_key;

    // False if `text` isn't a verifier, to the last byte.
    static bool parse(std::string_view text, ScramVerifier& verifier);
    std::string format() const;
};

struct PlainPassword {
    SecretText text;
};

// md5(password + user) as 32 lower-case hexadecimal digits; stored with the prefix "md5".
struct Md5Hash {
    SecretText hex;
};

// What is stored for a user, to recognise him by.
using Secret = std::variant<PlainPassword, Md5Hash, ScramVerifier>;
enum class SecretKind : std::uint8_t { Plain, Md5, Scram };
SecretKind kind_of(const Secret& secret);
// A user who is known but has no password.
bool is_empty(const Secret& secret);

// A secret as it stands in a configuration, in userlist.txt or in pg_authid: a verifier and a hash
// are known by their form, everything else is a password. Fails, with a sentence that doesn't
// quote it, on an empty text and on one that begins as a verifier and isn't one.
Result<Secret, std::string> parse_secret(std::string_view text);

// What pgweir can log in to a server with. Nothing: only where the server asks for nothing.
using LoginSecret = std::variant<std::monostate, PlainPassword, Md5Hash, ScramKeys>;

// In constant time for texts of equal length.
bool equal_in_constant_time(ByteView a, ByteView b);

}  // namespace pgweir::auth
