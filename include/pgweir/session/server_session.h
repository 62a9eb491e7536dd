// SPDX-License-Identifier: PostgreSQL
// One server after its login: relays what it says to the client that leases it, frame by frame,
// and knows what it still owes. Nothing is buffered but messages that must be looked at whole.
//
//   condition                                         meaning
//   is_ready()                                        a lease may end; anything else is doubt
//   answers() not empty                               the server owes answers
//   is_unsynced()                                     messages were sent whose Sync was not
//   is_mid_frame()                                    part of a message was passed on
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/base/byte_queue.h"
#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/session/answer_queue.h"
#include "pgweir/session/effect.h"
#include "pgweir/session/parameters.h"
#include "pgweir/session/replay.h"
#include "pgweir/session/statements.h"
#include "pgweir/wire/tags.h"

namespace pgweir::session {

class ClientSession;

// What a relay of bytes came to.
struct ServerNews {
    std::uint32_t queries = 0;       // ReadyForQuery messages that answered the client.
    std::uint32_t transactions = 0;  // Of those, with status idle.
    bool parameters_changed = false;
    bool settings_failed = false;     // What pgweir put in front of the client's messages failed.
    bool opened_transaction = false;  // In statement mode; the client was not told.
    bool closes_client = false;       // The server ended the session for what this client did.
    bool role_reported = false;       // in_hot_standby has changed.
    // ALTER, DROP and the like, and once more at the end of their transaction.
    bool definitions_changed = false;
    // A standby refused the front unit, of whose answer the client has seen nothing: it runs again
    // elsewhere. The answers still owed are nobody's.
    bool refused_unit = false;
    std::string refusal_sqlstate;
    std::string violation;  // Not empty: the server broke the protocol; drop it.
};

// What the server's login found out.
struct ServerFacts {
    ParametersRef parameters;
    std::uint32_t process_id = 0;
    Bytes cancel_secret;
    bool has_key = false;
};

class ServerSession {
 public:
    ServerSession(ServerId id, ServerFacts facts, ParameterDirectory& parameter_directory);
    ServerSession(const ServerSession&) = delete;
    ServerSession& operator=(const ServerSession&) = delete;

    ServerId id() const { return id_; }
    std::uint32_t process_id() const { return facts_.process_id; }
    const Bytes& cancel_secret() const { return facts_.cancel_secret; }
    bool has_cancel_key() const { return facts_.has_key; }

    // Relays to `client`; swallows everything if there is none. After a violation the session is
    // worthless.
    ServerNews on_bytes(ByteView bytes, ClientSession* client, EffectList& effects);

    // Without framing: replication connections are handed through.
    void become_raw() { is_raw_ = true; }
    bool is_raw() const { return is_raw_; }

    bool is_ready() const { return is_idle() && held_.empty(); }
    // Nothing is owed and nothing is open; it may have begun to say something by itself, of which
    // its client has heard nothing yet.
    bool is_idle() const {
        return answers_.empty() && !is_unsynced_ && status_ == wire::TransactionStatus::Idle &&
               streaming_ == 0 && !said_fatal_;
    }
    // Nothing is owed and nothing half said, but a transaction may be open.
    bool is_quiet() const {
        return answers_.empty() && !is_unsynced_ && held_.empty() && streaming_ == 0;
    }
    wire::TransactionStatus status() const { return status_; }
    AnswerQueue& answers() { return answers_; }
    const AnswerQueue& answers() const { return answers_; }
    bool is_unsynced() const { return is_unsynced_; }
    // A ReadyForQuery that the client has asked for has not come.
    bool owes_ready() const;
    // COPY FROM STDIN waits for data.
    bool is_in_copy() const { return copy_in_; }
    // Somebody became another user here (SET SESSION AUTHORIZATION).
    bool is_foreign() const { return is_foreign_; }
    bool is_mid_frame() const { return streaming_ > 0 && streaming_to_client_; }
    bool said_fatal() const { return said_fatal_; }
    // Something was sent that may end the transaction, and its ReadyForQuery has not come.
    void note_may_commit(bool may) { may_commit_ = may_commit_ || may; }
    bool may_commit() const { return may_commit_; }
    // A BEGIN of pgweir's is in flight: what follows is inside of a transaction block.
    void note_begin() { is_begin_sent_ = true; }
    bool is_in_transaction() const {
        return is_begin_sent_ || status_ != wire::TransactionStatus::Idle;
    }
    // The last that the server said of its role (in_hot_standby, PostgreSQL 14 and later).
    bool is_standby() const { return is_standby_; }
    void note_standby() { is_standby_ = true; }
    Replay& replay() { return replay_; }
    const Replay& replay() const { return replay_; }
    // Sends to the client, or holds, what pgweir answers in the server's place.
    void answer_in_place(ClientId client, ByteView answer, EffectList& effects);
    // The held beginning of an answer goes out, and nothing in flight can be taken back any more.
    void stop_replay(ClientId client, EffectList& effects);
    // The last message that was sent is a ROLLBACK of all of the transaction, and all that is owed.
    void note_rollback() { is_rolling_back_ = true; }
    bool is_rolling_back() const { return is_rolling_back_ && answers_.size() == 1; }
    // The server's last words, for the log and the client: SQLSTATE and message of its FATAL.
    const std::string& fatal_sqlstate() const { return fatal_sqlstate_; }
    const std::string& fatal_message() const { return fatal_message_; }
    const std::string& settings_error() const { return settings_error_; }

