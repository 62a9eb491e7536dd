// SPDX-License-Identifier: PostgreSQL
// A place in the write-ahead log. Places of different timelines are never compared blindly.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::cluster {

struct Lsn {
    std::uint64_t value = 0;  // 0: no place (PostgreSQL's InvalidXLogRecPtr).

    constexpr explicit operator bool() const { return value != 0; }
    constexpr auto operator<=>(const Lsn&) const = default;
};

// "16/B374D848", as PostgreSQL's pg_lsn writes it.
std::string text(Lsn lsn);
std::optional<Lsn> parse_lsn(std::string_view text);

// A place on a timeline of one cluster.
struct Position {
    Lsn lsn;
    std::uint32_t timeline = 0;
    bool operator==(const Position&) const = default;
};

}  // namespace pgweir::cluster
