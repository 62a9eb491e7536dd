// SPDX-License-Identifier: PostgreSQL
#include "pgweir/pool/login_gate.h"

#include <algorithm>

#include "pgweir/base/assert.h"

namespace pgweir::pool {

bool LoginGate::may_try(Instant now) const {
    if (failures_ == 0) return under_way_ < kConcurrentMax;
    return under_way_ == 0 && now >= closed_until_;
}

Instant LoginGate::next_try() const {
    return failures_ > 0 && under_way_ == 0 ? closed_until_ : Instant::never();
}

void LoginGate::tried() {
    ++under_way_;
}

void LoginGate::succeeded() {
    PGWEIR_ASSERT(under_way_ > 0);
    --under_way_;
    failures_ = 0;
    siblings_ = 0;
    wants_room_ = has_room_ = false;
}

void LoginGate::failed(Instant now, Random& random) {
    PGWEIR_ASSERT(under_way_ > 0);
    --under_way_;
    if (siblings_ > 0) {
        --siblings_;
        return;
    }
    has_room_ = false;
    if (failures_ == 0) siblings_ = under_way_;
    ++failures_;
    const std::uint32_t doublings = std::min<std::uint32_t>(failures_ - 1, 16);
    const std::int64_t ceiling = std::min(max_.us, base_.us << doublings);
    // Full jitter, but never at once: many proxies that failed together come back apart.
    const std::int64_t floor = std::max<std::int64_t>(ceiling / 8, 1);
    const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(ceiling - floor, 1));
    closed_until_ =
        now + Duration::microseconds(floor + static_cast<std::int64_t>(random.below(spread)));
}

void LoginGate::room_made(Instant now) {
    if (!wants_room_) return;
    wants_room_ = false;
    has_room_ = true;
    closed_until_ = now;
}

void LoginGate::abandoned() {
    PGWEIR_ASSERT(under_way_ > 0);
    --under_way_;
    if (siblings_ > 0) --siblings_;
}

}  // namespace pgweir::pool
