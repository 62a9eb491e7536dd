// SPDX-License-Identifier: PostgreSQL
// The heap behind virtual time.
#include "sim/agenda.h"

#include <algorithm>

namespace pgweir::sim {

bool Agenda::later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
}

void Agenda::at(Instant when, Actor& actor, std::uint32_t what, std::uint64_t detail) {
    if (when < now_) when = now_;
    heap_.push_back({when, sequence_++, &actor, detail, what});
    std::push_heap(heap_.begin(), heap_.end(), later);
}

bool Agenda::run_next() {
    if (heap_.empty()) return false;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Entry entry = heap_.back();
    heap_.pop_back();
    now_ = entry.when;
    ++happened_;
    entry.actor->on_time(entry.what, entry.detail);
    return true;
}

}  // namespace pgweir::sim
