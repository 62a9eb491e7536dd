// SPDX-License-Identifier: PostgreSQL
// The misfortunes of a run: they strike nodes, and reload settings, from time to time until the
// world heals.
#pragma once

#include "sim/swarm_draw.h"

namespace pgweir::sim {

// Strikes the one node of a world.
class Chaos final : public Actor {
 public:
    explicit Chaos(World& world) : world_(world) { plan(); }
    void heal() { healed_ = true; }
    void on_time(std::uint32_t, std::uint64_t) override {
        if (healed_) return;
        const auto some = [this](std::uint64_t milliseconds) {
            return Duration::milliseconds(
                static_cast<std::int64_t>(world_.random().below(milliseconds)));
        };
        switch (world_.random().below(6)) {
            case 0:
                world_.node().crash(some(200), some(400));
                break;
            case 1:
                world_.node().freeze(some(3000));
                break;
            case 2:
                world_.node().babble();
                break;
            default:
                world_.node().terminate_one();
                break;
        }
        plan();
    }

 private:
    void plan() {
        world_.agenda().after(
            Duration::microseconds(static_cast<std::int64_t>(world_.random().below(150'000))),
            *this, 0);
    }
    World& world_;
    bool healed_ = false;
};

// Reloads the same settings from time to time: nobody may notice (I35).
class Reloader final : public Actor {
 public:
    explicit Reloader(World& world) : world_(world) { plan(); }
    void heal() { healed_ = true; }
    void on_time(std::uint32_t, std::uint64_t) override {
        if (healed_) return;
        world_.transcript().fault("front.reload", 0);
        world_.front()->reload(world_.options().settings);
        plan();
    }

 private:
    void plan() {
        world_.agenda().after(
            Duration::microseconds(static_cast<std::int64_t>(world_.random().below(60'000))), *this,
            0);
    }
    World& world_;
    bool healed_ = false;
};

// Strikes the nodes of a cluster.
class ClusterChaos final : public Actor {
 public:
    ClusterChaos(World& world, const Fates& fates) : world_(world), fates_(fates) { plan(); }
    void heal() { healed_ = true; }
    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    enum What : std::uint32_t { Strike, Resume, Promote, Rejoin };
    Duration some(std::uint64_t milliseconds);
    void plan();
    void lag(std::uint32_t standby);
    void strike(SimPostgres& node);
    bool has_deposed();
    // Any node but the primary.
    SimPostgres& some_standby();
    // The primary goes for a while: down, or frozen longer than pgweir can take to notice.
    void break_primary();
    void promote();

    World& world_;
    Fates fates_;
    bool healed_ = false;
    bool is_failing_over_ = false;
};

}  // namespace pgweir::sim
