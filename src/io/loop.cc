// SPDX-License-Identifier: PostgreSQL
#include "io/loop.h"

#include <algorithm>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::io {

Loop::Loop() : loop_(new uv_loop_t) {
    PGWEIR_ASSERT(uv_loop_init(loop_) == 0);
}

Loop::~Loop() {
    constexpr int kTurnsMax = 100;
    for (int i = 0; i < kTurnsMax; ++i) {
        uv_run(loop_, UV_RUN_NOWAIT);
        if (uv_loop_close(loop_) == 0) {
            delete loop_;
            return;
        }
        if (i > 2) uv_sleep(10);
    }
}

DeadlineTimer::DeadlineTimer(uv_loop_t* loop, void (*fired)(void*), void* data)
    : fired_(fired), data_(data), timer_(make_timer(loop, this)) {}

void DeadlineTimer::arm(Instant deadline) {
    // libuv counts from the time at which its turn began, in whole milliseconds.
    constexpr std::int64_t kDelayMsMax = std::int64_t{24} * 3600 * 1000;
    const std::int64_t delay_us = std::max<std::int64_t>(0, (deadline - clock_now()).us);
    const std::int64_t delay_ms = std::min(delay_us / 1000 + 1, kDelayMsMax);
    uv_timer_start(timer_.get(), &DeadlineTimer::on_timer, static_cast<std::uint64_t>(delay_ms), 0);
    armed_for_ = deadline;
}

void DeadlineTimer::on_timer(uv_timer_t* timer) {
    auto& self = *static_cast<DeadlineTimer*>(timer->data);
    self.armed_for_ = Instant::never();
    self.fired_(self.data_);
}

}  // namespace pgweir::io
