// SPDX-License-Identifier: PostgreSQL
// Permits over all workers together: the only mutable object that workers share. Asked when a
// connection is opened or closed, never per query.
//
// A claim names what a connection counts for and the ceiling of that; a permit is held until the
// connection is closed for good, so that connecting, logging in, idle, leased and closing servers
// all count.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"

namespace pgweir::pool {

constexpr std::size_t kWorkersMax = 64;

enum class Scope : std::uint8_t {
    ServersInAll,
    ServersOfNode,
    ServersOfDatabase,
    ServersOfUser,
    ServersOfPool,
    ClientsInAll,
    ClientsOfDatabase,
    ClientsOfUser,
    LoginsInAll,
    LoginsOfAddress,
};
constexpr std::size_t kScopeCount = 10;

struct Claim {
    Scope scope = Scope::ServersInAll;
    std::string_view name;    // Empty for the scopes "in all".
    std::uint64_t limit = 0;  // 0: no ceiling, but counted.
};

class Limits;

// Move-only; gives back what it claimed when it goes.
class Permit {
 public:
    static constexpr std::size_t kClaimsMax = 5;

    Permit() = default;
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit();

    explicit operator bool() const { return limits_ != nullptr; }
    void give_back();

 private:
    friend class Limits;
    Limits* limits_ = nullptr;
    std::array<void*, kClaimsMax> counters_{};
};

// What the workers tell each other about the line of one pool: since when its first waiter waits.
struct WaitBoard {
    // Microseconds; 0: nobody waits at that worker.
    std::array<std::atomic<std::int64_t>, kWorkersMax> oldest_wait_since_us{};
};

class Limits {
 public:
    Limits() = default;
    Limits(const Limits&) = delete;
    Limits& operator=(const Limits&) = delete;

    // All of the claims or none. If refused, `refused_by` is the index of the first full claim.
    // REQUIRES: at most Permit::kClaimsMax claims.
    std::optional<Permit> acquire(std::span<const Claim> claims, std::size_t& refused_by);

    std::uint64_t count(Scope scope, std::string_view name) const;

    // A worker whose waiters were refused a permit is told of the next one that is given back.
    void mark_starving(WorkerIndex worker);
    // The workers that were marked, each bit once.
    std::uint64_t take_starving() { return starving_.exchange(0); }
    bool anyone_starves() const { return starving_.load(std::memory_order_relaxed) != 0; }

    // The board of one pool; lives as long as anybody holds it.
    std::shared_ptr<WaitBoard> wait_board(const std::string& pool);

 private:
    friend class Permit;
    struct Counter {
        std::uint64_t count = 0;
        Scope scope = Scope::ServersInAll;
        std::string name;
    };
    void release(std::span<void* const> counters);

    mutable std::mutex mutex_;
    // std::map: addresses of counters are stable, and a counter that falls to 0 goes.
    std::array<std::map<std::string, Counter, std::less<>>, kScopeCount> counters_;
    std::map<std::string, std::weak_ptr<WaitBoard>> boards_;
    std::atomic<std::uint64_t> starving_{0};
};

}  // namespace pgweir::pool
