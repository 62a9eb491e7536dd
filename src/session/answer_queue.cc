// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/answer_queue.h"

#include <utility>

namespace pgweir::session {

void AnswerQueue::erase(std::size_t i) {
    PGWEIR_ASSERT(i < size());
    forget(at(head_ + i));
    for (std::size_t k = head_ + i; k + 1 != tail_; ++k) at(k) = std::move(at(k + 1));
    --tail_;
    at(tail_) = Expectation{};
}

void AnswerQueue::clear() {
    while (!empty()) pop();
}

void AnswerQueue::grow() {
    const std::size_t capacity = capacity_ == 0 ? 8 : capacity_ * 2;
    auto larger = std::make_unique<Expectation[]>(capacity);
    const std::size_t held = size();
    for (std::size_t i = 0; i < held; ++i) larger[i] = std::move(at(head_ + i));
    ring_ = std::move(larger);
    capacity_ = capacity;
    head_ = 0;
    tail_ = held;
}

void AnswerQueue::shrink() {
    ring_ = std::make_unique<Expectation[]>(kKeptEntries);
    capacity_ = kKeptEntries;
    head_ = tail_ = 0;
}

}  // namespace pgweir::session
