// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/client_session.h"

#include <utility>

#include "pgweir/wire/backend_messages.h"
#include "session/client_relay.h"

namespace pgweir::session {

ClientSession::ClientSession(ClientId id, const SessionRules& rules, StatementDirectory& statements,
                             ParameterDirectory& parameters, ParametersRef wanted)
    : id_(id),
      rules_(&rules),
      statement_directory_(&statements),
      parameter_directory_(&parameters),
      login_(wanted),
      wanted_(std::move(wanted)) {}

Step ClientSession::consume(ByteView bytes, Source source, ServerSession* server,
                            EffectList& effects) {
    Step step;
    Relay relay{*this, server, effects, source, step, false};
    relay.run(bytes);
    return step;
}

void ClientSession::begin_lease(ServerSession& server, EffectList& effects) {
    state_ = State::Leased;
    committed_ = wanted_;
    block_ = Block::None;
    is_resetting_ = lacks_settings_ = false;
    is_lease_of_standby_ = server.is_standby() && route_.is_read;
    if (server.parameters() != wanted_) bring_parameters(server, effects);
    if (deferred_ == nullptr) return;
    server.send_query(deferred_->sql, Asker::Settings, effects);
    server.note_begin();
    block_ = Block::Open;
    deferred_.reset();
}

void ClientSession::bring_parameters(ServerSession& server, EffectList& effects) {
    const ParameterSet& actual = *server.parameters();
    // What the server is, the client is told, as a server would by itself.
    ParameterSet wanted = *wanted_;
    Bytes reports;
    for (const Parameter& parameter : actual.all()) {
        if (!parameter.is_reported || !is_fixed_parameter(parameter.name)) continue;
        // The node that serves a unit is not the client's concern if reads are split.
        if (is_split()) break;
        const Parameter* told = wanted.find(parameter.name);
        if (told != nullptr && told->value == parameter.value) continue;
        wire::parameter_status(reports, parameter.name, parameter.value);
        wanted.put(parameter.name, parameter.value, true);
    }
    if (!reports.empty()) {
        effects.send(id_, effects.keep(reports));
        committed_ = wanted_ = parameter_directory_->intern(std::move(wanted));
    }
    const std::string difference = settings_difference(actual, *wanted_);
    if (!difference.empty()) server.send_query(difference, Asker::Settings, effects);
    server.set_parameters(wanted_);
}

void ClientSession::end_lease() {
    state_ = State::Idle;
    block_ = Block::None;
    is_unit_open_ = false;
}

void ClientSession::parameter_reported(std::string_view name, std::string_view value) {
    const Parameter* known = wanted_->find(name);
    if (known != nullptr && known->value == value) return;
    ParameterSet changed = *wanted_;
    changed.put(name, value, true);
    wanted_ = parameter_directory_->intern(std::move(changed));
}

const Parameter* ClientSession::restored(std::string_view name, std::string_view value,
                                         const ParameterSet& fresh) const {
    if (!is_resetting_) return nullptr;
    const Parameter* asked = login_->find(name);
    const Parameter* own = fresh.find(name);
    const bool is_back = asked != nullptr && own != nullptr && own->value == value;
    return is_back && asked->value != value ? asked : nullptr;
}

void ClientSession::restore_settings(ServerSession& server, EffectList& effects) {
    is_resetting_ = false;
    const bool is_free = server.status() == wire::TransactionStatus::Idle && server.is_quiet();
    if (!lacks_settings_ || !is_free || is_mid_frame()) return;
    lacks_settings_ = false;
    if (server.parameters() != wanted_) bring_parameters(server, effects);
}

void ClientSession::forget_statements() {
    if (statements_ != nullptr) statements_->clear();
}

void ClientSession::forget_statement(std::string_view name) {
    if (statements_ != nullptr) statements_->remove(name);
}

void ClientSession::restore_statement(std::string_view name, const StatementRef& statement) {
    if (statements_ != nullptr) statements_->put(name, statement);
}

void ClientSession::refuse_unit(const wire::Refusal& refusal, EffectList& effects) {
    state_ = State::Idle;
    is_unit_routed_ = false;
    // A transaction that no server knows of fails as any other.
    const bool fails_transaction = std::exchange(deferred_, nullptr) != nullptr;
    if (fails_transaction) {
        lost_ = std::make_unique<LostTransaction>(LostTransaction::EndsAt::Rollback);
    }
    Bytes out;
    wire::append(out, refusal);
    // The unit that waits is at the front of the input: a Query or FunctionCall ends it by itself,
    // anything else ends at the next Sync.
    const ByteView input = input_.view();
    const bool is_simple = !input.empty() && (input[0] == 'Q' || input[0] == 'F');
    if (is_simple) {
        if (input[0] == 'Q') unnamed_ = StatementRef();
        wire::ready_for_query(out, fails_transaction ? wire::TransactionStatus::Failed
                                                     : wire::TransactionStatus::Idle);
        const std::size_t size = 1 + std::size_t{load_u32(input.data() + 1)};
        const std::size_t there = std::min(size, input.size());
        streaming_ = size - there;
        streaming_to_server_ = false;
        input_.consume(there);
    } else if (fails_transaction) {
        lost_->skip();
    } else {
        skips_to_sync_ = true;
    }
    effects.send(id_, effects.keep(out));
}

// What was not answered has not happened: names mean what they meant before.
void ClientSession::take_back_unanswered(const AnswerQueue& answers) {
    for (std::size_t i = answers.size(); i-- > 0;) {
        const Expectation& entry = answers[i];
        if (entry.asker != Asker::Client) continue;
        // Whether it ran or failed, the old unnamed statement went first.
        if (entry.touches_unnamed) unnamed_ = StatementRef();
        if (!entry.touches_name) continue;
        if (entry.previous) {
            restore_statement(entry.name, entry.previous);
        } else {
            forget_statement(entry.name);
        }
    }
}

// What was set since the last ReadyForQuery idle was rolled back with the rest; the client is told,
// as PostgreSQL tells of a rollback.
void ClientSession::roll_back_parameters(Bytes& out) {
    if (wanted_ == committed_) return;
    for (const Parameter& parameter : committed_->all()) {
        const Parameter* now = wanted_->find(parameter.name);
        if (parameter.is_reported && (now == nullptr || now->value != parameter.value)) {
            wire::parameter_status(out, parameter.name, parameter.value);
        }
    }
    wanted_ = committed_;
}

// Reads were in flight: those of whose answers nothing was passed on run again elsewhere, unseen.
bool ClientSession::reads_lost(ServerSession& server, const std::string& pool,
                               EffectList& effects) {
    undo(server);
    if (server.replay().holds()) {
        take_back(server, Replay::From::Front);
        return true;
    }
    // Rows of the first have been passed on: it ends with an error, and is never run again.
    Bytes out;
    wire::append(out, {.reason = wire::RefusalReason::ServerLost,
                       .subject = pool,
                       .detail = server.fatal_message()});
    wire::ready_for_query(out, wire::TransactionStatus::Idle);
    effects.send(id_, effects.keep(out));
    take_back(server, Replay::From::Second);
    return true;
}

bool ClientSession::server_lost(ServerSession& server, const std::string& pool,
                                EffectList& effects) {
    if (server.is_mid_frame()) return false;
    if (server.replay().survives_loss()) return reads_lost(server, pool, effects);
    server.stop_replay(id_, effects);
    state_ = State::Idle;
    // It has written nothing, whether the standby is promoted meanwhile or not.
    const bool ends_on_standby =
        is_lease_of_standby_ && block_ == Block::Ended && !rules_->split.all_to_standbys;
    block_ = Block::None;
    is_unit_open_ = is_unit_routed_ = false;
    streaming_to_server_ = false;  // The rest of a message that was being passed on goes nowhere.
    const wire::TransactionStatus status =
        server.is_in_transaction() && server.status() == wire::TransactionStatus::Idle
            ? wire::TransactionStatus::InTransaction
            : server.status();
    AnswerQueue& answers = server.answers();
    take_back_unanswered(answers);
    bool is_owed = false;
    const bool may_commit = status == wire::TransactionStatus::Idle || server.may_commit();
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i].asker == Asker::Settings || answers[i].asker == Asker::Quiet) continue;
        is_owed = is_owed || answers[i].kind != Expected::CopyEnd;
    }
    const bool is_open = is_owed || server.is_unsynced();
    if (!is_open && status == wire::TransactionStatus::Idle) return true;

    // A ROLLBACK that was lost has rolled back, whatever became of it.
    const bool rolls_back = status != wire::TransactionStatus::Idle &&
                            (server.is_rolling_back() || is_lone_rollback(answers));
    const bool is_over = rolls_back || ends_on_standby;
    const bool is_unknown = is_owed && may_commit && !is_over;
    wire::Refusal refusal{.reason = is_unknown ? wire::RefusalReason::ResolutionUnknown
                                               : wire::RefusalReason::TransactionLost,
                          .subject = pool,
                          .detail = server.fatal_message()};
    Bytes error;
    wire::append(error, refusal);
    const bool stays_failed = status != wire::TransactionStatus::Idle && !is_unknown && !is_over;
    if (stays_failed) {
        lost_ = std::make_unique<LostTransaction>(LostTransaction::EndsAt::Rollback);
    } else if (!is_owed) {
        lost_ = std::make_unique<LostTransaction>(LostTransaction::EndsAt::Sync);
    }
    if (!is_owed) {
        Bytes reports;
        roll_back_parameters(reports);
        if (!reports.empty()) effects.send(id_, effects.keep(reports));
        // Nothing was asked: the next statement hears of it.
        lost_->announce(std::move(error));
        if (std::exchange(skips_to_sync_, false)) lost_->skip();
        return true;
    }
    const auto after =
        stays_failed ? wire::TransactionStatus::Failed : wire::TransactionStatus::Idle;
    Bytes out;
    roll_back_parameters(out);
    bool in_unit = false;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i].asker == Asker::Settings || answers[i].asker == Asker::Quiet ||
            answers[i].kind == Expected::CopyEnd) {
            continue;
        }
        const Expected kind = answers[i].kind;
        if (in_unit && kind != Expected::Sync) continue;  // Skipped, a Query too.
        if (!in_unit) out.insert(out.end(), error.begin(), error.end());
        in_unit =
            kind != Expected::Query && kind != Expected::FunctionCall && kind != Expected::Sync;
        if (!in_unit) wire::ready_for_query(out, after);
    }
    if (in_unit) skips_to_sync_ = true;
    if (lost_ != nullptr && std::exchange(skips_to_sync_, false)) lost_->skip();
    effects.send(id_, effects.keep(out));
    return true;
}

}  // namespace pgweir::session
