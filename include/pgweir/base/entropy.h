// SPDX-License-Identifier: PostgreSQL
// Unpredictable bytes: cancel keys, nonces, salts. io binds the operating system's generator; the
// simulator a seeded one, so that a run repeats.
#pragma once

#include <cstdint>
#include <span>

namespace pgweir {

class Entropy {
 public:
    Entropy() = default;
    Entropy(const Entropy&) = delete;
    Entropy& operator=(const Entropy&) = delete;
    virtual ~Entropy() = default;

    virtual void fill(std::span<std::uint8_t> out) = 0;
};

}  // namespace pgweir
