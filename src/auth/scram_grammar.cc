// SPDX-License-Identifier: PostgreSQL
// See scram_grammar.h.
#include "auth/scram_grammar.h"

#include <algorithm>

#include "auth/crypto.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

std::optional<std::string_view> take_any_attribute(std::string_view& rest, char& name) {
    if (rest.size() < 2 || !is_letter(rest[0]) || rest[1] != '=') return std::nullopt;
    name = rest[0];
    rest.remove_prefix(2);
    const std::size_t comma = rest.find(',');
    const std::string_view value = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    return value;
}

std::optional<std::string_view> take_attribute(std::string_view& rest, char name) {
    if (rest.empty() || rest[0] != name) return std::nullopt;
    char found = 0;
    return take_any_attribute(rest, found);
}

bool is_nonce(std::string_view text) {
    return !text.empty() && text.size() <= kScramNonceBytesMax &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

std::string make_nonce(Entropy& entropy) {
    std::array<Byte, 18> random{};
    entropy.fill(random);
    return base64_encode(random);
}

std::string channel_binding_attribute(std::string_view gs2_header, ByteView data) {
    Bytes both(gs2_header.begin(), gs2_header.end());
    both.insert(both.end(), data.begin(), data.end());
    return base64_encode(both);
}

SecretKey exclusive_or(const SecretKey& a, const SecretKey& b) {
    SecretKey result;
    for (std::size_t i = 0; i < SecretKey::kBytes; ++i) {
        result.writable()[i] = static_cast<Byte>(a.reveal()[i] ^ b.reveal()[i]);
    }
    return result;
}

}  // namespace pgweir::auth
