// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/byte_queue.h"

#include <algorithm>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir {

namespace {
constexpr std::size_t kCapacityMin = 512;
}  // namespace

ByteQueue::ByteQueue(ByteQueue&& other) noexcept
    : data_(std::move(other.data_)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

ByteQueue& ByteQueue::operator=(ByteQueue&& other) noexcept {
    data_ = std::move(other.data_);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
}

void ByteQueue::append(ByteView bytes) {
    if (bytes.empty()) return;
    if (capacity_ - end_ < bytes.size()) make_room(bytes.size());
    std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
}

void ByteQueue::prepend(ByteView bytes) {
    if (bytes.empty()) return;
    ByteQueue joined;
    joined.append(bytes);
    joined.append(view());
    *this = std::move(joined);
}

void ByteQueue::consume(std::size_t n) {
    PGWEIR_ASSERT(n <= size());
    begin_ += n;
    if (begin_ == end_) clear();
}

void ByteQueue::clear() {
    data_.reset();
    begin_ = end_ = capacity_ = 0;
}

void ByteQueue::make_room(std::size_t n) {
    const std::size_t held = size();
    // Moving down is enough when at least half of the memory is free: each byte moves O(1) times.
    if (n <= capacity_ - held && held <= capacity_ / 2) {
        std::memmove(data_.get(), data_.get() + begin_, held);
        begin_ = 0;
        end_ = held;
        return;
    }
    const std::size_t wanted = std::max({kCapacityMin, capacity_ * 2, held + n});
    std::unique_ptr<Byte[]> larger(new Byte[wanted]);
    if (held > 0) std::memcpy(larger.get(), data_.get() + begin_, held);
    data_ = std::move(larger);
    begin_ = 0;
    end_ = held;
    capacity_ = wanted;
}

}  // namespace pgweir
