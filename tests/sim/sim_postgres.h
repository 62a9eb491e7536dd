// SPDX-License-Identifier: PostgreSQL
// A simulated PostgreSQL node, a primary or a standby: accepts connections, logs them in, runs
// their sessions, takes cancel requests; crashes, freezes and starts again when it is told to.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/random.h"
#include "sim/agenda.h"
#include "sim/replication.h"
#include "sim/sim_network.h"
#include "sim/transcript.h"
#include "sim/truth.h"

namespace pgweir::sim {

class SimBackend;

struct Role {
    std::string password{};  // Empty: trust.
    bool may_login = true;
};

struct NodeOptions {
    std::uint32_t max_connections = 100;
    Duration think_max = Duration::microseconds(100);
    Duration login_max = Duration::microseconds(500);
    std::uint64_t notice_one_in = 0;  // Messages that are followed by a notice out of the blue.
    bool catalog_lies = false;        // It calls a function harmless that writes.
    std::uint64_t goes_back_max = 0;  // Records that a standby has to replay again after a crash.
    std::set<std::string> databases{"app"};
    std::map<std::string, Role> roles{{"alice", {}}, {"bob", {}}};
};

class SimPostgres final : public Listener, public Actor {
 public:
    struct Parts {
        Agenda& agenda;
        Random& random;
        SimNetwork& network;
        Transcript& transcript;
        Truth& truth;
        Replication& replication;
    };
    // Numbered from 0; 0 begins as the primary, the others are its standbys.
    SimPostgres(Parts parts, NodeOptions options, std::uint32_t number = 0);
    ~SimPostgres() override;

    Endpoint* accept(Socket socket) override;
    void on_time(std::uint32_t what, std::uint64_t detail) override;

    // All sessions end at once; it refuses connections for a while, then says 57P03, then it is up.
    void crash(Duration down, Duration starting);
    void freeze(Duration time);
    // One backend of somebody is terminated by its administrator (57P01).
    void terminate_one();
    // One idle backend says what nobody asked for.
    void babble();
    // Replay needs what one session holds: its statement is cancelled (40001), or, if it only
    // keeps a transaction open, it is terminated.
    void conflict();
    void heal();
    // It has all that the primary has committed, and becomes the primary of a new timeline.
    // `before` stays what it was, if it is alive: on its old timeline, where commits are lost; else
    // it comes back as a standby. REQUIRES: it is a standby, up and not frozen.
    void promote_over(SimPostgres& before);
    // A primary of an old timeline restarts as a standby.
    void rejoin(Duration down);
    bool is_deposed() const { return is_deposed_; }
    // A commit of the primary that took its place says that somebody knows of it.
    bool is_known_as_deposed() const { return is_deposed_ && successor_->has_committed_; }
    // Somebody who has worked for clients is still connected to it, as far as he knows.
    bool is_in_use() const;
    bool is_up() const { return state_ == State::Up; }
    bool is_starting() const { return state_ == State::Starting; }
    bool is_frozen() const { return frozen_; }
    // Somebody to tell when it crashes; `detail` is the node's number.
    void set_mourner(Actor& mourner, std::uint32_t what) { mourners_.push_back({&mourner, what}); }

    // "n1" is number 0.
    std::string name() const { return "n" + std::to_string(number_ + 1); }
    std::uint32_t number() const { return number_; }
    bool is_standby() const { return !is_primary_; }
    std::uint64_t system_id() const { return 7'300'000'000'000'000'001; }
    std::uint32_t timeline() const {
        return is_primary_ ? timeline_ : parts_.replication.timeline();
    }
    // pg_last_wal_replay_lsn() of a primary: where its recovery has ended; 0 if there was none.
    WalPlace recovery_ended_at() const { return recovery_ended_at_; }
    // Inserted, or replayed.
    WalPlace place() const;
    Duration lag() const;
    NodeOptions& options() { return options_; }

    std::uint32_t incarnation() const { return incarnation_; }
    std::size_t sessions() const;
    std::size_t sessions_of(std::string_view database, std::string_view user) const;
    std::uint64_t cancels_received() const { return cancels_received_; }
    // The backend at the other end of this dialer's socket; null if there is none.
    const SimBackend* backend_behind(Socket dialer) const;
    const SimBackend* backend_by_key(std::uint32_t process, std::uint32_t secret) const;

 private:
    friend class SimBackend;
    enum class State : std::uint8_t { Up, Down, Starting };
    enum What : std::uint32_t { Recover, Ready, Thaw };

