// SPDX-License-Identifier: PostgreSQL
// What a client and a server say, byte by byte, through their two sessions. Each conversation is
// held twice, once with its turns whole and once with them cut where the input says: what comes out
// must be the same, made of whole messages, and with no more ReadyForQuery than were asked for.
//   input = rules:u8 turn…
//   turn  = who:bit0 is_raw:bit1 cuts:bits2-4 :u8 cut:u8[cuts] length:u16be bytes
// Bytes that are not raw are messages without the upper three bytes of their lengths, so that
// chance makes whole messages more often: tag:u8 size:u8 body.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/fields.h"
#include "unit/session/conversation.h"

using namespace pgweir;
using namespace pgweir::session;

namespace {

constexpr std::size_t kTurnsMax = 60;
constexpr std::size_t kHeaderBytes = 5;

struct CutTurn {
    Turn turn;
    std::vector<std::size_t> cuts;
};

testing::Said with_lengths(ByteView compact) {
    testing::Said messages;
    wire::FieldReader reader(compact);
    while (reader.ok() && !reader.rest().empty()) {
        const char tag = static_cast<char>(reader.u8());
        const std::size_t size = reader.u8();
        const ByteView body = reader.take(std::min(size, reader.rest().size()));
        messages = messages + testing::message(tag, as_text(body));
    }
    return messages;
}

std::vector<CutTurn> read_turns(wire::FieldReader& input) {
    std::vector<CutTurn> turns;
    while (input.ok() && !input.rest().empty() && turns.size() < kTurnsMax) {
        const unsigned head = input.u8();
        CutTurn one;
        one.turn.who = (head & 1) != 0 ? Speaker::Server : Speaker::Client;
        for (unsigned cuts = head >> 2 & 7; cuts > 0; --cuts) one.cuts.push_back(input.u8());
        const std::size_t length = input.u16();
        const ByteView bytes = input.take(std::min(length, input.rest().size()));
        if ((head & 2) != 0) {
            one.turn.bytes.assign(bytes.begin(), bytes.end());
        } else {
            one.turn.bytes = with_lengths(bytes);
        }
        turns.push_back(std::move(one));
    }
    return turns;
}

// Constant, so that every statement collides with every other.
std::uint64_t no_hash(ByteView, std::uint64_t) {
    return 1;
}

struct Ending {
    Outcome outcome;
    // The proxy looks at the sessions after each piece: where a lease ended within a turn, cuts do
    // matter.
    bool depends_on_cuts = false;
};

class Talk {
 public:
    Talk(const SessionRules& rules, StatementDirectory::HashFunction hash) : talk_(rules, hash) {}

    // False if nothing more can be said.
    bool say(const CutTurn& turn, bool is_cut) {
        ByteView rest = turn.turn.bytes;
        if (turn.turn.who == Speaker::Client) count_questions(rest);
        for (std::size_t i = 0; is_cut && i < turn.cuts.size(); ++i) {
            const std::size_t n = std::min(turn.cuts[i], rest.size());
            if (!piece(turn.turn.who, rest.first(n))) return false;
            rest = rest.subspan(n);
        }
        is_last_ = true;
        const bool goes_on = piece(turn.turn.who, rest);
        is_last_ = false;
        return goes_on;
    }

    Ending ending() {
        return {{talk_.to_client, talk_.to_server, talk_.violation, talk_.is_leased(),
                 talk_.is_over(), talk_.client.statement_count()},
                depends_on_cuts_};
    }

 private:
    bool piece(Speaker who, ByteView bytes) {
        // Memory of its own size, so that the address sanitizer sees a read behind its end.
        const Bytes copy(bytes.begin(), bytes.end());
        const bool was_leased = talk_.is_leased();
        talk_.says(who, copy);
        if (who == Speaker::Server && !is_last_) {
            depends_on_cuts_ = depends_on_cuts_ || !talk_.client.input().empty() ||
                               (was_leased && !talk_.is_leased()) || talk_.closes_client;
        }
        if (!talk_.violation.empty()) return false;
        // The proxy keeps such a lease until the message has ended.
        const bool is_sending = talk_.client.is_mid_frame() && talk_.client.input().empty();
        if (was_leased && !talk_.is_leased() && is_sending) {
            depends_on_cuts_ = true;
            return false;
        }
        check();
        return !talk_.is_over() && !talk_.closes_client;
    }

    void check() {
        const bool is_whole = heard_.take(talk_.to_client, questions_);
        PGWEIR_ASSERT(is_whole || talk_.server.is_mid_frame());
        const bool is_asked_whole = asked_.take(talk_.to_server, ~std::size_t{0});
        PGWEIR_ASSERT(is_asked_whole || talk_.client.is_mid_frame());
        PGWEIR_ASSERT(talk_.is_leased() || talk_.server.answers().empty());
    }

    void count_questions(ByteView bytes) {
        said_.insert(said_.end(), bytes.begin(), bytes.end());
        while (said_.size() - said_at_ >= kHeaderBytes) {
            const std::size_t length = load_u32(said_.data() + said_at_ + 1);
            // A long message is passed on as it comes, and a server may answer before it ends.
            const Byte tag = said_[said_at_];
            if (!is_counted_) questions_ += tag == 'Q' || tag == 'S' || tag == 'F' ? 1 : 0;
            is_counted_ = length < 4 || said_.size() - said_at_ < 1 + length;
            if (is_counted_) return;
            said_at_ += 1 + length;
        }
    }

    // Walks over the messages that came out.
    struct Walk {
        std::size_t at = 0;
        std::size_t ready = 0;

        // True if there are nothing but whole messages.
        bool take(const Bytes& bytes, std::size_t ready_max) {
            while (bytes.size() - at >= kHeaderBytes) {
                const std::size_t length = load_u32(bytes.data() + at + 1);
                PGWEIR_ASSERT(length >= 4);
                if (bytes.size() - at < 1 + length) return false;
                ready += bytes[at] == 'Z' ? 1 : 0;
                PGWEIR_ASSERT(ready <= ready_max);
                at += 1 + length;
            }
            return at == bytes.size();
        }
    };

    Conversation talk_;
    Bytes said_;
    std::size_t said_at_ = 0;
    std::size_t questions_ = 0;
    bool is_counted_ = false;  // The message at said_at_.
    Walk heard_;
    Walk asked_;
    bool is_last_ = false;
    bool depends_on_cuts_ = false;
};

Ending hold(const std::vector<CutTurn>& turns, unsigned rules_bits, bool is_cut) {
    SessionRules rules;
    rules.carries_statements = (rules_bits & 1) == 0;
    if ((rules_bits & 2) != 0) rules.server_statements_max = 1;
    if ((rules_bits & 4) != 0) rules.client_statements_max = 2;
    if ((rules_bits & 8) != 0) rules.buffered_bytes_max = 64;
    if ((rules_bits & 16) != 0) rules.message_bytes_max = 200;
    Talk talk(rules, (rules_bits & 32) != 0 ? no_hash : statement_hash);
    for (const CutTurn& turn : turns) {
        if (!talk.say(turn, is_cut)) break;
    }
    return talk.ending();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    wire::FieldReader input(ByteView(data, size));
    const unsigned rules = input.u8();
    const std::vector<CutTurn> turns = read_turns(input);
    const Ending whole = hold(turns, rules, false);
    const Ending cut = hold(turns, rules, true);
    PGWEIR_ASSERT(cut.depends_on_cuts || cut.outcome == whole.outcome);
    return 0;
}
