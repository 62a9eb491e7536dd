// SPDX-License-Identifier: PostgreSQL
// One connection of libpq's to a node, on a libuv loop: opened without blocking, asked one question
// at a time, and watched in between, so that its end is known at once. Time limits are its owner's:
// it destroys a connection that takes too long.
//
//   state       event               → state
//   Resolving   addresses           → Connecting
//   Connecting  logged in           → Idle, or asks the question that waits
//   Idle        ask()               → Asking, or Preparing the first time
//   Preparing   prepared            → Asking
//   Asking      answer              → Idle
//   any         end of file, FATAL  → Broken
#pragma once

#include <libpq-fe.h>
#include <uv.h>

#include <memory>
#include <string>
#include <string_view>

#include "io/loop.h"
#include "io/probe_question.h"
#include "io/resolver.h"
#include "pgweir/base/ids.h"
#include "pgweir/cluster/observation.h"
#include "pgweir/config/monitor_login.h"
#include "pgweir/config/node_address.h"

namespace pgweir::io {

class ProbeConnection;

class ProbeConnectionOwner {
 public:
    // What the question came to; or, with no question under way, why the connection has ended.
    // May be called before open() or ask() returns, and may destroy the connection.
    virtual void on_seen(ProbeConnection& connection, cluster::Observation seen) = 0;

 protected:
    ~ProbeConnectionOwner() = default;
};

class ProbeConnection {
 public:
    struct Parts {
        uv_loop_t* loop;
        Resolver& resolver;
        ProbeConnectionOwner& owner;
        NodeId node;
        std::uint64_t serial;  // For the resolver; never used twice.
        NodeAddress address;
        std::shared_ptr<const MonitorLogin> login;
    };

    explicit ProbeConnection(Parts parts) : parts_(std::move(parts)) {}
    ProbeConnection(const ProbeConnection&) = delete;
    ProbeConnection& operator=(const ProbeConnection&) = delete;
    ~ProbeConnection();

    void open();
    // The question leaves now, or as soon as the connection stands. REQUIRES: none is under way.
    void ask();

    NodeId node() const { return parts_.node; }
    bool is_broken() const { return state_ == State::Broken; }
    // When the question left, or until then, when it was ordered.
    Instant started_at() const { return seen_.started_at; }
    // What takes the time: "connecting".
    std::string_view doing() const;

 private:
    enum class State : std::uint8_t { Resolving, Connecting, Idle, Preparing, Asking, Broken };
    struct Finish {
        void operator()(PGconn* connection) const { PQfinish(connection); }
    };
    struct Clear {
        void operator()(PGresult* result) const { PQclear(result); }
    };
    using Result = std::unique_ptr<PGresult, Clear>;

    PGconn* raw() const { return connection_.get(); }
    void connect(const std::vector<SocketAddress>& addresses);
    void go_on_connecting();
    void connected();
    // False if the socket can't be watched: then the connection has failed.
    bool watch(int events);
    void on_ready(int status);

    // What ends with one of these may have destroyed the connection by then: nothing follows.
    void begin_question();
    void send_question();
    void wait_for_answer();
    void end_question();
    void tell();
    void fail(std::string reason);
    void fail_by_libpq();

    // True if all of the answer has come.
    bool read_results();
    void take(const PGresult* result);
    void take_row(const PGresult* result);
    void note_error(const PGresult* result);
    void note_nonsense();
    static void on_notice(void* self, const PGresult* notice);

    Parts parts_;
    State state_ = State::Resolving;
    std::unique_ptr<PGconn, Finish> connection_;
    // Goes before libpq closes the socket.
    Handle<uv_poll_t> poll_;
    int events_ = 0;

    bool is_question_open_ = false;  // Ordered, and not answered yet.
    ProbeQuestion question_ = ProbeQuestion::Control;
    bool is_answered_ = false;  // Its row has come.
    bool is_prepared_ = false;
    bool is_control_refused_ = false;  // Not allowed, or there is no such function.
    bool is_fatal_ = false;            // The server has said that it closes, or talks nonsense.
    Instant control_due_at_{};         // The control file is not read before this.
    ProbeMemory memory_;
    cluster::Observation seen_;

    // Who answers a name holds this weakly.
    std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace pgweir::io
