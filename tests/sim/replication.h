// SPDX-License-Identifier: PostgreSQL
// The write-ahead log of a simulated cluster and how far each standby has replayed it. Nothing is
// planned for a replay: how far a standby is shows when somebody asks. Only the background noise
// of a primary (checkpoints, hints, vacuum) takes happenings of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "pgweir/base/random.h"
#include "sim/agenda.h"
#include "sim/registers.h"
#include "sim/transcript.h"

namespace pgweir::sim {

// How a standby follows.
struct ReplayWeather {
    Duration delay_max =
        Duration::milliseconds(2);  // From the primary's log to the standby's eyes.
    Duration each{};                // Every record takes this long: a standby that can't keep up.
};

class Replication final : public Actor {
 public:
    // Standbys are numbered from 0: the number of their node, less one; so that node 0, once it has
    // become a standby, is the one before. Without any there is no noise and no chance.
    Replication(Agenda& agenda, Random& random, Transcript& transcript, std::uint32_t standbys);

    // One more record; the place after it.
    WalPlace append();
    WalPlace inserted() const { return inserted_; }
    // How far the standby is now. Never goes back, but for restart().
    WalPlace replayed(std::uint32_t standby);
    // How long ago the log first passed what the standby has replayed; 0 if it has all.
    Duration lag(std::uint32_t standby);
    std::uint64_t lag_bytes(std::uint32_t standby) { return inserted_ - replayed(standby); }

    void set_weather(std::uint32_t standby, ReplayWeather weather);
    // Replay stops (pg_wal_replay_pause, a frozen or a dead node) and goes on; may be nested.
    void pause(std::uint32_t standby);
    void resume(std::uint32_t standby);
    // A crashed standby is consistent again some records before the place where it was (it replays
    // from its last restart point), and goes on from there.
    void restart(std::uint32_t standby, std::uint64_t records_back);
    // It has replayed all there is: it can become the primary without losing a commit (replication
    // is synchronous), or follow another one.
    void catch_up(std::uint32_t standby);
    // The timeline of the present primary.
    std::uint32_t timeline() const { return timeline_; }
    std::uint32_t next_timeline() { return ++timeline_; }
    // A primary that is down or frozen makes no noise.
    void set_primary_alive(bool is_alive) { primary_is_alive_ = is_alive; }
    // All weather is fine, nothing is paused.
    void heal();

    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    struct Record {
        WalPlace end;
        Instant when;
    };
    struct Standby {
        ReplayWeather weather;
        std::vector<Instant> due;  // When each record may be replayed, by number.
        std::size_t next = 0;      // The first record that is not replayed yet.
        std::uint32_t pauses = 0;
    };
    Instant due_time(Standby& standby);
    Standby& at(std::uint32_t standby) { return standbys_[standby + 1U]; }
    void plan_noise();

    Agenda& agenda_;
    Random& random_;
    Transcript& transcript_;
    std::vector<Record> records_;
    std::vector<Standby> standbys_;  // By node.
    WalPlace inserted_;
    std::uint32_t timeline_ = 1;
    bool primary_is_alive_ = true;
};

}  // namespace pgweir::sim
