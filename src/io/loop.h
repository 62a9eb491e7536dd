// SPDX-License-Identifier: PostgreSQL
// libuv's loop and its handles with owners. A handle may go at any time: libuv keeps its memory
// until the loop has let go of it.
#pragma once

#include <uv.h>

#include <memory>

#include "pgweir/base/instant.h"

namespace pgweir::io {

struct CloseHandle {
    template <typename T>
    void operator()(T* handle) const {
        uv_close(reinterpret_cast<uv_handle_t*>(handle),
                 [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
    }
};

// An initialised libuv handle.
template <typename T>
using Handle = std::unique_ptr<T, CloseHandle>;

// `init` is called with the new handle; its `data` is `data`.
template <typename T, typename Init>
Handle<T> make_handle(void* data, Init init) {
    auto* handle = new T;
    init(handle);
    handle->data = data;
    return Handle<T>(handle);
}

inline Handle<uv_timer_t> make_timer(uv_loop_t* loop, void* data) {
    return make_handle<uv_timer_t>(data, [&](uv_timer_t* timer) { uv_timer_init(loop, timer); });
}

// Time as the core is told it.
inline Instant clock_now() {
    return {static_cast<std::int64_t>(uv_hrtime() / 1000)};
}

class Loop {
 public:
    Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    // Waits for handles that are being closed, but not for ever: a name server that hangs may hold
    // the loop's memory. REQUIRES: all other handles are closed.
    ~Loop();

    uv_loop_t* get() { return loop_; }
    // Until stop(), or until no handle is open any more.
    void run() { uv_run(loop_, UV_RUN_DEFAULT); }
    void stop() { uv_stop(loop_); }
    // One turn; waits for something to happen.
    void turn() { uv_run(loop_, UV_RUN_ONCE); }

 private:
    uv_loop_t* loop_;
};

// One timer that is armed seldom: moved only when the deadline comes earlier. It may therefore
// fire too early, but not too late.
class DeadlineTimer {
 public:
    // `fired` is called with `data`.
    DeadlineTimer(uv_loop_t* loop, void (*fired)(void*), void* data);

    void want(Instant deadline) {
        if (deadline < armed_for_) arm(deadline);
    }

 private:
    void arm(Instant deadline);
    static void on_timer(uv_timer_t* timer);

    void (*fired_)(void*);
    void* data_;
    Instant armed_for_ = Instant::never();
    Handle<uv_timer_t> timer_;
};

}  // namespace pgweir::io
