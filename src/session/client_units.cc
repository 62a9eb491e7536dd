// SPDX-License-Identifier: PostgreSQL
// Units of a client whose reads are split: where each may run, which of them pgweir answers itself,
// and how one that a standby refused or lost stands at the front again.
#include <algorithm>
#include <utility>

#include "pgweir/session/client_session.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"
#include "session/client_relay.h"
#include "session/words.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;

// Calls visit(tag, body) for each message of a whole unit.
template <typename Visit>
void for_each_message(ByteView unit, Visit visit) {
    while (!unit.empty()) {
        const std::size_t size = 1 + std::size_t{load_u32(unit.data() + 1)};
        visit(unit[0], unit.subspan(kHeaderBytes, size - kHeaderBytes));
        unit = unit.subspan(size);
    }
}

std::string_view begin_tag(std::string_view text) {
    return next_word(text) == "start" ? "START TRANSACTION" : "BEGIN";
}

}  // namespace

UnitContext ClientSession::unit_context() const {
    return {.rules = rules_->split,
            .statements = statements_.get(),
            .unnamed = unnamed_,
            .parameters = *wanted_};
}

void ClientSession::route_unit(const Unit& unit) {
    const SplitRules& rules = rules_->split;
    unit_ = unit.facts;
    route_ = {.is_read = unit.facts.is_read,
              .hint = unit.hints.is_wrong ? sql::RouteHint::None : unit.hints.route,
              .consistency = rules.consistency,
              .reason = unit.reason,
              .hint_is_wrong = unit.hints.is_wrong};
    if (route_.hint == sql::RouteHint::None) route_.hint = wish_.route;
    if (wish_.has_consistency) route_.consistency = wish_.consistency;
    if (unit.hints.has_consistency && !unit.hints.is_wrong) {
        route_.consistency = unit.hints.consistency;
    }
    if (deferred_ != nullptr) {
        route_.is_read = route_.is_read && deferred_->is_read_only && !deferred_->is_serializable;
    }
    if (is_bound_) {
        route_.is_read = false;
        route_.reason = sql::Reason::SessionState;
    }
    // What can't be taken back must not be refused.
    if (unit.facts.bytes > Replay::kCopyBytesMax) route_.is_read = false;
    if (rules.all_to_standbys) route_.is_read = true;
    is_unit_routed_ = true;
}

sql::OwnSetting ClientSession::own_command(ByteView bytes) const {
    return sql::Classifier::own_setting(judge_unit(bytes, unit_context()).text);
}

std::size_t ClientSession::answer_own(ByteView bytes, LocalAnswer answer, ServerSession* server,
                                      EffectList& effects) {
    const Unit unit = judge_unit(bytes, unit_context());
    answer.status = wire::TransactionStatus::Idle;
    if (server != nullptr) answer.status = server->status();
    if (deferred_ != nullptr) answer.status = wire::TransactionStatus::InTransaction;
    if (answer.status == wire::TransactionStatus::Failed) {
        answer.error = wire::Refusal{.reason = wire::RefusalReason::TransactionAborted};
    }
    if (answer.error && answer.status == wire::TransactionStatus::InTransaction) {
        // An error fails the transaction, whoever says it.
        answer.status = wire::TransactionStatus::Failed;
        if (deferred_ != nullptr) {
            deferred_.reset();
            lost_ = std::make_unique<LostTransaction>(LostTransaction::EndsAt::Rollback);
        } else {
            server->fail_transaction(effects);
        }
    }
    const ByteView message = bytes.first(unit.facts.bytes);
    Bytes out;
    answer_unit(message, answer, out);
    effects.send(id_, effects.keep(out));
    if (!answer.error) remember_statements(message);
    return unit.facts.bytes;
}

// What a unit prepared that was answered without a server.
void ClientSession::remember_statements(ByteView unit) {
    for_each_message(unit, [this](Byte tag, ByteView body) {
        if (tag == 'Q') unnamed_ = StatementRef();
        if (tag != 'P') return;
        const auto message = wire::read_parse(body);
        if (!message) return;
        StatementRef statement =
            statement_directory_->intern(body.subspan(message->statement.size() + 1));
        if (!statement) return;
        if (message->statement.empty()) {
            unnamed_ = std::move(statement);
            return;
        }
        if (statements_ == nullptr) {
            statements_ = std::make_unique<ClientStatements>(*statement_directory_);
        }
        statements_->put(message->statement, statement);
    });
}

