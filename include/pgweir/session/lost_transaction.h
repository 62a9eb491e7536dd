// SPDX-License-Identifier: PostgreSQL
// A transaction whose server is gone, seen from its client: it has failed as PostgreSQL fails one.
// Until ROLLBACK or COMMIT ends it, every statement gets 25P02; no server is needed for that.
#pragma once

#include <cstdint>
#include <string_view>

#include "pgweir/base/bytes.h"
#include "pgweir/session/answer_queue.h"

namespace pgweir::session {

// How a statement ends a whole transaction (not: ROLLBACK TO a savepoint).
enum class TransactionEnd : std::uint8_t { None, Rollback, Commit };
TransactionEnd transaction_end(std::string_view text);
// True if the text is one ROLLBACK (or ABORT) of a whole transaction and nothing else: however it
// ends, nothing of the transaction stays.
bool is_lone_rollback(std::string_view text);
// The same of what a server owes: one batch that runs such a statement.
bool is_lone_rollback(const AnswerQueue& answers);

class LostTransaction {
 public:
    // What ends it: ROLLBACK or COMMIT, or (a batch outside of a transaction block) its Sync.
    enum class EndsAt : std::uint8_t { Rollback, Sync };

    explicit LostTransaction(EndsAt ends_at) : ends_at_(ends_at) {}

    // Answers one whole message into `out`. Not for Terminate.
    void answer(Byte tag, ByteView body, Bytes& out);
    // As that, for a Bind or Describe of a statement that the client does not have: PostgreSQL
    // looks for it before it looks at the transaction.
    void answer_unknown(std::string_view statement, Bytes& out);
    // The client heard of an error in this batch: its messages up to Sync are skipped.
    void skip() { skips_to_sync_ = true; }
    // The client ended it, and has been told ReadyForQuery idle.
    bool is_over() const { return is_over_; }
    // The error that says why comes before anything else.
    void announce(Bytes error) { announcement_ = std::move(error); }

 private:
    void fail(Bytes& out);
    // COMMIT or ROLLBACK runs.
    void end(TransactionEnd how, Bytes& out);
    void ready(Bytes& out);

    EndsAt ends_at_;
    Bytes announcement_;
    TransactionEnd parsed_ = TransactionEnd::None;  // What the last Parse would do.
    bool ended_ = false;  // ROLLBACK was executed; ReadyForQuery says idle.
    bool skips_to_sync_ = false;
    bool is_over_ = false;
};

}  // namespace pgweir::session
