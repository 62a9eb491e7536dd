// SPDX-License-Identifier: PostgreSQL
#include "pgweir/pool/limits.h"

#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::pool {

Permit::Permit(Permit&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)), counters_(other.counters_) {}

Permit& Permit::operator=(Permit&& other) noexcept {
    if (this != &other) {
        give_back();
        limits_ = std::exchange(other.limits_, nullptr);
        counters_ = other.counters_;
    }
    return *this;
}

Permit::~Permit() {
    give_back();
}

void Permit::give_back() {
    if (limits_ == nullptr) return;
    limits_->release(counters_);
    limits_ = nullptr;
}

std::optional<Permit> Limits::acquire(std::span<const Claim> claims, std::size_t& refused_by) {
    PGWEIR_ASSERT(claims.size() <= Permit::kClaimsMax);
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < claims.size(); ++i) {
        const Claim& claim = claims[i];
        if (claim.limit == 0) continue;
        auto& table = counters_[static_cast<std::size_t>(claim.scope)];
        auto found = table.find(claim.name);
        if (found != table.end() && found->second.count >= claim.limit) {
            refused_by = i;
            return std::nullopt;
        }
    }
    Permit permit;
    permit.limits_ = this;
    for (std::size_t i = 0; i < claims.size(); ++i) {
        auto& table = counters_[static_cast<std::size_t>(claims[i].scope)];
        auto found = table.find(claims[i].name);
        if (found == table.end()) {
            std::string name(claims[i].name);
            found = table.emplace(name, Counter{0, claims[i].scope, name}).first;
        }
        ++found->second.count;
        permit.counters_[i] = &found->second;
    }
    return permit;
}

void Limits::release(std::span<void* const> counters) {
    const std::lock_guard lock(mutex_);
    for (void* claimed : counters) {
        if (claimed == nullptr) continue;
        auto* counter = static_cast<Counter*>(claimed);
        PGWEIR_ASSERT(counter->count > 0);
        if (--counter->count == 0) {
            auto& table = counters_[static_cast<std::size_t>(counter->scope)];
            table.erase(table.find(counter->name));
        }
    }
}

std::uint64_t Limits::count(Scope scope, std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto& table = counters_[static_cast<std::size_t>(scope)];
    auto found = table.find(name);
    return found == table.end() ? 0 : found->second.count;
}

void Limits::mark_starving(WorkerIndex worker) {
    PGWEIR_ASSERT(worker < kWorkersMax);
    starving_.fetch_or(std::uint64_t{1} << worker);
}

std::shared_ptr<WaitBoard> Limits::wait_board(const std::string& pool) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<WaitBoard>& entry = boards_[pool];
    if (auto board = entry.lock()) return board;
    auto board = std::make_shared<WaitBoard>();
    entry = board;
    return board;
}

}  // namespace pgweir::pool
