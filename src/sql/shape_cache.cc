// SPDX-License-Identifier: PostgreSQL
#include "sql/shape_cache.h"

#include <algorithm>
#include <utility>

namespace pgweir::sql {

ShapeCache::ShapeCache(std::uint64_t bytes_max) : bytes_max_(bytes_max), sets_(1) {}

ShapeCache::Entry* ShapeCache::find(ShapeKey key) {
    const std::uint64_t first = mark(key);
    Set& set = set_of(first);
    for (unsigned i = 0; i < kWays; ++i) {
        if (set.firsts[i] != first || set.entries[i].second != key.second) continue;
        set.entries[i].was_asked = true;
        return &set.entries[i];
    }
    return nullptr;
}

ShapeCache::Entry& ShapeCache::insert(ShapeKey key, const Verdict& verdict) {
    if (should_grow()) grow();
    return place(mark(key), {.second = key.second, .verdict = verdict});
}

// At three quarters: before many sets are full.
bool ShapeCache::should_grow() const {
    return size_ * 4 >= sets_.size() * kWays * 3 && sets_.size() * 2 * sizeof(Set) <= bytes_max_;
}

void ShapeCache::grow() {
    std::vector<Set> larger(sets_.size() * 2);
    std::swap(sets_, larger);
    size_ = 0;
    for (const Set& set : larger) {
        for (unsigned i = 0; i < kWays; ++i) {
            if (set.firsts[i] != 0) place(set.firsts[i], set.entries[i]);
        }
    }
}

ShapeCache::Entry& ShapeCache::place(std::uint64_t mark, const Entry& entry) {
    Set& set = set_of(mark);
    const auto* free = std::find(set.firsts.begin(), set.firsts.end(), 0U);
    const auto i =
        free != set.firsts.end() ? static_cast<unsigned>(free - set.firsts.begin()) : victim(set);
    if (set.firsts[i] == 0) ++size_;
    set.firsts[i] = mark;
    set.entries[i] = entry;
    return set.entries[i];
}

unsigned ShapeCache::victim(Set& set) {
    const auto* found = std::find_if(set.entries.begin(), set.entries.end(),
                                     [](const Entry& entry) { return !entry.was_asked; });
    for (Entry& entry : set.entries) entry.was_asked = false;
    return found == set.entries.end() ? 0 : static_cast<unsigned>(found - set.entries.begin());
}

}  // namespace pgweir::sql
