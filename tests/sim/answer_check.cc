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

// The next field of a row; null is empty.
std::string_view next_field(FieldCursor& row) {
    const std::uint32_t length = row.u32();
    return length == 0xffffffffU ? std::string_view{} : row.raw(length);
}

bool has_unknown(ByteView body) {
    FieldCursor row{body};
    for (std::uint16_t left = row.u16(); left > 0; --left) {
        if (register_meant_by(next_field(row)) != kNoRegister) return true;
    }
    return false;
}

}  // namespace

AnswerCheck::AnswerCheck(Truth& truth, std::uint32_t client, std::string_view user,
                         const Parameters& startup, ReadLevel level, const NodeData* node)
    : truth_(truth),
      client_(client),
      model_(user, startup, node),
      before_(model_),
      reads_(truth, client, level) {
    // The answer to the login ends with the first ReadyForQuery.
    expected_.push_back({.tag = 'Z', .body = {Byte{'I'}}});
}

void AnswerCheck::sent(char tag, ByteView body) {
    unanswered_.push_back({tag, Bytes(body.begin(), body.end()), floor_of(tag)});
    advance();
}

// A batch has to see what was true when its first message left: its node is chosen then.
WalPlace AnswerCheck::floor_of(char tag) {
    if (!batch_is_open_) batch_floor_ = reads_.floor_now();
    batch_is_open_ = tag != 'S' && (batch_is_open_ || tag != 'Q');
    return batch_floor_;
}

// The model goes on until somebody owes an answer.
void AnswerCheck::advance() {
    while (expected_.empty() && (model_.busy() || !unanswered_.empty())) {
        if (!model_.busy()) {
            const Sent& next = unanswered_.front();
            model_.take(next.tag, next.body);
            message_floor_ = next.floor;
            unanswered_.pop_front();
        }
        if (!model_.in_block()) block_floor_ = message_floor_;
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
            Frame frame{.tag = tag, .body = {from, from + static_cast<std::ptrdiff_t>(length) - 4}};
            frame.is_read = tag == 'D' && has_unknown(frame.body);
            frame.floor = block_floor_;
            // Most reads name themselves in their own row.
            if (frame.is_read) frame.reader = find_token(frame.body);
            expected_.push_back(std::move(frame));
        }
        at += 1 + length;
    }
}

std::string AnswerCheck::wrong(char tag, ByteView body) const {
    std::string text = "client " + std::to_string(client_) + " was told " + printable(tag, body);
    if (expected_.empty()) return "I15: " + text + ", and no answer was owed";
    return wrong_instead(tag, body, expected_.front());
}

std::string AnswerCheck::wrong_instead(char tag, ByteView body, const Frame& owed) const {
    return "I15: client " + std::to_string(client_) + " was told " + printable(tag, body) +
           " instead of " + printable(owed.tag, owed.body);
}

std::string AnswerCheck::received(char tag, ByteView body) {
    const bool is_read = tag == 'D' && !expected_.empty() && expected_.front().is_read;
    if (const auto token = find_token(body); token && token->client != client_ && !is_read) {
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
    if (is_read) return compare_row(body);
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

// Of a register nobody knows the value but its nodes: any that its client may see is right.
std::string AnswerCheck::compare_row(ByteView body) {
    const Frame front = std::move(expected_.front());
    FieldCursor wanted{front.body};
    FieldCursor row{body};
    const std::uint16_t fields = wanted.u16();
    if (row.u16() != fields) return wrong_instead('D', body, front);
    for (std::uint16_t i = 0; i < fields; ++i) {
        const std::string_view value = next_field(row);
        const std::string_view model = next_field(wanted);
        const std::uint32_t id = register_meant_by(model);
        if (id == kNoRegister && value != model) return wrong_instead('D', body, front);
        if (id == kNoRegister) continue;
        std::string problem = reads_.saw(id, value, front.floor, front.reader);
        if (!problem.empty()) return problem;
    }
    if (!row.ok || !row.rest.empty()) return wrong_instead('D', body, front);
    return matched('D');
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
    for (const Write& write : deeds.committed) {
        if (write.token.client == 0) continue;
        if (!truth_.was_committed(write.token)) {
            return "I16: " + token_text(write.token) + " was called committed, and no node has it";
        }
        reads_.wrote(write);
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
    std::vector<Token> lost;
    for (const Write& write : model_.written()) lost.push_back(write.token);
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
    // A unit that is cancelled in line fails a transaction that no server knows of yet, as one that
    // is lost: savepoints of it are nowhere.
    lost_transaction_ = lost_transaction_ || status_may_differ_ || sqlstate == "57014";
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
