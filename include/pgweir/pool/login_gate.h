// SPDX-License-Identifier: PostgreSQL
// How fast logins to one node may be tried. While logins succeed, up to kConcurrentMax at a time;
// after a failure one trial login at a time, each after a back-off with full jitter.
#pragma once

#include "pgweir/base/instant.h"
#include "pgweir/base/random.h"

namespace pgweir::pool {

class LoginGate {
 public:
    // `base` and `max` bound the back-off after the first and after many failures.
    LoginGate(Duration base, Duration max) : base_(base), max_(max) {}

    bool may_try(Instant now) const;
    // When may_try() turns true by time alone; Instant::never() if it waits for an outcome (or is
    // true already).
    Instant next_try() const;

    void tried();
    void succeeded();
    void failed(Instant now, Random& random);
    // The attempt ended without saying anything about the node (its client went away, say).
    void abandoned();

    // The node had no connection to spare: the next trial is due as soon as room was made.
    void want_room() { wants_room_ = true; }
    // A connection to the node has ended.
    void room_made(Instant now);
    // The trial that is under way came of that.
    bool has_room() const { return has_room_; }

    bool is_failing() const { return failures_ > 0; }
    std::uint32_t failures() const { return failures_; }

 private:
    static constexpr std::uint32_t kConcurrentMax = 32;

    // Constant after construction.
    Duration base_;
    Duration max_;
    // Changes with every attempt.
    std::uint32_t under_way_ = 0;
    std::uint32_t failures_ = 0;
    // Attempts that were under way at the first failure: if they fail as well, that says no more.
    std::uint32_t siblings_ = 0;
    Instant closed_until_{};
    bool wants_room_ = false;
    bool has_room_ = false;
};

}  // namespace pgweir::pool
