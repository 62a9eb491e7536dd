// SPDX-License-Identifier: PostgreSQL
// The PostgreSQL of fuzz_session: answers what it is asked as the protocol says, one request at a
// time, and repeats in its answers whose the request was. It knows a dozen statements by their
// first word and no SQL; sim_postgres is the one that knows more.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/bytes.h"

namespace pgweir::fuzz {

// Who said something: "/*c3*/" is the third client, "/*s1*/" the first server, which then said it
// unasked. Tokens travel in statements, parameters, rows and errors.
struct Token {
    char kind = 'c';
    unsigned number = 0;
    bool operator==(const Token&) const = default;
};
std::string text(Token token);
std::vector<Token> tokens_in(ByteView bytes);

struct Frame {
    char tag = 0;  // 0: the first packet of a connection.
    Bytes body;
};
// Takes whole messages off the front of `bytes`. A length that can't be right ends in an assertion:
// pgweir wrote it.
std::vector<Frame> take_frames(Bytes& bytes);

class HonestServer {
 public:
    explicit HonestServer(unsigned number) : number_(number) {}

    // Whole messages that this completes, which are also kept as requests.
    std::vector<Frame> hear(ByteView bytes);
    // The answer to the oldest request; empty if it has none.
    Bytes answer();
    bool has_requests() const { return !requests_.empty(); }
    // Everything is answered and nothing is open: another client may be served.
    bool is_idle() const {
        return owes_nothing() && unread_.empty() && status_ == 'I' && copy_ == Copy::None &&
               !is_skipping_ && !is_unsynced_;
    }
    // It will say no more and closes the connection.
    bool ends() const { return ends_ || said_goodbye_ || is_cancel_request_; }
    bool is_cancel_request() const { return is_cancel_request_; }
    // From now on answers name nobody: who has lied once can't be held to what it repeats.
    void forget_askers() { names_askers_ = false; }

 private:
    // Flush, and COPY data when there is no COPY, are ignored.
    bool owes_nothing() const;
    enum class Copy { None, Simple, Extended };
    struct Portal {
        std::string statement;
        std::string askers;
    };

    void start(ByteView packet, Bytes& out);
    void settings(std::string_view sql, Bytes& out);
    void simple_query(ByteView body, Bytes& out);
    void function_call(ByteView body, Bytes& out);
    void extended(const Frame& request, Bytes& out);
    void parse(ByteView body, Bytes& out);
    void bind(ByteView body, Bytes& out);
    void describe(ByteView body, Bytes& out);
    void close(ByteView body, Bytes& out);
    void in_copy(const Frame& request, Bytes& out);
    // False if it failed.
    bool run(std::string_view sql, const std::string& askers, Copy copy, Bytes& out);
    void report(std::string_view name, std::string_view value, Bytes& out);
    void fail(std::string_view sqlstate, const std::string& askers, Bytes& out);
    void ready(Bytes& out);
    std::string askers_of(ByteView bytes) const;

    unsigned number_;
    bool names_askers_ = true;
    bool is_started_ = false;
    bool is_cancel_request_ = false;
    bool said_goodbye_ = false;
    bool ends_ = false;
    Bytes unread_;
    std::deque<Frame> requests_;
    char status_ = 'I';
    Copy copy_ = Copy::None;
    bool is_skipping_ = false;
    bool is_unsynced_ = false;
    std::map<std::string, std::string> statements_;
    std::map<std::string, Portal> portals_;
};

}  // namespace pgweir::fuzz
