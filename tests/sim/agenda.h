// SPDX-License-Identifier: PostgreSQL
// Virtual time: what will happen, in order. Of equal times what was planned first happens first, so
// that a run repeats.
#pragma once

#include <cstdint>
#include <vector>

#include "pgweir/base/instant.h"

namespace pgweir::sim {

// Something that time happens to. Actors outlive the run.
class Actor {
 public:
    Actor() = default;
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    virtual ~Actor() = default;
    virtual void on_time(std::uint32_t what, std::uint64_t detail) = 0;
};

class Agenda {
 public:
    Instant now() const { return now_; }
    std::uint64_t happened() const { return happened_; }

    void at(Instant when, Actor& actor, std::uint32_t what, std::uint64_t detail = 0);
    void after(Duration delay, Actor& actor, std::uint32_t what, std::uint64_t detail = 0) {
        at(now_ + delay, actor, what, detail);
    }
    // The time of the next happening, or never.
    Instant next() const { return heap_.empty() ? Instant::never() : heap_.front().when; }
    // False if nothing is planned.
    bool run_next();

 private:
    struct Entry {
        Instant when;
        std::uint64_t sequence;
        Actor* actor;
        std::uint64_t detail;
        std::uint32_t what;
    };
    static bool later(const Entry& a, const Entry& b);

    std::vector<Entry> heap_;
    Instant now_{1'000'000};
    std::uint64_t sequence_ = 0;
    std::uint64_t happened_ = 0;
};

}  // namespace pgweir::sim
