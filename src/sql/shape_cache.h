// SPDX-License-Identifier: PostgreSQL
// The verdicts of shapes, bounded in bytes. Sets of eight entries; which set is up to the key,
// which nobody outside can foresee, so no client can fill the sets of others. In a full set the
// entry that was not asked for since the last eviction there makes room.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "pgweir/sql/verdict.h"
#include "sql/shape_hash.h"

namespace pgweir::sql {

class ShapeCache {
 public:
    static constexpr std::uint16_t kNoTop = 0xFFFF;

    struct Entry {
        std::uint64_t second = 0;  // Of the key.
        Verdict verdict;           // Hints left out.
        bool was_asked = false;    // Since the last eviction in its set.
        std::uint32_t count = 0;   // How often it was asked for while it is in no top shape.
        std::uint16_t top = kNoTop;
    };
    static_assert(sizeof(Entry) <= 32);

    // Keeps eight verdicts even if `bytes_max` is smaller.
    explicit ShapeCache(std::uint64_t bytes_max);

    // Null if it isn't there; valid until the next insert().
    Entry* find(ShapeKey key);
    // REQUIRES: find(key) is null.
    Entry& insert(ShapeKey key, const Verdict& verdict);

    std::size_t size() const { return size_; }
    std::uint64_t bytes() const { return sets_.capacity() * sizeof(Set); }

 private:
    static constexpr unsigned kWays = 8;
    // The first halves of the keys lie side by side, in one cache line; 0 is free.
    struct alignas(64) Set {
        std::array<std::uint64_t, kWays> firsts{};
        std::array<Entry, kWays> entries{};
    };

    static std::uint64_t mark(ShapeKey key) { return key.first == 0 ? 1 : key.first; }
    Set& set_of(std::uint64_t mark) { return sets_[mark & (sets_.size() - 1)]; }
    bool should_grow() const;
    void grow();
    Entry& place(std::uint64_t mark, const Entry& entry);
    static unsigned victim(Set& set);

    std::uint64_t bytes_max_;
    std::vector<Set> sets_;  // A power of two of them.
    std::size_t size_ = 0;
};

}  // namespace pgweir::sql
