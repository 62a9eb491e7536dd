// SPDX-License-Identifier: PostgreSQL
// See secret.h.
#include "pgweir/auth/secret.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <charconv>

#include "auth/crypto.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

namespace {

constexpr std::string_view kVerifierPrefix = "SCRAM-SHA-256$";
constexpr std::string_view kMd5Prefix = "md5";

bool is_hex_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

char lower_case(char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Cuts `text` behind the first `separator` and returns what stood before it; false without one.
bool cut(std::string_view& text, char separator, std::string_view& before) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return false;
    before = text.substr(0, at);
    text.remove_prefix(at + 1);
    return true;
}

bool parse_key(std::string_view text, SecretKey& key) {
    std::optional<Bytes> bytes = base64_decode(text);
    if (!bytes || bytes->size() != SecretKey::kBytes) return false;
    std::copy(bytes->begin(), bytes->end(), key.writable().begin());
    OPENSSL_cleanse(bytes->data(), bytes->size());
    return true;
}

bool is_md5_secret(std::string_view text) {
    return text.size() == kMd5Prefix.size() + 32 && text.starts_with(kMd5Prefix) &&
           std::all_of(text.begin() + kMd5Prefix.size(), text.end(), is_hex_digit);
}

}  // namespace

SecretText::SecretText(SecretText&& other) noexcept : text_(other.text_) {
    other.wipe();
}

SecretText& SecretText::operator=(const SecretText& other) {
    if (this == &other) return *this;
    wipe();
    text_ = other.text_;
    return *this;
}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    text_.swap(other.text_);
    other.wipe();
    return *this;
}

void SecretText::wipe() {
    // What lies behind the end may be an earlier, longer content.
    text_.resize(text_.capacity());
    OPENSSL_cleanse(text_.data(), text_.size());
    text_.clear();
}

SecretKey::SecretKey(std::span<const Byte, kBytes> bytes) {
    std::copy(bytes.begin(), bytes.end(), bytes_.begin());
}

SecretKey::~SecretKey() {
    OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

bool SecretKey::matches(const SecretKey& other) const {
    return equal_in_constant_time(bytes_, other.bytes_);
}

bool equal_in_constant_time(ByteView a, ByteView b) {
    if (a.size() != b.size()) return false;
    return a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool ScramVerifier::parse(std::string_view text, ScramVerifier& verifier) {
    if (!text.starts_with(kVerifierPrefix)) return false;
    text.remove_prefix(kVerifierPrefix.size());

    std::string_view iterations, salt, stored_key;
    if (!cut(text, ':', iterations) || !cut(text, '$', salt) || !cut(text, ':', stored_key)) {
        return false;
    }
    ScramVerifier parsed;
    const char* end = iterations.data() + iterations.size();
    const auto number = std::from_chars(iterations.data(), end, parsed.iterations);
    if (number.ec != std::errc{} || number.ptr != end) return false;
    if (parsed.iterations == 0 || parsed.iterations > 0x7fffffff) return false;

    std::optional<Bytes> salt_bytes = base64_decode(salt);
    if (!salt_bytes || salt_bytes->empty() || salt_bytes->size() > kScramSaltBytesMax) return false;
    parsed.salt = std::move(*salt_bytes);
    if (!parse_key(stored_key, parsed.stored_key) || !parse_key(text, parsed.server_key)) {
        return false;
    }
    verifier = std::move(parsed);
    return true;
}

std::string ScramVerifier::format() const {
    return std::string(kVerifierPrefix) + std::to_string(iterations) + ':' + base64_encode(salt) +
           '$' + base64_encode(stored_key.reveal()) + ':' + base64_encode(server_key.reveal());
}

SecretKind kind_of(const Secret& secret) {
    if (std::holds_alternative<Md5Hash>(secret)) return SecretKind::Md5;
    if (std::holds_alternative<ScramVerifier>(secret)) return SecretKind::Scram;
    return SecretKind::Plain;
}

bool is_empty(const Secret& secret) {
    const auto* plain = std::get_if<PlainPassword>(&secret);
    return plain != nullptr && plain->text.empty();
}

Result<Secret, std::string> parse_secret(std::string_view text) {
    if (text.empty()) return failure(std::string("an empty password is no password"));
    if (text.find('\0') != std::string_view::npos) {
        return failure(std::string("a password can't contain a zero byte"));
    }
    if (text.starts_with(kVerifierPrefix)) {
        ScramVerifier verifier;
        if (ScramVerifier::parse(text, verifier)) return Secret(std::move(verifier));
        return failure(std::string(
            "begins as a SCRAM verifier but isn't one; it has the form "
            "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, as in pg_authid.rolpassword"));
    }
    if (is_md5_secret(text)) {
        std::string hex(text.substr(kMd5Prefix.size()));
        std::transform(hex.begin(), hex.end(), hex.begin(), lower_case);
        Md5Hash hash{SecretText(hex)};
        OPENSSL_cleanse(hex.data(), hex.size());
        return Secret(std::move(hash));
    }
    return Secret(PlainPassword{SecretText(text)});
}

}  // namespace pgweir::auth
