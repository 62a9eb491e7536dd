// SPDX-License-Identifier: PostgreSQL
// Views of bytes, and big-endian numbers in them (the byte order of PostgreSQL's protocol).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir {

using Byte = std::uint8_t;
using ByteView = std::span<const Byte>;
using Bytes = std::vector<Byte>;

inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}

inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string to_string(ByteView bytes) {
    return std::string(as_text(bytes));
}

// REQUIRES: 2 readable bytes at `at`.
inline std::uint16_t load_u16(const Byte* at) {
    return static_cast<std::uint16_t>((at[0] << 8) | at[1]);
}

// REQUIRES: 4 readable bytes at `at`.
inline std::uint32_t load_u32(const Byte* at) {
    return (std::uint32_t{at[0]} << 24) | (std::uint32_t{at[1]} << 16) |
           (std::uint32_t{at[2]} << 8) | std::uint32_t{at[3]};
}

inline void store_u16(Byte* at, std::uint16_t value) {
    at[0] = static_cast<Byte>(value >> 8);
    at[1] = static_cast<Byte>(value);
}

inline void store_u32(Byte* at, std::uint32_t value) {
    at[0] = static_cast<Byte>(value >> 24);
    at[1] = static_cast<Byte>(value >> 16);
    at[2] = static_cast<Byte>(value >> 8);
    at[3] = static_cast<Byte>(value);
}

}  // namespace pgweir
