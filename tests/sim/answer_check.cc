// SPDX-License-Identifier: PostgreSQL
// The comparison of a client's answers with its model.
#include "sim/answer_check.h"

#include <algorithm>

namespace pgweir::sim {
namespace {

bool is_ambiguous(std::string_view sqlstate) {
    return sqlstate == "08007";
}

std::string printable(char tag, ByteView body) {
    std::string text(1, tag);
    text += " \"";
    for (const Byte byte : body.first(std::min<std::size_t>(body.size(), 60))) {
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
    }
    return text + "\"";
}

}  // namespace

AnswerCheck::AnswerCheck(Truth& truth, std::uint32_t client, std::string_view user,
                         const Parameters& startup)
    : truth_(truth), client_(client), model_(user, startup), before_(model_) {
    // The answer to the login ends with the first ReadyForQuery.
    expected_.push_back({'Z', {Byte{'I'}}});
}

void AnswerCheck::sent(char tag, ByteView body) {
    unanswered_.emplace_back(tag, Bytes(body.begin(), body.end()));
    advance();
}

// The model goes on until somebody owes an answer.
void AnswerCheck::advance() {
    while (expected_.empty() && (model_.busy() || !unanswered_.empty())) {
        if (!model_.busy()) {
            const auto& [tag, body] = unanswered_.front();
            model_.take(tag, body);
            unanswered_.pop_front();
        }
        before_ = model_;
        scratch_.clear();
        PgSession::Progress progress = model_.step(scratch_);
        if (progress == PgSession::Progress::Asleep) {
            model_.wake();
            progress = model_.step(scratch_);
        }
        Deeds deeds = model_.take_deeds();
        deeds_.executed.insert(deeds_.executed.end(), deeds.executed.begin(), deeds.executed.end());
        deeds_.committed.insert(deeds_.committed.end(), deeds.committed.begin(),
                                deeds.committed.end());
        never(deeds.dropped, "rolled back");
        expect(scratch_);
        if (progress == PgSession::Progress::Closed) unanswered_.clear();
    }
}

void AnswerCheck::expect(Bytes& answer) {
    std::size_t at = 0;
    while (at < answer.size()) {
        const std::size_t length = load_u32(answer.data() + at + 1);
        const auto tag = static_cast<char>(answer[at]);
        const auto from = answer.begin() + static_cast<std::ptrdiff_t>(at) + 5;
        // Notices and parameter reports may come at any time: they are not waited for.
        if (tag != 'N' && tag != 'S') {
            expected_.push_back({tag, Bytes(from, from + static_cast<std::ptrdiff_t>(length) - 4)});
        }
        at += 1 + length;
    }
}

std::string AnswerCheck::wrong(char tag, ByteView body) const {
    std::string text = "client " + std::to_string(client_) + " was told " + printable(tag, body);
    if (expected_.empty()) return "I15: " + text + ", and no answer was owed";
    return "I15: " + text + " instead of " +
           printable(expected_.front().tag, expected_.front().body);
}

std::string AnswerCheck::received(char tag, ByteView body) {
    if (const auto token = find_token(body); token && token->client != client_) {
        return "I1: client " + std::to_string(client_) + " was told " + printable(tag, body);
    }
    if (over_) return wrong(tag, body) + " after the end";
    if (tag == 'N') return {};
    if (tag == 'S') {
        FieldCursor cursor{body};
        const std::string_view name = cursor.text();
        if (const auto index = PgSettings::find(name)) told_[*index] = std::string(cursor.text());
        return {};
    }
    if (expected_.empty()) {
        if (tag == 'E' && error_field(body, 'S') == "FATAL") return error_instead(body);
        if (tag == 'E' && model_.in_copy() && !model_.busy()) {
            // COPY FROM STDIN may fail at any time.
            model_.take('d', {});
            before_ = model_;
            return error_instead(body);
        }
        return wrong(tag, body);
    }
    const Frame& front = expected_.front();
    if (tag == 'E') return compare_error(body);
    if (tag == 'Z' && front.tag == 'Z' && status_may_differ_ && body.size() == 1) {
        status_may_differ_ = false;
        if (body[0] != front.body[0]) model_.lose_transaction(static_cast<char>(body[0]));
        return matched(tag);
    }
    if (front.tag != tag ||
        !std::equal(body.begin(), body.end(), front.body.begin(), front.body.end())) {
        return wrong(tag, body);
    }
    return matched(tag);
}

std::string AnswerCheck::matched(char tag) {
    expected_.pop_front();
    if (tag == 'Z') {
        ++answered_;
        const std::string_view name = model_.settings().told_wrong(told_);
        // What a lost server had set, and never answered, is told to be gone.
        if (!name.empty() && !lost_transaction_) {
            const auto index = PgSettings::find(name);
            return "I5: client " + std::to_string(client_) + " believes that " + std::string(name) +
                   " is '" + told_[*index] + "', and it set '" +
                   model_.settings().show(name).value_or("") + "'";
        }
    }
    if (!expected_.empty()) return {};
    std::string problem = confirm();
    advance();
    return problem;
}

// Every frame of a step has come: what it told must be true.
std::string AnswerCheck::confirm() {
    const Deeds deeds = std::exchange(deeds_, {});
    for (const Token& token : deeds.executed) {
        if (!truth_.was_executed(token)) {
            return "I16: " + token_text(token) + " was called done, and no node ran it";
        }
    }
    for (const Token& token : deeds.committed) {
        if (!truth_.was_committed(token)) {
            return "I16: " + token_text(token) + " was called committed, and no node has it";
        }
    }
    return {};
}

std::string AnswerCheck::compare_error(ByteView body) {
    const Frame& front = expected_.front();
    last_error_ = std::string(error_field(body, 'C'));
    // A transaction that was lost with its server refuses everything alike.
    if (lost_transaction_ && model_.status() == 'E' && last_error_ == "25P02" && front.tag == 'E' &&
        error_field(body, 'S') == "ERROR") {
        return matched('E');
    }
    if (front.tag != 'E' || error_field(front.body, 'C') != last_error_ ||
        error_field(front.body, 'S') != error_field(body, 'S')) {
        return error_instead(body);
    }
    if (find_token(front.body) != find_token(body)) return wrong('E', body);
    if (error_field(body, 'S') == "FATAL") over_ = true;
    return matched('E');
}

std::string AnswerCheck::error_instead(ByteView body) {
    const std::string sqlstate(error_field(body, 'C'));
    last_error_ = sqlstate;
    const std::string_view severity = error_field(body, 'S');
    // Whether the messages that a lost server never answered have run, nobody knows: the statements
    // that they would have prepared may be there or not.
    const bool is_lost_statement = lost_transaction_ && sqlstate == "26000";
    if (!tolerance_.errors.contains(sqlstate) && !is_lost_statement) return wrong('E', body);
    if (severity == "FATAL" || severity == "PANIC") {
        over_ = true;
        return tolerance_.may_close ? std::string{} : wrong('E', body);
    }
    if (answered_ == 0) return wrong('E', body);
    model_ = before_;
    if (!model_.busy()) return wrong('E', body);
    expected_.clear();
    deeds_ = {};
    std::vector<Token> lost = model_.written();
    if (const auto token = find_token(model_.body()); token && !model_.skipping()) {
        lost.push_back(*token);
    }
    scratch_.clear();
    model_.fail(scratch_, sqlstate, "");
    model_.take_deeds();
    // Only an error that leaves the outcome open may hide a commit.
    if (!is_ambiguous(sqlstate)) never(lost, sqlstate);
    expect(scratch_);
    expected_.pop_front();  // The error itself has come.
    status_may_differ_ = sqlstate.starts_with("08") || sqlstate.starts_with("57P") ||
                         sqlstate == "40001" || sqlstate == "53300" || sqlstate == "25P03";
    lost_transaction_ = lost_transaction_ || status_may_differ_;
    if (status_may_differ_ && model_.status() == 'E') {
        model_.lose_transaction('E');  // Its savepoints are gone, too.
        model_.take_deeds();
    }
    if (expected_.empty()) advance();
    return {};
}

void AnswerCheck::never(const std::vector<Token>& tokens, std::string_view sqlstate) {
    for (const Token& token : tokens) denied_.push_back({token, std::string(sqlstate)});
}

std::string AnswerCheck::closed() {
    if (over_) return {};
    over_ = true;
    if (tolerance_.may_close) return {};
    return "I15: the connection of client " + std::to_string(client_) +
           " ended without a word; owed: " + owed();
}

std::string AnswerCheck::owed() const {
    if (expected_.empty()) return "nothing";
    return printable(expected_.front().tag, expected_.front().body) + " and " +
           std::to_string(unanswered_.size()) + " messages";
}

std::string AnswerCheck::final_verdict() const {
    for (const Denied& denied : denied_) {
        if (truth_.was_committed(denied.token)) {
            return "I18: the write " + token_text(denied.token) + " was called failed (" +
                   denied.sqlstate + "), and a node has committed it";
        }
    }
    return {};
}

}  // namespace pgweir::sim
