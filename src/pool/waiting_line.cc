// SPDX-License-Identifier: PostgreSQL
#include "pgweir/pool/waiting_line.h"

#include "pgweir/base/assert.h"

namespace pgweir::pool {

WaitingLine::Ticket WaitingLine::push(ClientId client, Instant now) {
    if (tail_ - head_ == ring_.size()) grow();
    at(tail_) = Waiter{client, now, false};
    ++waiting_;
    return tail_++;
}

void WaitingLine::leave(Ticket ticket) {
    PGWEIR_ASSERT(ticket - head_ < tail_ - head_ && at(ticket).client);
    at(ticket).client = ClientId{};
    --waiting_;
    skip_gaps();
}

Waiter* WaitingLine::front() {
    return waiting_ == 0 ? nullptr : &at(head_);
}

std::optional<Waiter> WaitingLine::pop() {
    if (waiting_ == 0) return std::nullopt;
    Waiter first = at(head_);
    ++head_;
    --waiting_;
    skip_gaps();
    return first;
}

void WaitingLine::skip_gaps() {
    while (head_ != tail_ && !at(head_).client) ++head_;
}

void WaitingLine::grow() {
    std::vector<Waiter> larger(ring_.empty() ? 16 : ring_.size() * 2);
    for (Ticket ticket = head_; ticket != tail_; ++ticket) {
        larger[ticket & (larger.size() - 1)] = at(ticket);
    }
    ring_ = std::move(larger);
}

}  // namespace pgweir::pool
