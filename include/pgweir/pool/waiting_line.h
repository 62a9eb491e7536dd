// SPDX-License-Identifier: PostgreSQL
// The waiting line of one pool: clients that have no lease yet, first come, first served.
// It knows clients and since when they wait. It does not know servers; see pool.h.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"

namespace pgweir::pool {

struct Waiter {
    ClientId client;
    Instant since;
    bool was_notified = false;
};

// A ring that keeps its memory: waiting allocates nothing in steady state. Whoever leaves from the
// middle leaves a gap that the front skips, so that leaving is O(1) by ticket.
class WaitingLine {
 public:
    using Ticket = std::uint64_t;

    Ticket push(ClientId client, Instant now);
    // Out of turn: the client went away, or was refused. REQUIRES: `ticket` still waits.
    void leave(Ticket ticket);

    bool empty() const { return waiting_ == 0; }
    std::size_t size() const { return waiting_; }

    // The first in line; nullptr if nobody waits. Valid until the next change.
    Waiter* front();
    std::optional<Waiter> pop();

    // In order of arrival, those still waiting.
    template <typename Visit>
    void for_each(Visit visit) {
        for (Ticket ticket = head_; ticket != tail_; ++ticket) {
            Waiter& waiter = at(ticket);
            if (waiter.client) visit(waiter);
        }
    }

 private:
    Waiter& at(Ticket ticket) { return ring_[ticket & (ring_.size() - 1)]; }
    void grow();
    void skip_gaps();

    std::vector<Waiter> ring_;  // Size 0 or a power of two.
    Ticket head_ = 0;
    Ticket tail_ = 0;
    std::size_t waiting_ = 0;
};

}  // namespace pgweir::pool