    // A message that will be answered has been sent.
    Expectation& expect(Expected kind, Asker asker);
    // A message of the client was answered without the server: its Sync is still to come.
    void note_unsynced() { is_unsynced_ = true; }
    // Sync that the server will ignore, as COPY FROM STDIN is under way.
    bool ignores_sync() const { return copy_in_; }
    void copy_ended_by_client() { copy_in_ = false; }

    // Sends SQL of pgweir's own as one Query message.
    void send_query(std::string_view sql, Asker asker, EffectList& effects);
    void send_sync(Asker asker, EffectList& effects);
    // The open transaction fails, by an error that nobody hears.
    void fail_transaction(EffectList& effects);
    // From now on no answer is anybody's: the client has gone.
    void disown_answers();

    ServerStatements& statements() { return statements_; }
    const StatementRef& unnamed() const { return unnamed_; }
    // In the unit that is being sent.
    void set_unnamed(StatementRef statement) {
        unnamed_ = std::move(statement);
        unnamed_unit_ = unit_;
    }
    // Counts the Syncs sent: what is skipped after an error is of one unit.
    std::uint64_t unit() const { return unit_; }
    // The unnamed statement that a message of this unit would find is certain.
    bool is_unnamed_certain() const {
        return answers_.unnamed_touched() == 0 || unnamed_unit_ == unit_;
    }
    // The same for what a client's name means.
    bool is_name_certain(std::string_view name) const;
    // Numbers of evicted statements whose Close was skipped by the server.
    std::vector<std::uint64_t>& unclosed() { return unclosed_; }

    const ParametersRef& parameters() const { return facts_.parameters; }
    void set_parameters(ParametersRef parameters);

 private:
    struct Relay;  // One call of on_bytes.

    // Constant after construction.
    ServerId id_;
    ParameterDirectory& parameter_directory_;
    std::string login_authorization_;
    ParametersRef fresh_;  // What it has by itself.
    // Changes with every event.
    ServerFacts facts_;
    AnswerQueue answers_;
    ByteQueue held_;  // The beginning of a message that must be seen whole.
    std::uint64_t streaming_ = 0;
    bool streaming_to_client_ = false;
    bool is_unsynced_ = false;
    bool copy_in_ = false;
    bool may_commit_ = false;
    bool is_rolling_back_ = false;
    bool said_fatal_ = false;
    bool is_raw_ = false;
    bool is_foreign_ = false;
    bool is_begin_sent_ = false;
    bool is_standby_ = false;
    bool has_altered_ = false;  // ALTER, DROP and the like, in the transaction that is open.
    wire::TransactionStatus status_ = wire::TransactionStatus::Idle;
    ServerStatements statements_;
    StatementRef unnamed_;
    std::uint64_t unnamed_unit_ = 0;
    std::uint64_t unit_ = 0;
    std::vector<std::uint64_t> unclosed_;
    std::string fatal_sqlstate_;
    std::string fatal_message_;
    std::string settings_error_;
    std::string doubt_;  // An error that says that this node is not the primary any more, perhaps.
    Replay replay_;
};

}  // namespace pgweir::session
