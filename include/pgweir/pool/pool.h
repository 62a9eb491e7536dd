// SPDX-License-Identifier: PostgreSQL
// The servers of one (database, user, node) that one worker holds, and the line of clients that
// wait for one. A state is membership in a list; the pool counts servers and does not talk to them.
//
//   server    event                  → server
//   opening   logged in              → leased (first in line) or idle
//   idle      acquire                → leased
//   leased    give back, clean       → leased (first in line) or idle
//   any       closed                 → gone
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/pool/limits.h"
#include "pgweir/pool/waiting_line.h"

namespace pgweir::pool {

struct PoolKey {
    std::string database;  // As clients name it.
    std::string user;
    std::string node;  // host:port
    auto operator<=>(const PoolKey&) const = default;

    // "app/alice on 10.0.0.1:5432", for people.
    std::string text() const { return database + "/" + user + " on " + node; }
};

// A server was idle, or became free: it is the client's now.
struct Grant {
    ClientId client;
    ServerId server;
    Instant waited_since;
};

class Pool {
 public:
    Pool(PoolId id, PoolKey key, std::shared_ptr<WaitBoard> board, WorkerIndex worker);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    PoolId id() const { return id_; }
    const PoolKey& key() const { return key_; }

    // An idle server for `client`, the one used last (its caches are warm), unless others wait or
    // the pool is paused: then nullopt, and the caller puts the client in line.
    std::optional<ServerId> acquire();
    WaitingLine::Ticket wait(ClientId client, Instant now);
    void leave(WaitingLine::Ticket ticket);

    void opening() { ++opening_; }
    void opening_failed();
    // Logged in: to the first in line, or idle.
    std::optional<Grant> opened(ServerId server, Instant now);
    // Clean: to the first in line, or idle.
    std::optional<Grant> give_back(ServerId server, Instant now);
    // A leased server that will not come back (closed, or to be closed).
    void lost_leased();
    // An idle server died. REQUIRES: it is idle here.
    void lost_idle(ServerId server);
    // Idle, although others may wait: they do not want this one now.
    void add_idle(ServerId server, Instant now) { idle_.push_back({server, now}); }
    // An idle server turned out to be busy with itself: it counts as leased until it is given back.
    // REQUIRES: it is idle here.
    void hold(ServerId server);
    // The idle server that was not used for longest, taken out to be closed; null id if none.
    ServerId take_idle();

    // First in line gets an idle server; for a pool that was paused.
    std::optional<Grant> grant_idle();

    // Servers that the line could use beyond those on their way.
    std::size_t servers_wanted(std::size_t pool_size_min) const;

    struct Idle {
        ServerId server;
        Instant since;
    };
    // The longest idle first.
    const std::vector<Idle>& idle() const { return idle_; }
    std::size_t leased() const { return leased_; }
    std::size_t opening_count() const { return opening_; }
    std::size_t size() const { return idle_.size() + leased_ + opening_; }
    WaitingLine& line() { return line_; }
    std::size_t waiting() const { return line_.size(); }

    bool is_paused() const { return paused_; }
    void pause() { paused_ = true; }
    void resume() { paused_ = false; }

    // Another worker's first waiter in this pool waits for so much longer than ours that the next
    // free server should be theirs.
    bool should_yield(Instant now, WorkerIndex workers) const;
    // Tells the other workers since when our first waiter waits. Called by every change of the
    // line.
    void publish_wait();

 private:
    std::optional<Grant> place(ServerId server, Instant now);

    // Constant after construction.
    PoolId id_;
    PoolKey key_;
    std::shared_ptr<WaitBoard> board_;
    WorkerIndex worker_;
    // Changes with every event.
    std::vector<Idle> idle_;
    std::size_t leased_ = 0;
    std::size_t opening_ = 0;
    WaitingLine line_;
    bool paused_ = false;
};

}  // namespace pgweir::pool
