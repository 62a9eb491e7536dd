// SPDX-License-Identifier: PostgreSQL
// One client after its login: forwards what it says to the server it leases, frame by frame, and
// says when it needs a lease. What an idle client costs is this object: it holds no buffer.
//
//   state     event                     → state     what follows
//   Idle      a message for a server    → Waiting   consume() says Need::Lease
//   Waiting   lease granted             → Leased    begin_lease(), then consume() goes on
//   Waiting   refused                   → Idle      refuse_unit(): error, then up to the next Sync
//   Leased    server ready              → Idle      end_lease()
//   Leased    server lost               → Idle      server_lost(): error, ReadyForQuery
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pgweir/base/byte_queue.h"
#include "pgweir/base/ids.h"
#include "pgweir/session/effect.h"
#include "pgweir/session/local_answer.h"
#include "pgweir/session/lost_transaction.h"
#include "pgweir/session/parameters.h"
#include "pgweir/session/server_session.h"
#include "pgweir/session/statements.h"
#include "pgweir/session/unit.h"
#include "pgweir/wire/refusal.h"

namespace pgweir::session {

// What all sessions of a pool mode obey. Outlives them.
struct SessionRules {
    // Statements are renamed and prepared where they are needed: transaction and statement mode.
    bool carries_statements = true;
    // Statement mode: a ReadyForQuery inside of a transaction is not passed on.
    bool forbids_transactions = false;
    std::uint64_t server_statements_max = 200;
    std::uint64_t client_statements_max = 10000;
    std::uint64_t message_bytes_max = 1U << 30;
    std::uint64_t buffered_bytes_max = 16U << 20;
    SplitRules split = {};
};

// What a session wants of the routing of its units, beside what its database says.
struct RouteWish {
    sql::RouteHint route = sql::RouteHint::None;
    bool has_consistency = false;
    sql::Consistency consistency = sql::Consistency::Session;
};

// Where the unit at the front may run.
struct UnitRoute {
    bool is_read = false;
    sql::RouteHint hint = sql::RouteHint::None;
    sql::Consistency consistency = sql::Consistency::Session;
    sql::Reason reason = sql::Reason::None;  // Why it is no read.
    bool hint_is_wrong = false;              // To be logged; the hint is ignored.
};

// A transaction that the client has begun and that no server knows of yet.
struct DeferredBegin {
    std::string sql;  // BEGIN …, and SET TRANSACTION … behind it.
    bool is_read_only = false;
    bool is_serializable = false;
};

enum class Need : std::uint8_t {
    More,       // Everything that can be done is done.
    Lease,      // A server, to go on with; route() says of which kind.
    Own,        // own_command() is pgweir's to carry out: answer_own().
    Terminate,  // The client says good-bye.
    Close,      // `refusal` was broken beyond repair: tell it and close.
};

struct Step {
    Need need = Need::More;
    std::size_t consumed = 0;
    // Of what was consumed, for the statistics.
    std::uint32_t client_parses = 0;
    std::uint32_t server_parses = 0;
    std::uint32_t binds = 0;
    std::unique_ptr<wire::Refusal> refusal;  // Need::Close. By itself, as steps are many.
};

// Where the bytes that consume() looks at live: a view of the event, or the session's own queue,
// from which effects must not point.
enum class Source : std::uint8_t { Event, Held };

class ClientSession {
 public:
    enum class State : std::uint8_t { Idle, Waiting, Leased };

    ClientSession(ClientId id, const SessionRules& rules, StatementDirectory& statements,
                  ParameterDirectory& parameters, ParametersRef wanted);
    ClientSession(const ClientSession&) = delete;
    ClientSession& operator=(const ClientSession&) = delete;

    ClientId id() const { return id_; }
    State state() const { return state_; }

    // Forwards as many messages as it can. `server` is the leased one, or nullptr.
    Step consume(ByteView bytes, Source source, ServerSession* server, EffectList& effects);

    // True if consume() without a server would say Need::Lease of the message at the front; it does
    // not see that of all. Spares a pass of most units.
    bool wants_lease(ByteView bytes);

    // Input that can't be used yet.
    ByteQueue& input() { return input_; }
    const ByteQueue& input() const { return input_; }
    // More messages are in flight than a server should owe: goes on when it owes fewer.
    bool is_stalled() const { return is_stalled_; }
    // What it has asked before is still to be done, even if it has closed its connection by now.
    bool said_goodbye() const { return said_goodbye_; }
    // A message was begun and not ended.
    bool is_mid_frame() const { return streaming_ > 0 || (!input_.empty() && is_partial_); }

    void wait() { state_ = State::Waiting; }
    // Brings the server's parameters to what this client wants, in front of its messages.
    void begin_lease(ServerSession& server, EffectList& effects);
    void end_lease();

    // No server for the unit that waits: the error, and the session goes on behind that unit.
    void refuse_unit(const wire::Refusal& refusal, EffectList& effects);
    // The leased server is gone. False if part of a message had been passed on: the client can't
    // be told anything then and must be closed.
    bool server_lost(ServerSession& server, const std::string& pool, EffectList& effects);
    bool is_in_lost_transaction() const { return lost_ != nullptr; }

