// SPDX-License-Identifier: PostgreSQL
// A client with a will of its own: does random things that a driver might do, one session after
// the other, from the run's one source of chance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/world.h"

namespace pgweir::sim {

struct WandererPlan {
    ClientOptions client;
    std::uint32_t sessions = 1;
    std::uint32_t actions = 10;         // In each session.
    std::uint64_t pipeline_one_in = 2;  // Actions that do not wait for their answer; 0: never.
    std::uint32_t depth_max = 20;       // Batches in one go.
    Duration pause_max = Duration::milliseconds(2);
    bool transactions = true;
    bool settings = true;  // Of the reported kind.
    bool unreported_settings = false;
    bool forgets_all = false;      // DISCARD ALL, RESET.
    bool registers = false;        // Reads and writes them.
    bool names_in_blocks = false;  // Binds named statements inside of transactions.
    bool sneaks = false;           // Calls a function that writes and looks like a read.
    bool cancels = false;
    bool vanishes = false;
    bool stops_reading = false;
    bool is_hostile = false;
};

class Wanderer final : public Actor {
 public:
    Wanderer(World& world, WandererPlan plan);

    void start(Duration after);
    bool is_done() const { return done_; }
    // No more mischief: what is open ends well.
    void heal();
    const SimClient* client() const { return client_; }

    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    enum What : std::uint32_t { Go, Told, ReadOn };
    struct Prepared {
        std::string name;
        std::uint32_t arguments;
        bool writes;
    };

    bool chance(std::uint64_t one_in) { return one_in != 0 && world_.random().one_in(one_in); }
    std::uint64_t below(std::uint64_t n) { return world_.random().below(n); }
    std::string tok() { return client_->token(); }
    std::string mark() { return " /* " + tok() + " */"; }

    void plan(Duration after);
    void begin_session();
    void go();
    void act();
    bool go_on();  // With something that takes several turns.
    void await();
    void end_session();
    void misbehave();

    void select();
    void several_statements();
    void insert();
    void transaction();
    void unnamed_extended();
    void named_extended();
    void parse_now_bind_later();
    void pipeline();
    void setting();
    void copy_out();
    void copy_in();
    void call_function();
    void big_result();
    void sleep();
    void portal();
    void flushed_batch();
    void odds_and_ends();
    void failing();
    void statement_end();

    void registers();
    void read_register();
    void write_register();
    void read_register_prepared();
    void pipelined_registers();
    void register_transaction();
    void read_only_transaction();
    void register_script();
    void sneak();
    // Some register; few of them, so that clients meet.
    std::string some_register() { return std::to_string(below(4)); }

    World& world_;
    WandererPlan plan_;
    SimClient* client_ = nullptr;
    std::vector<Prepared> prepared_;
    std::uint32_t names_ = 0;
    std::uint32_t actions_left_ = 0;
    std::uint32_t sessions_left_;
    std::uint64_t generation_ = 0;
    std::uint32_t open_batch_ = 0;
    bool bind_later_ = false;
    bool waiting_ = false;
    bool copying_ = false;
    bool asleep_ = false;
    bool healed_ = false;
    bool done_ = false;
    bool reads_prepared_ = false;
};

}  // namespace pgweir::sim
