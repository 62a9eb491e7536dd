// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/replay.h"

#include "pgweir/base/assert.h"

namespace pgweir::session {

namespace {
constexpr std::size_t kEndedMax = 256;
}  // namespace

void Replay::add(ByteView unit, Kind kind) {
    PGWEIR_ASSERT(!is_active() || kind == kind_);
    if (!is_active()) holds_ = true;
    kind_ = kind;
    copies_.append(unit);
    sizes_.push_back(static_cast<std::uint32_t>(unit.size()));
}

void Replay::remove_last() {
    PGWEIR_ASSERT(is_active());
    copies_.drop_back(sizes_.back());
    sizes_.pop_back();
    if (!is_active()) forget();
}

void Replay::unit_ended() {
    PGWEIR_ASSERT(is_active());
    const std::size_t size = sizes_[first_++];
    if (!changes_.empty()) changes_.clear();
    if (is_active()) {
        copies_.consume(size);
        holds_ = true;
        // A pipeline that never runs dry must not let the list grow.
        if (first_ >= kEndedMax) {
            sizes_.erase(sizes_.begin(), sizes_.begin() + static_cast<std::ptrdiff_t>(first_));
            first_ = 0;
        }
        return;
    }
    forget();
}

void Replay::forget() {
    sizes_.clear();
    first_ = 0;
    holds_ = false;
    if (!changes_.empty()) changes_.clear();
    copies_.capacity() > kKeptBytes ? copies_.clear() : copies_.rewind();
}

ByteView Replay::copies(From from) const {
    PGWEIR_ASSERT(is_active());
    const ByteView all = copies_.view();
    return from == From::Front ? all : all.subspan(sizes_[first_]);
}

}  // namespace pgweir::session
