// SPDX-License-Identifier: PostgreSQL
// What one client must hear: it runs a session of its own (PgSession) as the model and compares
// every frame. That is order, ownership, one end for each request, statement identity and session
// state in one comparison. Where a fault may strike it follows the answer that came, as far as an
// honest one can go.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/pg_session.h"
#include "sim/read_check.h"
#include "sim/truth.h"

namespace pgweir::sim {

// Which answers that no direct connection would give are honest in this run.
struct Tolerance {
    std::set<std::string, std::less<>> errors;  // SQLSTATEs of faults.
    bool may_close = false;                     // The connection may end by itself.
};

class AnswerCheck {
 public:
    // `node` stands for what a client may know of the node that it speaks to; null: a primary.
    AnswerCheck(Truth& truth, std::uint32_t client, std::string_view user,
                const Parameters& startup, ReadLevel level, const NodeData* node = nullptr);

    Tolerance& tolerance() { return tolerance_; }
    ReadCheck& reads() { return reads_; }

    void sent(char tag, ByteView body);
    // A frame came; a sentence if it is wrong, else empty.
    std::string received(char tag, ByteView body);
    // The connection ended without Terminate.
    std::string closed();
    // Somebody owes an answer to what was sent so far.
    bool owes() const { return !expected_.empty(); }
    bool is_over() const { return over_; }
    bool in_copy() const { return model_.in_copy(); }
    char status() const { return model_.status(); }
    std::size_t requests_answered() const { return answered_; }
    const std::string& last_error() const { return last_error_; }
    // What must hold at the end of the run: no write that was called failed is there.
    std::string final_verdict() const;
    std::string owed() const;

 private:
    struct Sent {
        char tag;
        Bytes body;
        WalPlace floor;
    };
    struct Frame {
        char tag;
        Bytes body;
        WalPlace floor = 0;    // What the answer must at least have seen, if the level is Strong.
        bool is_read = false;  // Has values of registers.
        std::optional<Token> reader{};
    };
    void advance();
    WalPlace floor_of(char tag);
    void expect(Bytes& answer);
    std::string matched(char tag);
    std::string compare_row(ByteView body);
    std::string compare_error(ByteView body);
    std::string error_instead(ByteView body);
    std::string confirm();
    std::string wrong(char tag, ByteView body) const;
    std::string wrong_instead(char tag, ByteView body, const Frame& owed) const;
    void never(const std::vector<Token>& tokens, std::string_view sqlstate);

    Truth& truth_;
    std::uint32_t client_;
    Tolerance tolerance_;
    PgSession model_;
    PgSession before_;  // The model before the step that gave `expected_`.
    PgSettings::Values told_;
    ReadCheck reads_;
    std::deque<Sent> unanswered_;
    std::deque<Frame> expected_;
    Deeds deeds_;  // Of the steps whose frames are still expected.
    struct Denied {
        Token token;
        std::string sqlstate;
    };
    std::vector<Denied> denied_;
    std::string last_error_;
    Bytes scratch_;
    std::size_t answered_ = 0;
    WalPlace batch_floor_ = 0;    // When the batch that is being sent began.
    WalPlace message_floor_ = 0;  // Of the message that the model works on.
    WalPlace block_floor_ = 0;    // Of the message that opened the model's transaction.
    bool batch_is_open_ = false;
    bool status_may_differ_ = false;
    bool lost_transaction_ = false;
    bool over_ = false;
};

}  // namespace pgweir::sim
