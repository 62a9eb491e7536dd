// SPDX-License-Identifier: PostgreSQL
#include "pgweir/cluster/lsn.h"

#include <charconv>

namespace pgweir::cluster {

namespace {

void append_hex(std::string& out, std::uint32_t half) {
    char digits[8] = {};
    const auto end = std::to_chars(digits, digits + sizeof digits, half, 16).ptr;
    for (const char* digit = digits; digit != end; ++digit) {
        out += *digit >= 'a' ? static_cast<char>(*digit - 'a' + 'A') : *digit;
    }
}

// 1 to 8 hexadecimal digits and nothing else, as pg_lsn's input function wants it.
std::optional<std::uint32_t> parse_half(std::string_view text) {
    if (text.empty() || text.size() > 8) return std::nullopt;
    std::uint32_t half = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), half, 16);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return half;
}

}  // namespace

std::string text(Lsn lsn) {
    std::string out;
    append_hex(out, static_cast<std::uint32_t>(lsn.value >> 32));
    out += '/';
    append_hex(out, static_cast<std::uint32_t>(lsn.value));
    return out;
}

std::optional<Lsn> parse_lsn(std::string_view text) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto high = parse_half(text.substr(0, slash));
    const auto low = parse_half(text.substr(slash + 1));
    if (!high || !low) return std::nullopt;
    return Lsn{(std::uint64_t{*high} << 32) | *low};
}

}  // namespace pgweir::cluster
