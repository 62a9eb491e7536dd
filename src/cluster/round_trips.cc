// SPDX-License-Identifier: PostgreSQL
#include "cluster/round_trips.h"

#include <algorithm>

namespace pgweir::cluster {

void RoundTrips::add(Duration round_trip) {
    smoothed_ =
        count_ == 0 ? round_trip : Duration{smoothed_.us + (round_trip.us - smoothed_.us) / 4};
    last_[count_ % kKept] = round_trip;
    ++count_;
}

Duration RoundTrips::median() const {
    const std::size_t n = std::min(count_, kKept);
    if (n < kEnough) return {};
    std::array<Duration, kKept> sorted = last_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(n / 2);
    std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(n));
    return *middle;
}

}  // namespace pgweir::cluster
