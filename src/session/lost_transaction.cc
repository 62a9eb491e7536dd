// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/lost_transaction.h"

#include <string>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"
#include "pgweir/wire/refusal.h"
#include "session/words.h"

namespace pgweir::session {

TransactionEnd transaction_end(std::string_view text) {
    const std::string verb = next_word(text);
    if (verb == "commit" || verb == "end") {
        return next_word(text) != "prepared" ? TransactionEnd::Commit : TransactionEnd::None;
    }
    if (verb != "rollback" && verb != "abort") return TransactionEnd::None;
    std::string next = next_word(text);
    if (next == "work" || next == "transaction") next = next_word(text);
    return next != "to" && next != "prepared" ? TransactionEnd::Rollback : TransactionEnd::None;
}

bool is_lone_rollback(std::string_view text) {
    const std::string verb = next_word(text);
    if (verb != "rollback" && verb != "abort") return false;
    std::string next = next_word(text);
    if (next == "work" || next == "transaction") next = next_word(text);
    if (next == "and" && next_word(text) == "no" && next_word(text) == "chain") {
        next = next_word(text);
    }
    return next.empty() && text.empty();
}

// Parse, Bind, Describe, Execute, Sync, of which the first may be answered already.
bool is_lone_rollback(const AnswerQueue& answers) {
    if (answers.empty() || answers[answers.size() - 1].kind != Expected::Sync) return false;
    int executed = 0;
    bool rolls_back = false;
    for (std::size_t i = 0; i + 1 < answers.size(); ++i) {
        switch (answers[i].kind) {
            case Expected::Parse:
            case Expected::DescribePortal:
                break;
            case Expected::Bind:
                if (rolls_back || executed > 0 || !answers[i].statement) return false;
                rolls_back = is_lone_rollback(answers[i].statement->text());
                break;
            case Expected::Execute:
                if (!rolls_back) return false;
                ++executed;
                break;
            default:
                return false;
        }
    }
    return executed == 1;
}

void LostTransaction::end(TransactionEnd how, Bytes& out) {
    ended_ = true;
    // A client that has not heard of the loss takes any CommandComplete of its COMMIT for success.
    if (how == TransactionEnd::Commit && !announcement_.empty()) return fail(out);
    // PostgreSQL answers ROLLBACK to a COMMIT of a failed transaction, too.
    wire::command_complete(out, "ROLLBACK");
}

void LostTransaction::fail(Bytes& out) {
    if (!announcement_.empty()) {
        out.insert(out.end(), announcement_.begin(), announcement_.end());
        announcement_.clear();
        return;
    }
    wire::append(out, wire::Refusal{.reason = wire::RefusalReason::TransactionAborted});
}

void LostTransaction::ready(Bytes& out) {
    wire::ready_for_query(out,
                          ended_ ? wire::TransactionStatus::Idle : wire::TransactionStatus::Failed);
    is_over_ = ended_;
}

void LostTransaction::answer_unknown(std::string_view statement, Bytes& out) {
    if (skips_to_sync_) return;
    if (announcement_.empty()) {
        wire::append(out, wire::Refusal{.reason = wire::RefusalReason::StatementUnknown,
                                        .subject = std::string(statement)});
    } else {
        fail(out);
    }
    skips_to_sync_ = true;
}

void LostTransaction::answer(Byte tag, ByteView body, Bytes& out) {
    if (skips_to_sync_ && tag != 'S') return;
    if (ends_at_ == EndsAt::Sync && tag != 'S') {
        if (tag == 'H' || tag == 'd' || tag == 'c' || tag == 'f') return;
        fail(out);
        skips_to_sync_ = true;
        return;
    }
    switch (tag) {
        case 'Q': {
            const auto text = wire::read_query(body);
            const TransactionEnd how = text ? transaction_end(*text) : TransactionEnd::None;
            if (how != TransactionEnd::None) {
                end(how, out);
            } else {
                fail(out);
            }
            ready(out);
            return;
        }
        case 'P': {
            const auto message = wire::read_parse(body);
            parsed_ = message ? transaction_end(message->text) : TransactionEnd::None;
            if (parsed_ != TransactionEnd::None) return wire::parse_complete(out);
            break;
        }
        case 'B':
            if (parsed_ != TransactionEnd::None) return wire::bind_complete(out);
            break;
        case 'D':
            if (parsed_ != TransactionEnd::None) return wire::no_data(out);
            break;
        case 'E':
            if (parsed_ == TransactionEnd::None) break;
            skips_to_sync_ = parsed_ == TransactionEnd::Commit && !announcement_.empty();
            return end(parsed_, out);
        case 'C':
            return wire::close_complete(out);
        case 'S':
            if (ends_at_ == EndsAt::Sync && !skips_to_sync_) fail(out);
            ended_ = ended_ || ends_at_ == EndsAt::Sync;
            skips_to_sync_ = false;
            return ready(out);
        case 'F':
            fail(out);
            return ready(out);
        default:
            return;  // Flush and stray COPY messages have no answer.
    }
    fail(out);
    skips_to_sync_ = true;
}

}  // namespace pgweir::session