void ClientSession::undo(ServerSession& server) {
    const AnswerQueue& answers = server.answers();
    auto restore = [this](const std::string& name, const StatementRef& before) {
        if (before) {
            restore_statement(name, before);
        } else {
            forget_statement(name);
        }
    };
    for (std::size_t i = answers.size(); i-- > 0;) {
        const Expectation& entry = answers[i];
        if (entry.asker != Asker::Client) continue;
        if (entry.touches_unnamed) unnamed_ = entry.previous;
        if (entry.touches_name) restore(entry.name, entry.previous);
    }
    const auto& changes = server.replay().changes();
    for (std::size_t i = changes.size(); i-- > 0;) {
        if (changes[i].name.empty()) {
            unnamed_ = changes[i].before;
        } else {
            restore(changes[i].name, changes[i].before);
        }
    }
}

void ClientSession::take_back(ServerSession& server, Replay::From from) {
    // What was not sent yet of the last one stands in the input already.
    const ByteView copies = server.replay().copies(from);
    input_.prepend(copies.first(copies.size() - (is_unit_open_ ? unit_left_ : 0)));
    server.replay().drop_held();
    server.replay().forget();
    state_ = State::Idle;
    block_ = Block::None;
    is_unit_open_ = is_unit_routed_ = false;
    skips_to_sync_ = false;
}

void ClientSession::learn_write() {
    const UnitContext context = unit_context();
    const Unit unit = judge_unit(input_.view(), context);
    if (unit.text.empty()) return;
    ++rules_->split.judge->epoch;
    const TextRules& rules = wanted_->text_rules();
    rules_->split.judge->classifier.learn_write(
        {.text = unit.text,
         .catalog = rules_->split.catalog.get(),
         .standard_conforming_strings = rules.standard_conforming_strings,
         .is_ascii_transparent = rules.is_ascii_transparent});
}

// --- The relay's side ---------------------------------------------------------------------------

// BEGIN, and what may follow before a node is needed, is answered at once: the node is chosen by
// the first statement that needs one.
std::size_t ClientSession::Relay::answer_transaction_step(ByteView bytes, const Unit& unit) {
    using Transaction = sql::TransactionStep;
    if (!unit.facts.is_whole || !client.rules_->split.defers_begin) return 0;
    LocalAnswer answer{.status = wire::TransactionStatus::InTransaction};
    if (client.deferred_ == nullptr) {
        if (unit.step != Transaction::Begin) return 0;
        client.deferred_ = std::make_unique<DeferredBegin>();
        answer.tag = begin_tag(unit.text);
    } else if (unit.step == Transaction::SetModes) {
        answer.tag = "SET";
    } else if (unit.step == Transaction::Commit || unit.step == Transaction::Rollback) {
        answer.tag = unit.step == Transaction::Commit ? "COMMIT" : "ROLLBACK";
        answer.status = wire::TransactionStatus::Idle;
    } else {
        return 0;
    }
    if (answer.status == wire::TransactionStatus::Idle) {
        client.deferred_.reset();
    } else {
        defer(unit);
    }
    const ByteView message = bytes.first(unit.facts.bytes);
    Bytes out;
    answer_unit(message, answer, out);
    effects.send(client.id_, effects.keep(out));
    client.remember_statements(message);
    return unit.facts.bytes;
}

void ClientSession::Relay::defer(const Unit& unit) {
    DeferredBegin& begin = *client.deferred_;
    if (begin.sql.empty()) {
        begin.is_read_only = client.wanted_->text_rules().default_read_only;
    } else {
        begin.sql += "\n;";  // On a line of its own: a comment may end the one before.
    }
    begin.sql += unit.text;
    if (unit.access != sql::TransactionAccess::Unsaid) {
        begin.is_read_only = unit.access == sql::TransactionAccess::ReadOnly;
    }
    begin.is_serializable = begin.is_serializable || unit.is_serializable;
}

