// SPDX-License-Identifier: PostgreSQL
// Bytes that came in and wait, or must go out. Contiguous; gives its memory back when empty, so
// that an idle connection holds no buffer.
#pragma once

#include <memory>

#include "pgweir/base/bytes.h"

namespace pgweir {

class ByteQueue {
 public:
    ByteQueue() = default;
    ByteQueue(ByteQueue&& other) noexcept;
    ByteQueue& operator=(ByteQueue&& other) noexcept;

    std::size_t size() const { return end_ - begin_; }
    bool empty() const { return begin_ == end_; }
    // Memory held, in bytes.
    std::size_t capacity() const { return capacity_; }

    // Valid until the next append or clear.
    ByteView view() const { return {data_.get() + begin_, size()}; }

    void append(ByteView bytes);
    // In front of everything else. REQUIRES: `bytes` do not lie in this queue.
    void prepend(ByteView bytes);
    // REQUIRES: n <= size().
    void consume(std::size_t n);
    // Takes back what was appended last. REQUIRES: n <= size().
    void drop_back(std::size_t n) { end_ -= n; }
    void clear();
    // As clear(), but the memory stays: for who hands it on.
    void rewind() { begin_ = end_ = 0; }

 private:
    // Makes room for `n` more bytes behind `end_`.
    void make_room(std::size_t n);

    std::unique_ptr<Byte[]> data_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace pgweir
