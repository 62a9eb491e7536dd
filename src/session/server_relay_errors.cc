// SPDX-License-Identifier: PostgreSQL
// Errors of a server: what is skipped behind one, what is taken back with it, and which of them the
// client never hears of, as its unit runs again elsewhere.
#include <optional>
#include <utility>

#include "pgweir/session/client_session.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/refusal.h"
#include "session/server_relay.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;

// What a standby says of something that only a primary can do (25006; 0A000 and 55000: not during
// recovery), or that recovery was in the way of (40001, 40P01). Not 57014: that is the client's own
// cancel request or statement_timeout. The primary's answer is the truth, whatever the reason was.
bool is_refusal_of_standby(std::string_view sqlstate) {
    return sqlstate == "25006" || sqlstate == "0A000" || sqlstate == "55000" ||
           sqlstate == "40001" || sqlstate == "40P01";
}

}  // namespace

ServerSession::Relay::Verdict ServerSession::Relay::error(ByteView body) {
    const auto fields = wire::read_error_fields(body);
    if (!fields) return violation("a malformed ErrorResponse");
    if (fields->is_fatal()) {
        // The connection ends. The client hears of it in pgweir's words, once the outcome of what
        // was under way is known, unless the client itself broke the protocol.
        server.said_fatal_ = true;
        server.fatal_sqlstate_ = fields->sqlstate;
        server.fatal_message_ = fields->message;
        if (fields->sqlstate == "08P01" && client != nullptr) {
            news.closes_client = true;
            return Verdict::Pass;
        }
        return Verdict::Swallow;
    }
    if (server.answers_.empty()) return violation("an error that nobody asked for");
    server.copy_in_ = false;
    const Asker asker = server.answers_.front().asker;
    const bool is_taken_back = server.replay_.holds() && server.is_standby_ && client != nullptr &&
                               (asker == Asker::Client || asker == Asker::Pgweir) &&
                               is_refusal_of_standby(fields->sqlstate);
    const Bytes renamed = asker == Asker::Client
                              ? in_words_of_client(body, fields->message, server.answers_.front())
                              : Bytes();
    const bool is_in_doubt = asker == Asker::Client && is_doubtful(fields->sqlstate);
    switch (server.answers_.front().kind) {
        case Expected::Query:
        case Expected::FunctionCall:
            break;  // ReadyForQuery follows by itself.
        case Expected::Sync:
            // A failed COMMIT of the implicit transaction (a deferred constraint, say).
            break;
        default:
            // A plan that no longer fits its result is prepared anew at its next use.
            if (fields->sqlstate == "0A000" && server.answers_.front().kind != Expected::Parse) {
                forget_plan(server.answers_.front().statement);
            }
            skip_to_sync();
    }
    if (asker == Asker::Settings) {
        news.settings_failed = true;
        server.settings_error_ = to_string(body);
        server.fatal_message_ =
            "settings could not be set or reset: " + std::string(fields->message);
    }
    if (is_taken_back) {
        take_back_unit(fields->sqlstate);
        return Verdict::Swallow;
    }
    if (is_in_doubt) {
        server.doubt_ = to_string(body);
        return Verdict::Swallow;
    }
    if (!renamed.empty()) {
        send(effects.keep(renamed));
        return Verdict::Swallow;
    }
    return asker == Asker::Client || asker == Asker::Pgweir ? Verdict::Pass : Verdict::Swallow;
}

Bytes ServerSession::Relay::in_words_of_client(ByteView body, std::string_view words,
                                               const Expectation& entry) const {
    static constexpr std::string_view kDigits = "0123456789";
    if (client == nullptr || !entry.statement) return {};
    const std::size_t begin = words.find(kServerStatementPrefix);
    if (begin == std::string_view::npos || begin == 0 || words[begin - 1] != '"') return {};
    const std::size_t end = words.find_first_not_of(kDigits, begin + kServerStatementPrefix.size());
    if (end == std::string_view::npos || words[end] != '"') return {};
    std::optional<std::string_view> name = entry.name;
    if (name->empty()) name = client->name_of(entry.statement);
    if (!name) return {};
    const std::string_view text = as_text(body);
    const auto at = static_cast<std::size_t>(words.data() - text.data());
    Bytes message;
    message.push_back('E');
    message.resize(kHeaderBytes);
    const auto append = [&message](std::string_view part) {
        message.insert(message.end(), part.begin(), part.end());
    };
    append(text.substr(0, at + begin));
    append(*name);
    append(text.substr(at + end));
    store_u32(message.data() + 1, static_cast<std::uint32_t>(message.size() - 1));
    return message;
}