    struct Mourner {
        Actor* actor;
        std::uint32_t what;
    };
    void signal(std::uint32_t process, std::uint32_t secret);
    SimBackend* pick(bool idle);
    void came_up();
    void check_first_writes(const Token& token);
    void become_standby();
    void stops();
    void goes_on();
    void thaw();
    std::uint32_t standby() const { return number_ - 1; }

    Parts parts_;
    NodeOptions options_;
    std::uint32_t number_;
    std::vector<Mourner> mourners_;
    State state_ = State::Up;
    bool frozen_ = false;
    bool is_primary_;
    bool is_deposed_ = false;  // A primary, and another one has been promoted since.
    std::uint32_t timeline_ = 1;
    WalPlace recovery_ended_at_ = 0;
    WalPlace dead_end_ = 0;                           // Of a deposed primary's own log.
    bool has_committed_;                              // Since it was promoted.
    SimPostgres* successor_ = nullptr;                // Of a deposed primary.
    std::vector<const SimPostgres*> predecessors_{};  // Of a promoted one.
    std::uint32_t incarnation_ = 1;
    Duration starting_{};
    std::uint64_t recovery_ = 0;
    std::uint64_t cancels_received_ = 0;
    std::uint32_t next_process_;
    std::vector<std::unique_ptr<SimBackend>> backends_;
    std::vector<SimBackend*> by_link_;
    std::map<std::uint32_t, SimBackend*> by_process_;
};

// One connection to a node: its login, then its session.
class SimBackend final : public Endpoint, public Actor, private NodeData {
 public:
    SimBackend(SimPostgres& node, Socket socket);
    ~SimBackend() override;

    void received(Socket socket, ByteView bytes) override;
    void closed(Socket socket, std::string_view reason) override;
    void blocked(Socket socket) override;
    void drained(Socket socket) override;
    void on_time(std::uint32_t what, std::uint64_t detail) override;

    std::uint32_t process() const { return process_; }
    std::uint32_t secret() const { return secret_; }
    const std::string& database() const { return database_; }
    const std::string& user() const { return user_; }
    bool is_session() const { return phase_ == Phase::Ready; }
    bool counts() const { return counts_; }
    // Nothing is open, nothing is on its way in either direction: the only moment at which its
    // connection may change hands.
    bool is_quiet() const;
    // Whose unit is open, or was the last one; 0 for nobody's.
    std::uint32_t owner() const { return owner_; }
    bool in_block() const;
    Socket socket() const { return socket_; }

 private:
    friend class SimPostgres;
    enum class Phase : std::uint8_t { Startup, Password, LoggingIn, Ready, Gone };
    enum What : std::uint32_t { Work, Wake, LoggedIn, Cancelled, Released, EndCancel };

    void read_startup();
    void start_session(ByteView packet);
    void read_password();
    void admit();
    void logged_in();
    void work();
    bool take_next();
    bool run();  // False: it waits for something.
    void note_owner(ByteView body);
    void collect_deeds();
    void commit(const std::vector<Write>& writes);
    void flush();
    void refuse(std::string_view sqlstate, std::string_view message);
    void die(std::string_view sqlstate, std::string_view message);
    void vanish();
    void cancel_now();
    bool conflict_now();
    void end_statement(std::string_view sqlstate, std::string_view message);
    void plan_work();
    void say_something();
    void say_notice();
    bool is_in_notice() const;

    bool is_in_recovery() const override { return node_.is_standby(); }
    bool catalog_lies() const override { return node_.options_.catalog_lies; }
    WalPlace snapshot() const override { return node_.place(); }
    std::string read(std::uint32_t id, WalPlace snapshot) const override {
        return registers_->at(id, snapshot).value;
    }

    SimPostgres& node_;
    Registers* registers_ = nullptr;
    Socket socket_;
    Phase phase_ = Phase::Startup;
    std::uint32_t process_ = 0;
    std::uint32_t secret_ = 0;
    std::string database_;
    std::string user_;
    Parameters startup_;
    FrameCutter input_;
    Bytes out_;
    std::unique_ptr<class PgSession> session_;
    std::uint64_t answered_until_ = 0;  // Bytes written up to the end of the last answer.
    std::uint64_t notice_from_ = 0;
    std::uint64_t notice_until_ = 0;
    std::uint64_t sleep_generation_ = 0;
    std::uint32_t owner_ = 0;
    Token running_{};
    char running_tag_ = 0;
    bool owner_is_open_ = false;
    bool asleep_ = false;
    bool planned_ = false;
    bool stalled_ = false;
    bool counts_ = false;
    bool cancel_pending_ = false;
    bool is_restoring_ = false;  // A statement of pgweir's own is the one that was taken last.
};

}  // namespace pgweir::sim
