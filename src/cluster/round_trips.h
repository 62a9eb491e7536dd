// SPDX-License-Identifier: PostgreSQL
// How long looks at one node take, of late.
#pragma once

#include <array>
#include <cstddef>

#include "pgweir/base/instant.h"

namespace pgweir::cluster {

class RoundTrips {
 public:
    void add(Duration round_trip);
    // 0 until the first look has ended.
    Duration smoothed() const { return smoothed_; }
    // Of the last 16; 0 until there are 4, which is too few to know what is usual.
    Duration median() const;

 private:
    static constexpr std::size_t kKept = 16;
    static constexpr std::size_t kEnough = 4;
    std::array<Duration, kKept> last_{};
    std::size_t count_ = 0;
    Duration smoothed_;
};

}  // namespace pgweir::cluster