// The unit at the front of `bytes`, before any of it is sent. Go: it is to be sent to `server`;
// else `taken` bytes are done with, or nothing can be done (step.need says why).
ClientSession::Relay::Begun ClientSession::Relay::begin_unit(ByteView bytes) {
    if (client.is_unit_routed_) {
        if (server == nullptr) return {.go = false, .taken = need(Need::Lease)};
        return send_unit(bytes, IsFirst::Yes);
    }
    const Unit unit = judge_unit(bytes, client.unit_context());
    if (unit.own != sql::OwnCommand::None && unit.facts.is_whole) {
        if (server != nullptr && !may_answer_now()) return {.go = false, .taken = stall()};
        return {.go = false, .taken = need(Need::Own)};
    }
    if (server == nullptr) {
        if (const std::size_t taken = answer_transaction_step(bytes, unit)) {
            return {.go = false, .taken = taken};
        }
        client.route_unit(unit);
        return {.go = false, .taken = need(Need::Lease)};
    }
    // Nothing is under way: what the server says of its transaction counts.
    if (client.block_ == Block::PerhapsEnded && server->answers().empty()) {
        client.block_ = server->is_in_transaction() ? Block::Open : Block::None;
    }
    const bool is_for_reads = server->is_standby() || client.is_lease_of_standby_;
    if (is_for_reads && !may_follow(unit)) return {.go = false, .taken = stall()};
    client.unit_ = unit.facts;
    return send_unit(bytes, IsFirst::No);
}

// Whether this unit may go to the standby that serves the ones before it.
bool ClientSession::Relay::may_follow(const Unit& unit) const {
    if (client.block_ == Block::Ended || client.block_ == Block::PerhapsEnded) return false;
    if (client.rules_->split.all_to_standbys) return true;
    if (client.block_ == Block::Open || server->is_in_transaction()) return true;
    const sql::Consistency level = unit.hints.has_consistency ? unit.hints.consistency
                                   : client.wish_.has_consistency
                                       ? client.wish_.consistency
                                       : client.rules_->split.consistency;
    return unit.facts.is_read && !client.is_bound_ && unit.facts.bytes <= Replay::kCopyBytesMax &&
           unit.hints.route != sql::RouteHint::Primary && level != sql::Consistency::Strong &&
           level != sql::Consistency::Primary;
}

ClientSession::Relay::Begun ClientSession::Relay::send_unit(ByteView bytes, IsFirst is_first) {
    const UnitFacts& facts = client.unit_;
    const bool in_block = client.block_ == Block::Open || server->is_in_transaction();
    Replay& replay = server->replay();
    // On a standby nothing can be written: whatever a function does there, it can be done again.
    const bool may_repeat = server->is_standby() || (facts.may_repeat && !client.is_bound_);
    const bool joins_refusals = replay.is_active() && replay.kind() == Replay::Kind::Refusals;
    const auto kind = may_repeat && !joins_refusals ? Replay::Kind::Reads : Replay::Kind::Refusals;
    const bool fits_kind = kind == Replay::Kind::Reads
                               ? facts.only_reads
                               : !facts.has_begin && !facts.has_end && replay.has_room(facts.bytes);
    const bool follows = replay.is_active() && (replay.kind() == kind || !server->is_standby());
    const bool may_be_taken_back = fits_kind && facts.is_whole && !facts.leaves_state &&
                                   !in_block && facts.bytes <= Replay::kCopyBytesMax &&
                                   facts.bytes <= bytes.size() &&
                                   (follows || (is_first == IsFirst::Yes && !replay.is_active()));
    if (may_be_taken_back) {
        if (!replay.has_room(facts.bytes)) return {.go = false, .taken = stall()};
        if (follows && kind == Replay::Kind::Refusals) replay.weaken();
        replay.add(bytes.first(facts.bytes), kind);
    } else {
        server->stop_replay(client.id_, effects);
    }
    is_copied = may_be_taken_back;
    return {.go = true, .taken = 0};
}

// The first message of the unit has gone out.
void ClientSession::Relay::unit_begun() {
    const UnitFacts& facts = client.unit_;
    client.is_unit_routed_ = false;
    client.is_unit_open_ = true;
    client.unit_left_ = facts.bytes;
    const bool in_block = client.block_ == Block::Open || server->is_in_transaction();
    if (facts.has_end && (in_block || facts.has_begin)) {
        client.block_ = facts.ends ? Block::Ended : Block::PerhapsEnded;
    } else if (facts.has_begin) {
        client.block_ = Block::Open;
    }
    client.is_bound_ = client.is_bound_ || facts.leaves_state;
    client.changed_schema_ = client.changed_schema_ || facts.may_change_schema;
}

// A statement of a unit that was not seen whole.
void ClientSession::Relay::note_statement(const sql::Verdict& verdict, std::string_view text) {
    client.is_bound_ = client.is_bound_ || leaves_state(verdict, text, client.unit_context());
    client.changed_schema_ = client.changed_schema_ || verdict.may_change_schema;
}

}  // namespace pgweir::session
