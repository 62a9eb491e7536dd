// SPDX-License-Identifier: PostgreSQL
// What a server still owes: one entry for each message sent to it that brings an answer, in order.
// It is the only authority on whose an answer is, and on whether one was asked for at all.
//
// Message Flow, "Extended Query": after an error the server skips everything up to Sync; the
// entries up to the next Sync then go, and each says what its message would have changed, so that
// the change can be taken back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pgweir/base/assert.h"
#include "pgweir/session/statements.h"

namespace pgweir::session {

enum class Expected : std::uint8_t {
    Parse,              // ParseComplete
    Bind,               // BindComplete
    Close,              // CloseComplete
    DescribeStatement,  // ParameterDescription, then as DescribePortal
    DescribePortal,     // RowDescription or NoData
    Execute,            // rows, then CommandComplete, EmptyQueryResponse or PortalSuspended
    Query,              // anything, then ReadyForQuery
    FunctionCall,       // FunctionCallResponse, then ReadyForQuery
    Sync,               // ReadyForQuery
    // Those that bring no answer stand last.
    CopyEnd,             // no answer: CopyDone or CopyFail went by here
    LocalParseComplete,  // no question was sent: pgweir answers ParseComplete when its turn comes
    LocalError,          // no question was sent: pgweir answers `name` (a whole ErrorResponse)
};

// Who asked.
enum class Asker : std::uint8_t {
    Client,    // Answers go to the client.
    Pgweir,    // Answers are swallowed; an error is the client's if it takes the place of its own.
    Quiet,     // Answers are swallowed, errors too: nothing hangs on them.
    Settings,  // Answers are swallowed, rows included; an error means that the lease is worthless.
};

struct Expectation {
    Expected kind = Expected::Sync;
    Asker asker = Asker::Client;
    // Parse of a name that is taken: the server will answer 42P05, nothing changes.
    bool is_duplicate = false;
    // The message changes what the client's unnamed statement is, or what a name of its is.
    bool touches_unnamed = false;
    bool touches_name = false;
    // Parse, and Close of pgweir's own: the statement's number on the server.
    std::uint64_t number = 0;
    // Parse, Close, Bind, DescribeStatement: the statement meant.
    StatementRef statement;
    // What the client's name, or its unnamed statement, meant before.
    StatementRef previous;
    // Parse, Close: the client's name of the statement. LocalError: the message.
    std::string name;
};

// A ring that keeps its memory up to kKeptEntries: steady state allocates nothing.
class AnswerQueue {
 public:
    static constexpr std::size_t kKeptEntries = 64;

    bool empty() const { return head_ == tail_; }
    std::size_t size() const { return tail_ - head_; }

    Expectation& push(Expected kind, Asker asker) {
        if (size() == capacity_) grow();
        Expectation& entry = at(tail_++);
        entry.kind = kind;
        entry.asker = asker;
        return entry;
    }
    // REQUIRES: !empty().
    Expectation& front() {
        PGWEIR_ASSERT(!empty());
        return at(head_);
    }
    const Expectation& front() const {
        PGWEIR_ASSERT(!empty());
        return ring_[head_ & (capacity_ - 1)];
    }
    // REQUIRES: !empty().
    void pop() {
        PGWEIR_ASSERT(!empty());
        Expectation& entry = at(head_++);
        forget(entry);
        if (entry.statement) entry.statement = StatementRef();
        if (entry.previous || !entry.name.empty() || entry.is_duplicate || entry.touches_unnamed ||
            entry.touches_name || entry.number != 0) {
            entry = Expectation{};
        }
        if (head_ == tail_ && capacity_ > kKeptEntries) shrink();
    }
    // The i-th from the front. REQUIRES: i < size().
    Expectation& operator[](std::size_t i) {
        PGWEIR_ASSERT(i < size());
        return at(head_ + i);
    }
    const Expectation& operator[](std::size_t i) const {
        PGWEIR_ASSERT(i < size());
        return ring_[(head_ + i) & (capacity_ - 1)];
    }
    void erase(std::size_t i);
    void clear();

    // Marks an entry that was pushed, until it is popped.
    void touch_unnamed(Expectation& entry) {
        entry.touches_unnamed = true;
        ++unnamed_touched_;
    }
    void touch_name(Expectation& entry) {
        entry.touches_name = true;
        ++names_touched_;
    }
    // Entries that are marked: 0 spares a search.
    std::size_t unnamed_touched() const { return unnamed_touched_; }
    std::size_t names_touched() const { return names_touched_; }

 private:
    Expectation& at(std::size_t index) { return ring_[index & (capacity_ - 1)]; }
    void grow();
    void shrink();
    void forget(const Expectation& entry) {
        unnamed_touched_ -= entry.touches_unnamed ? 1 : 0;
        names_touched_ -= entry.touches_name ? 1 : 0;
    }

    std::unique_ptr<Expectation[]> ring_;
    std::size_t capacity_ = 0;  // Of the ring: 0 or a power of two.
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
    std::size_t unnamed_touched_ = 0;
    std::size_t names_touched_ = 0;
};

}  // namespace pgweir::session
