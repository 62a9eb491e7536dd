// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/server_session.h"

#include <algorithm>
#include <utility>

#include "pgweir/session/client_session.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"
#include "pgweir/wire/frontend_messages.h"
#include "session/server_relay.h"

namespace pgweir::session {

ServerSession::ServerSession(ServerId id, ServerFacts facts,
                             ParameterDirectory& parameter_directory)
    : id_(id),
      parameter_directory_(parameter_directory),
      fresh_(facts.parameters),
      facts_(std::move(facts)) {
    const Parameter* user = facts_.parameters->find("session_authorization");
    if (user != nullptr) login_authorization_ = user->value;
    const Parameter* standby = facts_.parameters->find("in_hot_standby");
    is_standby_ = standby != nullptr && standby->value == "on";
}

void ServerSession::set_parameters(ParametersRef parameters) {
    facts_.parameters = std::move(parameters);
    const Parameter* user = facts_.parameters->find("session_authorization");
    is_foreign_ = user != nullptr && user->value != login_authorization_;
}

ServerNews ServerSession::on_bytes(ByteView bytes, ClientSession* client, EffectList& effects) {
    if (is_raw_) {
        if (client != nullptr) effects.send(client->id(), bytes);
        return {};
    }
    ServerNews news;
    Relay relay{*this, client, effects, news};
    relay.run(bytes);
    return news;
}

Expectation& ServerSession::expect(Expected kind, Asker asker) {
    is_rolling_back_ = false;
    if (kind == Expected::Sync) {
        ++unit_;
    } else if (kind != Expected::Query && kind != Expected::FunctionCall &&
               kind != Expected::CopyEnd) {
        is_unsynced_ = true;
    }
    return answers_.push(kind, asker);
}

bool ServerSession::owes_ready() const {
    for (std::size_t i = 0; i < answers_.size(); ++i) {
        if (answers_[i].asker != Asker::Client) continue;
        const Expected kind = answers_[i].kind;
        if (kind == Expected::Sync || kind == Expected::Query || kind == Expected::FunctionCall) {
            return true;
        }
    }
    return false;
}

bool ServerSession::is_name_certain(std::string_view name) const {
    if (answers_.names_touched() == 0) return true;
    // Entries of this unit stand behind the last Sync: they share the message's fate.
    bool is_of_this_unit = true;
    for (std::size_t i = answers_.size(); i-- > 0;) {
        const Expectation& entry = answers_[i];
        if (entry.kind == Expected::Sync) is_of_this_unit = false;
        if (entry.touches_name && entry.name == name) return is_of_this_unit;
    }
    return true;
}

void ServerSession::send_query(std::string_view sql, Asker asker, EffectList& effects) {
    Bytes message;
    wire::query(message, sql);
    effects.send(id_, effects.keep(message));
    expect(Expected::Query, asker);
    // A simple Query destroys the unnamed statement.
    set_unnamed(StatementRef());
}

void ServerSession::send_sync(Asker asker, EffectList& effects) {
    Bytes message;
    wire::sync(message);
    effects.send(id_, effects.keep(message));
    expect(Expected::Sync, asker);
}

void ServerSession::fail_transaction(EffectList& effects) {
    // No statement has the number 0.
    Bytes message;
    wire::bind(message, "", server_statement_name(0));
    effects.send(id_, effects.keep(message));
    expect(Expected::Bind, Asker::Quiet);
    send_sync(Asker::Quiet, effects);
}

void ServerSession::answer_in_place(ClientId client, ByteView answer, EffectList& effects) {
    if (replay_.holds()) return replay_.hold(answer);
    effects.send(client, effects.keep(answer));
}

void ServerSession::stop_replay(ClientId client, EffectList& effects) {
    if (!replay_.is_active()) return;
    if (replay_.holds() && !replay_.held().empty()) {
        effects.send(client, effects.keep(replay_.held()));
    }
    replay_.drop_held();
    replay_.forget();
}

void ServerSession::disown_answers() {
    for (std::size_t i = 0; i < answers_.size(); ++i) {
        if (answers_[i].asker == Asker::Settings) continue;
        answers_[i].asker = Asker::Quiet;
    }
    if (streaming_ > 0) streaming_to_client_ = false;
}

}  // namespace pgweir::session
