// SPDX-License-Identifier: PostgreSQL
// Deadlines by key: the core's only notion of a timer. A binary heap; entries of a key that was set
// anew or cleared die lazily. Not for the hot path: owners keep their own deadline as a member and
// arm a timer only when theirs is earlier than the one that is armed (see session deadlines).
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "pgweir/base/instant.h"

namespace pgweir {

class TimerQueue {
 public:
    using Key = std::uint64_t;

    // Sets (or moves) the deadline of `key`. Instant::never() clears it.
    void set(Key key, Instant deadline);
    void clear(Key key);

    // The earliest deadline, or Instant::never().
    Instant next();
    // Takes out one key whose deadline has come, earliest first; of equal deadlines the one that
    // was set first, so that a run repeats.
    std::optional<Key> expire(Instant now);

    std::size_t size() const { return deadlines_.size(); }

 private:
    struct Entry {
        Instant deadline;
        std::uint64_t sequence;
        Key key;
    };
    struct Armed {
        Instant deadline;
        std::uint64_t sequence;
    };
    static bool later(const Entry& a, const Entry& b);
    // Drops entries at the top that were moved or cleared.
    void settle();

    std::vector<Entry> heap_;
    std::unordered_map<Key, Armed> deadlines_;
    std::uint64_t sequence_ = 0;
};

}  // namespace pgweir
