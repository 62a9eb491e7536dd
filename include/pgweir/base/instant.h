// SPDX-License-Identifier: PostgreSQL
// Time as a value. The core never asks what time it is: it is told, with every event.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace pgweir {

// A span of time, in microseconds. 0 as an option's value means "no limit".
struct Duration {
    std::int64_t us = 0;

    static constexpr Duration microseconds(std::int64_t n) { return {n}; }
    static constexpr Duration milliseconds(std::int64_t n) { return {n * 1000}; }
    static constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000}; }

    constexpr explicit operator bool() const { return us != 0; }
    constexpr auto operator<=>(const Duration&) const = default;
    friend constexpr Duration operator+(Duration a, Duration b) { return {a.us + b.us}; }
    friend constexpr Duration operator-(Duration a, Duration b) { return {a.us - b.us}; }
    friend constexpr Duration operator*(Duration a, std::int64_t n) { return {a.us * n}; }
};

// A point on a monotonic clock, in microseconds since an arbitrary origin.
struct Instant {
    std::int64_t us = 0;

    // Later than every deadline: "never".
    static constexpr Instant never() { return {std::numeric_limits<std::int64_t>::max()}; }

    constexpr bool is_never() const { return *this == never(); }
    constexpr auto operator<=>(const Instant&) const = default;
    friend constexpr Instant operator+(Instant at, Duration d) {
        return at.is_never() ? at : Instant{at.us + d.us};
    }
    friend constexpr Instant operator-(Instant at, Duration d) { return {at.us - d.us}; }
    friend constexpr Duration operator-(Instant a, Instant b) { return {a.us - b.us}; }
};

// The deadline that a timeout sets at `now`; a timeout of 0 sets none.
constexpr Instant deadline_after(Instant now, Duration timeout) {
    return timeout ? now + timeout : Instant::never();
}

}  // namespace pgweir
