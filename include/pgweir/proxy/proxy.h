// SPDX-License-Identifier: PostgreSQL
// The core of one worker: told an event and the time, it answers with effects. It never calls out,
// never waits, never reads a clock.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "pgweir/base/entropy.h"
#include "pgweir/base/instant.h"
#include "pgweir/config/settings.h"
#include "pgweir/pool/limits.h"
#include "pgweir/proxy/event.h"
#include "pgweir/session/effect.h"

namespace pgweir::proxy {

// What a worker's core is made from. All references outlive it.
struct ProxyParts {
    WorkerIndex worker = 0;
    WorkerIndex workers = 1;
    std::shared_ptr<const config::Settings> settings;
    pool::Limits& limits;  // Shared by all workers.
    Entropy& entropy;
    // Random, the same for all workers (an unknown user is asked for the same proof by each).
    std::array<std::uint8_t, 32> secret{};
    std::uint64_t seed = 0;  // For jitter.
    // Microseconds from 1970-01-01 UTC to the origin of Instant, to show points in time to people.
    std::int64_t origin_unix_us = 0;
    LogLevel log_level = LogLevel::Info;
};

class Proxy {
 public:
    explicit Proxy(ProxyParts parts, Instant now);
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;
    ~Proxy();

    // Effects are appended; the caller executes them, in order, before the next event.
    void handle(Event&& event, Instant now, EffectList& effects);

    // When Woken is wanted at the latest; Instant::never() if no deadline is set.
    Instant next_deadline();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pgweir::proxy
