// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/random.h"

#include <bit>

#include "pgweir/base/assert.h"

namespace pgweir {

Random::Random(std::uint64_t seed) {
    // splitmix64: four independent words even from small seeds.
    for (std::uint64_t& word : state_) {
        seed += 0x9E3779B97F4A7C15ULL;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        word = z ^ (z >> 31);
    }
}

std::uint64_t Random::next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
    PGWEIR_ASSERT(bound > 0);
    // Values over the largest multiple of `bound` are drawn again, so that none is favoured.
    const std::uint64_t threshold = -bound % bound;
    for (;;) {
        const std::uint64_t drawn = next();
        if (drawn >= threshold) return drawn % bound;
    }
}

void Random::fill(std::span<std::uint8_t> out) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (i % 8 == 0) word = next();
        out[i] = static_cast<std::uint8_t>(word >> (8 * (i % 8)));
    }
}

}  // namespace pgweir
