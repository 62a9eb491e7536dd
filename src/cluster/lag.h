// SPDX-License-Identifier: PostgreSQL
// When the primary's LSN was first seen where: so that a standby's lag is known in time without
// comparing clocks, and an idle primary makes none.
#pragma once

#include <cstdint>
#include <deque>

#include "pgweir/base/instant.h"
#include "pgweir/cluster/lsn.h"

namespace pgweir::cluster {

class LagHistory {
 public:
    static constexpr std::size_t kPlacesMax = 4096;

    // Lags up to `span` can be told apart, a bit more coarsely the longer it is.
    explicit LagHistory(Duration span) { set_span(span); }
    void set_span(Duration span);

    // A look at the primary that ended at `at` saw `lsn`. A place before the last one is another
    // history's: what lies beyond it is forgotten.
    void reached(Lsn lsn, Instant at);
    // How long before `at` the primary was first seen past `lsn`; 0 if it had not been seen there.
    // At least the span if it was before all that is kept.
    Duration lag_time(Lsn lsn, Instant at) const;
    // How far the primary had been seen by `at`, beyond `lsn`.
    std::uint64_t lag_bytes(Lsn lsn, Instant at) const;
    Lsn last() const { return newest_.lsn; }

 private:
    struct Place {
        Lsn lsn;
        Instant at;  // First seen here.
    };
    void forget_beyond(Lsn lsn);
    Lsn reached_by(Instant at) const;

    Duration gap_;              // Between the places that are kept.
    std::deque<Place> places_;  // Both grow.
    Place newest_;              // Not among them yet.
};

}  // namespace pgweir::cluster
