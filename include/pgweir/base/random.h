// SPDX-License-Identifier: PostgreSQL
// Chance as a value: xoshiro256**, seeded, one per worker. For jitter and balancing only: secrets
// come from Entropy.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace pgweir {

class Random {
 public:
    explicit Random(std::uint64_t seed);

    std::uint64_t next();
    // Uniform in [0, bound). REQUIRES: bound > 0.
    std::uint64_t below(std::uint64_t bound);
    // True once in `n` times on average. REQUIRES: n > 0.
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    void fill(std::span<std::uint8_t> out);

 private:
    std::array<std::uint64_t, 4> state_;
};

}  // namespace pgweir
