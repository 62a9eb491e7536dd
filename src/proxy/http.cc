// SPDX-License-Identifier: PostgreSQL
// What is asked over HTTP: commands by another door than the console's.
#include <algorithm>
#include <utility>

#include "pgweir/admin/http_api.h"
#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

void Core::http_requested(const HttpRequested& event) {
    auto read = admin::read_http(event.request, settings_->http.token());
    if (auto* answer = std::get_if<wire::HttpAnswer>(&read)) {
        effects_->push(AnswerHttp{event.id, std::move(*answer)});
        return;
    }
    const auto& command = std::get<admin::AdminCommand>(read);
    if (command.verb != admin::Verb::Show) {
        log(LogLevel::Info, event.request.from + " orders over HTTP: " + admin::words_of(command));
    }
    const Instant deadline = now_ + settings_->http.order_timeout();
    http_asks_[event.id] = {command, deadline};
    http_deadline_ = std::min(http_deadline_, deadline);
    carry_out_for({.http = event.id}, command);
}

// Who was told that it takes too long is told no more.
std::optional<admin::AdminCommand> Core::take_http(HttpRequestId id) {
    const auto found = http_asks_.find(id);
    if (found == http_asks_.end()) return std::nullopt;
    admin::AdminCommand command = std::move(found->second.command);
    http_asks_.erase(found);
    return command;
}

void Core::http_done(HttpRequestId id) {
    if (const auto command = take_http(id)) {
        effects_->push(AnswerHttp{id, admin::http_done(*command)});
    }
}

void Core::http_failed(HttpRequestId id, const wire::Refusal& refusal) {
    if (const auto command = take_http(id)) {
        effects_->push(AnswerHttp{id, admin::http_refused(*command, refusal)});
    }
}

void Core::http_shown(HttpRequestId id, const admin::ShowData& data) {
    if (const auto command = take_http(id)) {
        effects_->push(AnswerHttp{id, admin::http_shown(*command, data)});
    }
}

void Core::http_timer() {
    if (now_ < http_deadline_) return;
    http_deadline_ = Instant::never();
    const std::string timeout = text(settings_->http.order_timeout());
    for (auto at = http_asks_.begin(); at != http_asks_.end();) {
        if (now_ < at->second.deadline) {
            http_deadline_ = std::min(http_deadline_, at->second.deadline);
            ++at;
            continue;
        }
        effects_->push(AnswerHttp{at->first, admin::http_late(at->second.command, timeout)});
        at = http_asks_.erase(at);
    }
}

// This worker carries nothing out any more.
void Core::end_http() {
    for (const auto& [id, ask] : std::exchange(http_asks_, {})) {
        effects_->push(AnswerHttp{id, admin::http_stopping()});
    }
    http_deadline_ = Instant::never();
}

}  // namespace pgweir::proxy
