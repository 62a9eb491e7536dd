// SPDX-License-Identifier: PostgreSQL
#include "pgweir/pool/pool.h"

#include <algorithm>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::pool {

namespace {
// A server that moves to another worker is closed here and logged in there: that costs some
// milliseconds, so small differences between the workers' lines are not worth a move.
constexpr Duration kYieldMargin = Duration::milliseconds(100);
}  // namespace

Pool::Pool(PoolId id, PoolKey key, std::shared_ptr<WaitBoard> board, WorkerIndex worker)
    : id_(id), key_(std::move(key)), board_(std::move(board)), worker_(worker) {}

std::optional<ServerId> Pool::acquire() {
    if (paused_ || !line_.empty() || idle_.empty()) return std::nullopt;
    const ServerId server = idle_.back().server;
    idle_.pop_back();
    ++leased_;
    return server;
}

WaitingLine::Ticket Pool::wait(ClientId client, Instant now) {
    const WaitingLine::Ticket ticket = line_.push(client, now);
    publish_wait();
    return ticket;
}

void Pool::leave(WaitingLine::Ticket ticket) {
    line_.leave(ticket);
    publish_wait();
}

void Pool::opening_failed() {
    PGWEIR_ASSERT(opening_ > 0);
    --opening_;
}

std::optional<Grant> Pool::opened(ServerId server, Instant now) {
    PGWEIR_ASSERT(opening_ > 0);
    --opening_;
    return place(server, now);
}

std::optional<Grant> Pool::give_back(ServerId server, Instant now) {
    PGWEIR_ASSERT(leased_ > 0);
    --leased_;
    return place(server, now);
}

std::optional<Grant> Pool::place(ServerId server, Instant now) {
    if (!paused_) {
        if (auto waiter = line_.pop()) {
            ++leased_;
            publish_wait();
            return Grant{waiter->client, server, waiter->since};
        }
    }
    idle_.push_back({server, now});
    return std::nullopt;
}

void Pool::lost_leased() {
    PGWEIR_ASSERT(leased_ > 0);
    --leased_;
}

void Pool::lost_idle(ServerId server) {
    auto found = std::find_if(idle_.begin(), idle_.end(),
                              [server](const Idle& idle) { return idle.server == server; });
    PGWEIR_ASSERT(found != idle_.end());
    idle_.erase(found);
}

void Pool::hold(ServerId server) {
    lost_idle(server);
    ++leased_;
}

ServerId Pool::take_idle() {
    if (idle_.empty()) return ServerId{};
    const ServerId server = idle_.front().server;
    idle_.erase(idle_.begin());
    return server;
}

std::optional<Grant> Pool::grant_idle() {
    if (paused_ || idle_.empty() || line_.empty()) return std::nullopt;
    const Waiter waiter = *line_.pop();
    publish_wait();
    const ServerId server = idle_.back().server;
    idle_.pop_back();
    ++leased_;
    return Grant{waiter.client, server, waiter.since};
}

std::size_t Pool::servers_wanted(std::size_t pool_size_min) const {
    if (paused_) return 0;
    const std::size_t for_waiters = line_.size() > opening_ ? line_.size() - opening_ : 0;
    const std::size_t for_minimum = pool_size_min > size() ? pool_size_min - size() : 0;
    return std::max(for_waiters, for_minimum);
}

bool Pool::should_yield(Instant now, WorkerIndex workers) const {
    std::int64_t oldest = 0;
    for (WorkerIndex other = 0; other < workers; ++other) {
        if (other == worker_) continue;
        const std::int64_t since =
            board_->oldest_wait_since_us[other].load(std::memory_order_relaxed);
        if (since != 0 && (oldest == 0 || since < oldest)) oldest = since;
    }
    if (oldest == 0) return false;
    const std::int64_t ours = board_->oldest_wait_since_us[worker_].load(std::memory_order_relaxed);
    if (ours == 0) return true;
    const Duration their_wait = now - Instant{oldest};
    const Duration our_wait = now - Instant{ours};
    return their_wait > our_wait * 2 + kYieldMargin;
}

void Pool::publish_wait() {
    const Waiter* first = line_.front();
    // 0 says "nobody"; an instant of 0 is told as 1.
    const std::int64_t since = first == nullptr ? 0 : std::max<std::int64_t>(first->since.us, 1);
    board_->oldest_wait_since_us[worker_].store(since, std::memory_order_relaxed);
}

}  // namespace pgweir::pool
