// SPDX-License-Identifier: PostgreSQL
// The session behind the database "pgweir" (alias "pgbouncer"), after login: complete frames in,
// reply bytes out. What needs the rest of the proxy it asks for and waits; frames that come
// meanwhile stand in line. It speaks the simple and the extended protocol, without parameters and
// in text format.
//
//   state     event                       → state     what happens
//   Ready     frame that needs nobody     → Ready     the reply
//   Ready     frame with a command        → Waiting   request() is set
//   Ready     error in an extended batch  → Skipping  ErrorResponse
//   Waiting   frame                       → Waiting   it is queued
//   Waiting   answer, done, fail          → Ready     the reply, then the queued frames
//   Waiting   fail in an extended batch   → Skipping  ErrorResponse
//   Skipping  Sync                        → Ready     ReadyForQuery
//   any       Terminate, broken frame     → Closed
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgweir/admin/command.h"
#include "pgweir/admin/show.h"
#include "pgweir/base/bytes.h"
#include "pgweir/wire/frontend_messages.h"
#include "pgweir/wire/refusal.h"
#include "pgweir/wire/tags.h"

namespace pgweir::admin {

// True for the names of the console's database.
bool is_console_database(std::string_view database);

// What the console reports at login, in order: enough for psql and drivers to be content.
std::span<const std::pair<std::string_view, std::string_view>> console_parameters();

class ConsoleSession {
 public:
    // The proxy need not hand over (nor keep) a frame with a larger body: the session ends.
    static constexpr std::size_t kBodyBytesMax = std::size_t{64} * 1024;
    // Frames that wait for an answer.
    static constexpr std::size_t kQueuedBytesMax = std::size_t{256} * 1024;
    // Named statements and named portals, each.
    static constexpr std::size_t kNamesMax = 100;

    explicit ConsoleSession(Role role) : role_(role) {}

    // A complete frame after login. Replies are appended to `out`.
    void take(wire::FrontendTag tag, ByteView body, Bytes& out);

    // What the session waits for. Exactly one of answer, done or fail must follow, now or later.
    const std::optional<AdminCommand>& request() const { return request_; }

    // The answer to Show.
    // REQUIRES: request().
    void answer(const ShowData& data, Bytes& out);
    // The answer to every other command; each notice reaches the operator.
    // REQUIRES: request().
    void done(std::span<const std::string> notices, Bytes& out);
    void done(Bytes& out) { done({}, out); }
    // REQUIRES: request().
    void fail(const wire::Refusal& refusal, Bytes& out);

    // Nothing more is read; the connection closes when the replies are out.
    bool is_closed() const { return state_ == State::Closed; }
    wire::TransactionStatus status() const { return status_; }

 private:
    enum class State : std::uint8_t { Ready, Waiting, Skipping, Closed };
    struct Frame {
        wire::FrontendTag tag;
        Bytes body;
    };
    struct Portal {
        std::optional<Statement> statement;  // Nothing: an empty query.
        std::optional<TableText> table;      // Once it has run.
        std::size_t rows_sent = 0;
        bool is_done = false;
    };
    // Of the frame that is being answered.
    enum class Protocol : std::uint8_t { Simple, Extended };

    void become(State state);
    void dispatch(wire::FrontendTag tag, ByteView body, Bytes& out);
    void enqueue(wire::FrontendTag tag, ByteView body, Bytes& out);
    void drain_queue(Bytes& out);

    void on_query(ByteView body, Bytes& out);
    void on_parse(ByteView body, Bytes& out);
    void on_bind(ByteView body, Bytes& out);
    void on_describe(ByteView body, Bytes& out);
    void on_execute(ByteView body, Bytes& out);
    void on_close(ByteView body, Bytes& out);
    void on_sync(Bytes& out);

    // Runs the statements of a simple query until one has to wait.
    void continue_query(Bytes& out);
    // Does what needs nobody else, or sets the request and waits.
    void run(const Statement& statement, Bytes& out);
    // The statement that runs is done.
    void finish(std::optional<TableText> table, Bytes& out);
    void send_rows(Portal& portal, Bytes& out);
    // The command tag; the statement has done its work on the transaction.
    std::string_view complete(const Statement& statement);
    void ready(Bytes& out);
    // Behind an answer.
    void go_on(Bytes& out);

    void refuse(const wire::Refusal& refusal, Bytes& out);
    // The client broke the protocol.
    void break_off(wire::Refusal refusal, Bytes& out);
    void break_off_malformed(wire::FrontendTag tag, Bytes& out);

    // Constant after construction.
    Role role_;
    // Changes with every event.
    State state_ = State::Ready;
    wire::TransactionStatus status_ = wire::TransactionStatus::Idle;
    std::optional<AdminCommand> request_;
    Protocol protocol_ = Protocol::Simple;
    std::deque<Statement> query_;  // The rest of a simple query; the front one runs.
    std::string executing_;        // The portal that runs.
    std::size_t rows_wanted_ = 0;  // By its Execute; 0: all.
    std::deque<Frame> queue_;
    std::size_t queued_bytes_ = 0;
    std::map<std::string, std::optional<Statement>, std::less<>> statements_;
    std::map<std::string, Portal, std::less<>> portals_;
};

}  // namespace pgweir::admin
