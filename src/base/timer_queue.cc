// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/timer_queue.h"

#include <algorithm>

namespace pgweir {

bool TimerQueue::later(const Entry& a, const Entry& b) {
    return a.deadline != b.deadline ? a.deadline > b.deadline : a.sequence > b.sequence;
}

void TimerQueue::set(Key key, Instant deadline) {
    if (deadline.is_never()) return clear(key);
    const std::uint64_t sequence = ++sequence_;
    deadlines_[key] = {deadline, sequence};
    heap_.push_back({deadline, sequence, key});
    std::push_heap(heap_.begin(), heap_.end(), later);
    // Dead entries never outnumber living ones by much: memory follows the timers that are set.
    if (heap_.size() > 64 && heap_.size() > 4 * deadlines_.size()) {
        std::erase_if(heap_, [this](const Entry& entry) {
            auto found = deadlines_.find(entry.key);
            return found == deadlines_.end() || found->second.sequence != entry.sequence;
        });
        std::make_heap(heap_.begin(), heap_.end(), later);
    }
}

void TimerQueue::clear(Key key) { deadlines_.erase(key); }

Instant TimerQueue::next() {
    settle();
    return heap_.empty() ? Instant::never() : heap_.front().deadline;
}

std::optional<TimerQueue::Key> TimerQueue::expire(Instant now) {
    settle();
    if (heap_.empty() || heap_.front().deadline > now) return std::nullopt;
    const Key key = heap_.front().key;
    deadlines_.erase(key);
    settle();
    return key;
}

void TimerQueue::settle() {
    while (!heap_.empty()) {
        auto found = deadlines_.find(heap_.front().key);
        if (found != deadlines_.end() && found->second.sequence == heap_.front().sequence) return;
        std::pop_heap(heap_.begin(), heap_.end(), later);
        heap_.pop_back();
    }
}

}  // namespace pgweir
