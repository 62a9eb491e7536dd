// SPDX-License-Identifier: PostgreSQL
// One pass over bytes of a client: what goes to its server, under which names, and what the server
// will owe for it.
#pragma once

#include <optional>
#include <string_view>

#include "pgweir/session/client_session.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::session {

struct ClientSession::Relay {
    static constexpr std::size_t kHeaderBytes = 5;
    // A message up to this size is passed on when it is there whole, so that a server is not
    // leased for a client that does not finish its sentence.
    static constexpr std::size_t kWholeBytesMax = 16 * 1024;

    ClientSession& client;
    ServerSession* server;
    EffectList& effects;
    Source source;
    Step& step;
    // Something of this pass lies in scratch already: what follows is copied behind it, so that
    // it goes out in one piece.
    bool gathers;
    // The unit that is begun was copied, so that it can be taken back.
    bool is_copied = false;
    // What is passed on as it is, and not sent yet: neighbouring messages go as one.
    ByteView passing = {};

    void run(ByteView bytes);

 private:
    // Bytes taken; 0: the message can't be handled yet (step.need says why).
    std::size_t message(ByteView bytes);
    std::size_t dispatch(Byte tag, ByteView bytes, std::size_t size);

    // --- client_units.cc
    enum class IsFirst : std::uint8_t { No, Yes };  // Of its lease.
    struct Begun {
        bool go = false;
        std::size_t taken = 0;
    };
    Begun begin_unit(ByteView bytes);
    Begun send_unit(ByteView bytes, IsFirst is_first);
    void unit_begun();
    bool may_follow(const Unit& unit) const;
    std::size_t answer_transaction_step(ByteView bytes, const Unit& unit);
    void defer(const Unit& unit);
    void note_statement(const sql::Verdict& verdict, std::string_view text);

    std::size_t split(Byte tag, ByteView bytes, std::size_t size);
    std::size_t refuse(wire::Refusal refusal);
    std::size_t refuse_type(Byte tag);
    std::size_t refuse_length(Byte tag, std::uint32_t length);
    std::size_t refuse_size(Byte tag, std::size_t size);
    std::size_t refuse_sync();
    std::size_t need(Need what);
    std::size_t say_goodbye();
    std::size_t drop(ByteView bytes, std::size_t size);
    // Passes the message on, as much as is there; the rest follows by itself.
    std::size_t forward(ByteView bytes, std::size_t size);
    void send(ByteView bytes);
    void send_passing();
    // Room for a message of pgweir's own, behind what was passed on.
    Byte* scratch(std::size_t size);
    void send_scratch(ByteView bytes);

    std::size_t query(ByteView bytes, std::size_t size);
    std::size_t deallocate(std::string_view name, const StatementRef& statement, std::size_t size);
    std::size_t sync(ByteView bytes, std::size_t size);
    std::size_t malformed_flush(ByteView bytes, std::size_t size);
    std::size_t copy(Byte tag, ByteView bytes, std::size_t size);
    std::size_t parse(ByteView bytes, std::size_t size);
    std::size_t parse_large(ByteView bytes, std::size_t size);
    std::size_t parse_unnamed(ByteView bytes, std::size_t size, ByteView definition);
    std::size_t parse_named(ByteView bytes, std::size_t size, std::string_view name,
                            ByteView definition);
    std::size_t bind(ByteView bytes, std::size_t size);
    std::size_t describe(ByteView bytes, std::size_t size);
    std::size_t close(ByteView bytes, std::size_t size);
    std::optional<std::string_view> missing_statement(Byte tag, ByteView body,
                                                      std::size_t size) const;
    std::size_t in_lost_transaction(Byte tag, ByteView bytes, std::size_t size);

    StatementRef find(std::string_view name) const;
    bool is_name_certain(std::string_view name) const;
    // No answer of the server's stands before ours, and none is half said.
    bool may_answer_now() const { return server->answers().empty() && !server->is_mid_frame(); }
    std::size_t stall();
    void drop_unnamed(Expectation& entry);
    // The statement is prepared on the server, by a message in front of this one if need be.
    std::uint64_t ensure_prepared(const StatementRef& statement);
    // False if it can't be (an error was answered).
    bool ensure_unnamed();
    void make_room_for_statement();
    void close_leftovers();
    void send_parse(std::string_view name, ByteView definition);
    void send_named(Byte tag, std::string_view name);
    void answer_error(const wire::Refusal& refusal);
    void answer_error(const Bytes& error);
    void fail_transaction();
    Expectation& expect(Expected kind);
};

// The name in `DEALLOCATE [PREPARE] name`, if that is all the text says; empty for anything else
// (also for DEALLOCATE ALL).
std::string deallocated_name(std::string_view text);

}  // namespace pgweir::session
