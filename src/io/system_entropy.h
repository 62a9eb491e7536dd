// SPDX-License-Identifier: PostgreSQL
// The operating system's random generator. One per worker.
#pragma once

#include <array>
#include <cstddef>

#include "pgweir/base/entropy.h"

namespace pgweir::io {

class SystemEntropy final : public Entropy {
 public:
    void fill(std::span<std::uint8_t> out) override;

 private:
    // Asked for in pieces of this size; each byte is wiped when it has been given out.
    std::array<std::uint8_t, 256> ready_;
    std::size_t left_ = 0;
};

}  // namespace pgweir::io
