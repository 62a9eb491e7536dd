// SPDX-License-Identifier: PostgreSQL
// See crypto.h. SHA-256 can only fail for want of memory, which is not handled.
#include "auth/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pgweir/base/assert.h"

namespace pgweir::auth {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The value of one base64 digit, or -1.
int digit_value(char digit) {
    if (digit >= 'A' && digit <= 'Z') return digit - 'A';
    if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9') return digit - '0' + 52;
    if (digit == '+') return 62;
    if (digit == '/') return 63;
    return -1;
}

}  // namespace

SecretKey sha256(ByteView data) {
    SecretKey digest;
    unsigned int length = 0;
    const int ok = EVP_Digest(data.data(), data.size(), digest.writable().data(), &length,
                              EVP_sha256(), nullptr);
    PGWEIR_ASSERT(ok == 1 && length == SecretKey::kBytes);
    return digest;
}

SecretKey hmac_sha256(ByteView key, ByteView data) {
    SecretKey digest;
    unsigned int length = 0;
    const Byte* out = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(),
                           data.size(), digest.writable().data(), &length);
    PGWEIR_ASSERT(out != nullptr && length == SecretKey::kBytes);
    return digest;
}

SecretKey pbkdf2_sha256(std::string_view password, ByteView salt, std::uint32_t iterations) {
    SecretKey key;
    const int ok =
        PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                          static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                          static_cast<int>(SecretKey::kBytes), key.writable().data());
    PGWEIR_ASSERT(ok == 1);
    return key;
}

std::optional<SecretText> md5_hex(ByteView data) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<Byte, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    if (EVP_Digest(data.data(), data.size(), digest.data(), &length, EVP_md5(), nullptr) != 1) {
        return std::nullopt;
    }
    std::array<char, 32> hex{};
    PGWEIR_ASSERT(length * 2 == hex.size());
    for (std::size_t i = 0; i < length; ++i) {
        hex[2 * i] = kDigits[digest[i] >> 4];
        hex[2 * i + 1] = kDigits[digest[i] & 0xf];
    }
    SecretText text(std::string_view(hex.data(), hex.size()));
    OPENSSL_cleanse(digest.data(), digest.size());
    OPENSSL_cleanse(hex.data(), hex.size());
    return text;
}

std::string base64_encode(ByteView bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t left = bytes.size() - at;
        std::uint32_t group = std::uint32_t{bytes[at]} << 16;
        if (left > 1) group |= std::uint32_t{bytes[at + 1]} << 8;
        if (left > 2) group |= std::uint32_t{bytes[at + 2]};
        text += kAlphabet[group >> 18];
        text += kAlphabet[(group >> 12) & 63];
        text += left > 1 ? kAlphabet[(group >> 6) & 63] : '=';
        text += left > 2 ? kAlphabet[group & 63] : '=';
    }
    return text;
}

std::optional<Bytes> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
        ++padding;
    }
    Bytes bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (std::size_t at = 0; at < text.size(); at += 4) {
        const std::size_t digits = at + 4 == text.size() ? 4 - padding : 4;
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            const int value = i < digits ? digit_value(text[at + i]) : 0;
            if (value < 0) return std::nullopt;
            group = (group << 6) | static_cast<std::uint32_t>(value);
        }
        // Bits that no byte takes must be zero: one text per value.
        if (digits < 4 && (group & (digits == 3 ? 0xffU : 0xffffU)) != 0) return std::nullopt;
        bytes.push_back(static_cast<Byte>(group >> 16));
        if (digits > 2) bytes.push_back(static_cast<Byte>(group >> 8));
        if (digits > 3) bytes.push_back(static_cast<Byte>(group));
    }
    return bytes;
}

}  // namespace pgweir::auth
