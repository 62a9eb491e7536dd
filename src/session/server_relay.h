// SPDX-License-Identifier: PostgreSQL
// One pass over bytes of a server: what goes to the client, what is swallowed, what they change.
#pragma once

#include "pgweir/session/server_session.h"
#include "pgweir/wire/error_response.h"

namespace pgweir::session {

struct ServerSession::Relay {
    ServerSession& server;
    ClientSession* client;
    EffectList& effects;
    ServerNews& news;
    // The end of the held answer that came with this event: it needs no copy if it is passed on
    // within it.
    ByteView pending = {};
    // The message at hand is the ReadyForQuery of a unit that has a copy.
    bool ends_unit = false;

    void run(ByteView bytes);

 private:
    enum class Verdict : std::uint8_t { Pass, Swallow, Violation };

    void relay(ByteView bytes);
    bool broken() const { return !news.violation.empty(); }
    // What follows was run with settings that are not its client's: nobody hears of it.
    bool is_worthless() const { return news.settings_failed && server.answers_.size() > 1; }
    Verdict violation(std::string_view what);
    Verdict bad_length(std::uint32_t length);
    Verdict too_long(Byte tag, std::size_t size);
    Verdict unknown_type(Byte tag);
    Verdict unasked(Byte tag);

    // Fills `held_` from `bytes`; true once it holds a whole message (or header, where that is
    // enough) that was then handled.
    bool complete_held(ByteView& bytes);
    // The message at the front of `bytes`, as much as is there; returns how much was taken.
    std::size_t message(ByteView bytes);
    std::size_t rows(ByteView bytes) const;
    void send(ByteView bytes);
    void hold(ByteView bytes);
    // The held answer goes to the client: from now on it knows.
    void pass_on();
    void take_back_unit(std::string_view sqlstate);
    // Once there is more than the beginning of the front unit's answer, a write may have happened.
    void end_refusals();
    // Whether an error says that the node may not be the primary any more: what it comes to is
    // known with its ReadyForQuery, before which the server reports its role.
    bool is_doubtful(std::string_view sqlstate) const;
    // Verdict::Pass: that was not it, or the transaction has failed for it; the client was told.
    Verdict settle_doubt(wire::TransactionStatus status);

    // A message of which the header is enough.
    Verdict judge(Byte tag, std::uint32_t length);
    // A message that is there whole.
    Verdict whole(Byte tag, ByteView body);
    Verdict for_asker() const;

    Verdict answer(Expected wanted);
    void note_change(Expectation& entry);
    Verdict described();
    Verdict row();
    Verdict portal_end(bool only_execute);
    Verdict copy_started(Byte tag);
    Verdict copy_data();
    Verdict command_complete(ByteView body);
    Verdict parameter_status(ByteView body);
    Verdict error(ByteView body);
    // The error with the client's name of the statement that `entry` means; empty if its words have
    // no other name of it.
    Bytes in_words_of_client(ByteView body, std::string_view words, const Expectation& entry) const;
    Verdict ready_for_query(ByteView body);
    void end_answer();
    void command_effects(std::string_view command_tag, Expectation& entry);
    void forget_plan(const StatementRef& statement);
    void skip_to_sync();
    void take_back(const Expectation& entry);
    void take_back_unnamed(StatementRef before);
    // Entries that no question was sent for stand last among the kinds.
    bool is_local_next() const {
        return !server.answers_.empty() && server.answers_.front().kind >= Expected::CopyEnd;
    }
    void answer_locally();
};

}  // namespace pgweir::session
