// SPDX-License-Identifier: PostgreSQL
// What other threads leave for the thread of one loop.
#pragma once

#include <uv.h>

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "io/loop.h"

namespace pgweir::io {

template <typename Letter>
class Mailbox {
 public:
    using Reader = std::function<void(Letter)>;

    // `read` is called on the loop's thread, once for each letter, in order of arrival.
    Mailbox(uv_loop_t* loop, Reader read)
        : read_(std::move(read)), async_(make_handle<uv_async_t>(this, [&](uv_async_t* async) {
              uv_async_init(loop, async, &Mailbox::on_async);
          })) {}
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    // From any thread. A letter to a closed mailbox is dropped.
    void put(Letter letter) {
        const std::lock_guard lock(mutex_);
        if (async_ == nullptr) return;
        letters_.push_back(std::move(letter));
        if (letters_.size() == 1) uv_async_send(async_.get());
    }

    // On the loop's thread: lets the loop end.
    void close() {
        std::vector<Letter> dropped;
        const std::lock_guard lock(mutex_);
        async_.reset();
        dropped.swap(letters_);
    }

 private:
    static void on_async(uv_async_t* async) {
        auto& self = *static_cast<Mailbox*>(async->data);
        std::vector<Letter> letters;
        {
            const std::lock_guard lock(self.mutex_);
            letters.swap(self.letters_);
        }
        for (Letter& letter : letters) self.read_(std::move(letter));
    }

    Reader read_;
    std::mutex mutex_;
    std::vector<Letter> letters_;
    Handle<uv_async_t> async_;
};

}  // namespace pgweir::io
