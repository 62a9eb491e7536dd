// SPDX-License-Identifier: PostgreSQL
#include "cluster/lag.h"

#include <algorithm>

namespace pgweir::cluster {

namespace {
constexpr Duration kGapMin = Duration::milliseconds(10);
}

void LagHistory::set_span(Duration span) {
    gap_ = std::max(kGapMin, Duration{2 * span.us / static_cast<std::int64_t>(kPlacesMax)});
}

void LagHistory::reached(Lsn lsn, Instant at) {
    if (!lsn || lsn == newest_.lsn) return;
    if (lsn < newest_.lsn) forget_beyond(lsn);
    if (newest_.lsn && (places_.empty() || newest_.at - places_.back().at >= gap_)) {
        places_.push_back(newest_);
        if (places_.size() > kPlacesMax) places_.pop_front();
    }
    newest_ = {lsn, at};
}

void LagHistory::forget_beyond(Lsn lsn) {
    while (!places_.empty() && places_.back().lsn >= lsn) places_.pop_back();
    newest_ = {};
}

Duration LagHistory::lag_time(Lsn lsn, Instant at) const {
    if (newest_.lsn <= lsn) return {};
    const auto passed =
        std::upper_bound(places_.begin(), places_.end(), lsn,
                         [](Lsn wanted, const Place& place) { return wanted < place.lsn; });
    const Instant since = passed == places_.end() ? newest_.at : passed->at;
    return std::max(Duration{}, at - since);
}

std::uint64_t LagHistory::lag_bytes(Lsn lsn, Instant at) const {
    const Lsn reached = reached_by(at);
    return reached > lsn ? reached.value - lsn.value : 0;
}

Lsn LagHistory::reached_by(Instant at) const {
    if (newest_.at <= at) return newest_.lsn;
    const auto later =
        std::upper_bound(places_.begin(), places_.end(), at,
                         [](Instant wanted, const Place& place) { return wanted < place.at; });
    return later == places_.begin() ? Lsn{} : std::prev(later)->lsn;
}

}  // namespace pgweir::cluster