    bool forbids_transactions() const { return rules_->forbids_transactions; }
    // --- Units of a database whose reads are split.
    bool is_split() const { return rules_->split.judge != nullptr; }
    // Of the unit that waits for a lease.
    const UnitRoute& route() const { return route_; }
    // SET, RESET or SHOW of a parameter of pgweir's own, at the front of `bytes`.
    sql::OwnSetting own_command(ByteView bytes) const;
    // Returns the bytes that are answered by that. REQUIRES: consume() said Need::Own.
    std::size_t answer_own(ByteView bytes, LocalAnswer answer, ServerSession* server,
                           EffectList& effects);
    RouteWish& wish() { return wish_; }
    // Its state on a server does not follow it: its reads go where its writes go.
    bool is_bound_to_primary() const { return is_bound_; }
    // A transaction is open, perhaps one that no server knows of.
    bool has_deferred_begin() const { return deferred_ != nullptr; }
    // A statement that changes the schema was sent since this was asked.
    bool take_schema_change() { return std::exchange(changed_schema_, false); }
    // What was sent to that server runs again elsewhere: names mean what they meant before, and
    // the units stand at the front of the input again. REQUIRES: replay().is_active().
    void undo(ServerSession& server);
    void take_back(ServerSession& server, Replay::From from);
    // The standby refused the unit at the front although it was judged a read.
    void learn_write();

    // Called by the server's relay.
    // DISCARD ALL: nothing is left on the server that would not follow.
    void note_discarded() { is_bound_ = false; }
    // RESET, DISCARD ALL: what the login asked for holds again, whatever the server has by itself.
    void note_reset() { is_resetting_ = lacks_settings_ = true; }
    bool is_reset() const { return is_resetting_ || lacks_settings_; }
    // The parameter as the login had it, if the server reports that a RESET has brought it back to
    // `fresh`, what a server has that nobody has used; else null.
    const Parameter* restored(std::string_view name, std::string_view value,
                              const ParameterSet& fresh) const;
    // ReadyForQuery: the server gets what it lacks, as soon as it can.
    void restore_settings(ServerSession& server, EffectList& effects);
    void skip_to_sync() { skips_to_sync_ = true; }
    // ReadyForQuery idle: what was set until here stays.
    void note_idle() {
        if (committed_ != wanted_) committed_ = wanted_;
    }
    void parameter_reported(std::string_view name, std::string_view value);
    std::optional<std::string_view> name_of(const StatementRef& statement) const {
        return statements_ != nullptr ? statements_->name_of(statement) : std::nullopt;
    }
    void forget_statements();
    void forget_statement(std::string_view name);
    void restore_statement(std::string_view name, const StatementRef& statement);
    void set_unnamed(StatementRef statement) { unnamed_ = std::move(statement); }

    const ParametersRef& wanted() const { return wanted_; }
    void set_wanted(ParametersRef wanted) { wanted_ = std::move(wanted); }
    std::size_t statement_count() const { return statements_ ? statements_->size() : 0; }

    // Input that waits beyond this makes the proxy stop reading.
    static constexpr std::size_t kInputBytesMax = 64 * 1024;

 private:
    struct Relay;  // One call of consume().

    UnitContext unit_context() const;
    void route_unit(const Unit& unit);
    void remember_statements(ByteView unit);
    void bring_parameters(ServerSession& server, EffectList& effects);
    bool reads_lost(ServerSession& server, const std::string& pool, EffectList& effects);
    void take_back_unanswered(const AnswerQueue& answers);
    void roll_back_parameters(Bytes& out);

    // Constant after construction.
    ClientId id_;
    const SessionRules* rules_;
    StatementDirectory* statement_directory_;
    ParameterDirectory* parameter_directory_;
    // Changes with every event.
    State state_ = State::Idle;
    bool skips_to_sync_ = false;
    bool is_stalled_ = false;
    bool said_goodbye_ = false;
    bool is_partial_ = false;
    bool streaming_to_server_ = false;
    bool is_bound_ = false;
    bool changed_schema_ = false;
    bool is_resetting_ = false;    // Since a RESET, up to ReadyForQuery.
    bool lacks_settings_ = false;  // The server has been reset, and has not got the login's again.
    bool is_unit_open_ = false;    // A part of a unit was sent.
    bool is_unit_routed_ = false;  // route_ and unit_ are of the unit at the front.
    // A transaction on a standby: all of it stays there.
    enum class Block : std::uint8_t { None, Open, PerhapsEnded, Ended };
    Block block_ = Block::None;
    // The lease was taken of a standby, for a read. If that is promoted meanwhile, writes still
    // want a lease of their own: who may be written to is not the server's to say.
    bool is_lease_of_standby_ = false;
    RouteWish wish_;
    UnitRoute route_;
    UnitFacts unit_;               // At the front, or being sent.
    std::uint32_t unit_left_ = 0;  // Of a whole unit that is open: bytes not sent yet.
    std::uint64_t streaming_ = 0;
    ByteQueue input_;
    std::unique_ptr<ClientStatements> statements_;
    StatementRef unnamed_;
    std::unique_ptr<LostTransaction> lost_;
    std::unique_ptr<DeferredBegin> deferred_;
    ParametersRef login_;  // What the session began with.
    ParametersRef wanted_;
    ParametersRef committed_;  // `wanted_` at the last ReadyForQuery idle; only during a lease.
};

static_assert(sizeof(ClientSession) <= 256, "an idle client costs less than 2 KiB");

}  // namespace pgweir::session