bool ServerSession::Relay::is_doubtful(std::string_view sqlstate) const {
    return sqlstate == "25006" && !server.is_standby_ && client != nullptr && client->is_split() &&
           server.owes_ready();
}

ServerSession::Relay::Verdict ServerSession::Relay::settle_doubt(wire::TransactionStatus status) {
    const std::string error = std::exchange(server.doubt_, {});
    if (server.is_standby_ && server.replay_.holds()) {
        take_back_unit("25006");
        return Verdict::Swallow;
    }
    Bytes out;
    // What has committed before, in the same message, is not to be run again.
    const bool had_no_effect = status != wire::TransactionStatus::Idle || !server.may_commit();
    if (server.is_standby_ && had_no_effect) {
        // The session or the transaction was not read-only by its own will: the node is.
        wire::append(out, {.reason = status == wire::TransactionStatus::Idle
                                         ? wire::RefusalReason::WriteRefused
                                         : wire::RefusalReason::TransactionRefused});
    } else {
        out.resize(kHeaderBytes);
        out[0] = 'E';
        store_u32(out.data() + 1, static_cast<std::uint32_t>(kHeaderBytes - 1 + error.size()));
        out.insert(out.end(), error.begin(), error.end());
    }
    if (client != nullptr) send(effects.keep(out));
    return Verdict::Pass;
}

void ServerSession::Relay::end_refusals() {
    if (server.replay_.holds() && server.replay_.kind() == Replay::Kind::Refusals) pass_on();
}

void ServerSession::Relay::forget_plan(const StatementRef& statement) {
    if (!statement) return;
    if (const auto number = server.statements_.remove(statement)) {
        server.unclosed_.push_back(*number);
    }
}

// Everything up to Sync is skipped by the server. What the messages would have changed is taken
// back, the last first. REQUIRES: the front entry failed.
void ServerSession::Relay::skip_to_sync() {
    AnswerQueue& answers = server.answers_;
    std::size_t skipped = 0;
    while (skipped < answers.size() && answers[skipped].kind != Expected::Sync) ++skipped;
    std::optional<StatementRef> unnamed;
    for (std::size_t i = skipped; i-- > 0;) {
        Expectation& entry = answers[i];
        if (entry.touches_unnamed) {
            // Parse of the unnamed statement drops the old one even if it fails.
            const bool dropped =
                i == 0 && entry.kind == Expected::Parse && entry.asker == Asker::Client;
            unnamed = dropped ? StatementRef() : entry.previous;
        }
        take_back(entry);
    }
    const bool is_open = skipped == answers.size();
    for (std::size_t i = 0; i < skipped; ++i) answers.pop();
    if (unnamed) take_back_unnamed(std::move(*unnamed));
    if (is_open && client != nullptr) client->skip_to_sync();
}

void ServerSession::Relay::take_back_unnamed(StatementRef before) {
    // A message of a later unit has changed it since: that one found what was before.
    for (std::size_t i = 0; i < server.answers_.size(); ++i) {
        Expectation& later = server.answers_[i];
        if (!later.touches_unnamed) continue;
        later.previous = std::move(before);
        return;
    }
    // What the server has now is anybody's guess: it is prepared anew before it is used.
    server.set_unnamed(StatementDirectory::opaque());
    if (client != nullptr) client->set_unnamed(std::move(before));
}

void ServerSession::Relay::take_back(const Expectation& entry) {
    if (entry.kind == Expected::Parse && !entry.is_duplicate && !entry.touches_unnamed) {
        server.statements_.retract(entry.statement, entry.number);
    }
    if (entry.kind == Expected::Close && entry.number != 0) {
        server.unclosed_.push_back(entry.number);
    }
    if (!entry.touches_name || client == nullptr || entry.asker != Asker::Client) return;
    if (entry.previous) {
        client->restore_statement(entry.name, entry.previous);
    } else {
        client->forget_statement(entry.name);
    }
}

// REQUIRES: the front unit's answer is held.
void ServerSession::Relay::take_back_unit(std::string_view sqlstate) {
    news.refused_unit = true;
    news.refusal_sqlstate = sqlstate;
    pending = {};
    server.replay_.drop_held();
    server.replay_.pass_on();
    client->undo(server);
    server.disown_answers();
    // Nothing more of this server is for it.
    client = nullptr;
}

}  // namespace pgweir::session
