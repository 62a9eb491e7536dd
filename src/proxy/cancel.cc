// SPDX-License-Identifier: PostgreSQL
// Cancel requests. One leaves only while the query that it was meant for is unanswered, and its
// server is leased to nobody before the cancel connection has seen its end: PostgreSQL signals the
// backend before it closes that connection, so nothing of it can hit what comes later.
#include <utility>

#include "pgweir/auth/secret.h"
#include "pgweir/session/server_login.h"
#include "pgweir/wire/startup.h"
#include "proxy/core.h"

namespace pgweir::proxy {

namespace {
// Cancel requests in flight for one server: more would change nothing.
constexpr std::uint32_t kCancelsMax = 1;
// Cancel requests on their way to other instances, for each worker.
constexpr std::size_t kHandedOnMax = 32;
}  // namespace

// The requester's connection is closed when its request has had its effect: then the program that
// cancels knows when it may go on, as with PostgreSQL.
void Core::cancel_requested(Client& requester) {
    const wire::CancelRequest request = requester.login->cancel_request();
    requester.phase = Client::Phase::Closing;
    requester.login.reset();
    client_timers_.set(requester.id.value, now_ + settings_->timeouts.cancel_wait_timeout());
    if (!cancel_key_maker_.has_peers()) {
        return cancel_here(requester, request.process_id, request.secret);
    }
    // What another instance handed on is looked for here and nowhere else: nothing goes round.
    if (const auto inner = cancel_key_maker_.unwrap(request.process_id, request.secret)) {
        return cancel_here(requester, request.process_id, *inner);
    }
    const auto owner = cancel_key_maker_.owner(request.process_id, request.secret);
    if (!owner) return finish_requester(requester.id, parts_.worker);
    if (!cancel_key_maker_.is_own(*owner)) return hand_on_cancel(requester, *owner, request);
    cancel_here(requester, request.process_id, request.secret);
}

void Core::cancel_here(Client& requester, std::uint32_t process_id, ByteView secret) {
    const ClientId id = requester.id;
    if (cancel_locally(process_id, secret, id, parts_.worker)) return;
    if (parts_.workers == 1) return finish_requester(id, parts_.worker);
    // The key may be another worker's. Every worker answers; the one that has it, when
    // the request has had its effect.
    requester.cancel_replies = static_cast<std::uint8_t>(parts_.workers - 1);
    for (WorkerIndex worker = 0; worker < parts_.workers; ++worker) {
        if (worker == parts_.worker) continue;
        auto wanted = std::make_unique<CancelWanted>();
        wanted->process_id = process_id;
        wanted->secret.assign(secret.begin(), secret.end());
        wanted->requester = id;
        post(worker, std::move(wanted));
    }
}

// A key that is made up names an instance, too, by chance: what is under way to all of them is
// bounded, and what is more than that is as lost as a key that fits nobody.
void Core::hand_on_cancel(Client& requester, std::size_t peer, const wire::CancelRequest& request) {
    if (cancels_handed_on_ >= kHandedOnMax) return finish_requester(requester.id, parts_.worker);
    ++cancels_handed_on_;
    auto record = std::make_unique<CancelLink>();
    record->id = server_ids_.allocate();
    record->requester = requester.id;
    record->requester_worker = parts_.worker;
    record->address = peers_[peer];
    record->tls_mode = TlsMode::Disable;
    wire::cancel_request(record->handed_on, request.process_id,
                         cancel_key_maker_.wrap(request.process_id, request.secret));
    const ServerId id = record->id;
    server_timers_.set(id.value, now_ + settings_->timeouts.cancel_wait_timeout());
    const CancelLink& link = cancels_.insert(id, std::move(record));
    effects_->push(OpenServer{id, link.address});
}

// True if the key is one of this worker's clients'; the requester is then finished, now or later.
bool Core::cancel_locally(std::uint32_t process_id, ByteView secret, ClientId requester,
                          WorkerIndex requester_worker) {
    if (secret.size() < 4) return false;
    auto found = cancel_keys_.find((std::uint64_t{process_id} << 32) | load_u32(secret.data()));
    if (found == cancel_keys_.end()) return false;
    Client* client = clients_.find(found->second);
    if (client == nullptr) return false;
    const ByteView key = ByteView(client->key.secret).first(client->key.secret_bytes);
    if (key.size() != secret.size() || !auth::equal_in_constant_time(key, secret)) return false;
    if (client->is_waiting && client->session != nullptr) {
        // It runs nothing yet: it just leaves the line.
        refuse_waiting(*client, {.reason = wire::RefusalReason::CancelledByUser});
        finish_requester(requester, requester_worker);
        return true;
    }
    Server* server = client->server ? servers_.find(client->server) : nullptr;
    const bool is_running = server != nullptr && server->session != nullptr &&
                            (server->session->is_raw() || !server->session->answers().empty());
    if (!is_running) {
        finish_requester(requester, requester_worker);
        return true;
    }
    start_cancel(*server, client->id, requester, requester_worker);
    return true;
}

void Core::start_cancel(Server& server, ClientId client, ClientId requester,
                        WorkerIndex requester_worker) {
    if (server.cancels >= kCancelsMax || !server.session->has_cancel_key()) {
        return finish_requester(requester, requester_worker);
    }
    auto record = std::make_unique<CancelLink>();
    record->id = server_ids_.allocate();
    record->target = server.id;
    record->client = client;
    record->requester = requester;
    record->requester_worker = requester_worker;
    record->address = server.pool->address;
    record->tls_mode = server.is_tls ? server.pool->tenant.config.tls_mode : TlsMode::Disable;
    const ServerId id = record->id;
    ++server.cancels;
    server_timers_.set(id.value, now_ + settings_->timeouts.cancel_wait_timeout());
    CancelLink& link = cancels_.insert(id, std::move(record));
    effects_->push(OpenServer{id, link.address});
}

void Core::cancel_opened(CancelLink& link) {
    if (!session::wants_tls(link.address, link.tls_mode)) return cancel_send(link);
    if (settings_->tls.server_tls_direct()) {
        link.state = CancelLink::State::Securing;
        effects_->push(StartServerTls{link.id, link.address.host, link.tls_mode});
        return;
    }
    link.state = CancelLink::State::TlsAsked;
    Bytes out;
    wire::ssl_request(out);
    send(link.id, out);
}

void Core::cancel_bytes(CancelLink& link, ByteView bytes) {
    if (link.state == CancelLink::State::TlsAsked && bytes.size() == 1 && bytes[0] == 'S') {
        link.state = CancelLink::State::Securing;
        effects_->push(StartServerTls{link.id, link.address.host, link.tls_mode});
        return;
    }
    // The server was reached over TLS before: a node that says no now is not the same.
    cancel_ended(link, false);
}

void Core::cancel_send(CancelLink& link) {
    if (!link.target) {
        effects_->send(link.id, effects_->keep(link.handed_on));
        link.state = CancelLink::State::Sent;
        return;
    }
    const Server* server = servers_.find(link.target);
    // The query may have ended while the connection was made.
    const bool is_meant = server != nullptr && server->session != nullptr &&
                          server->client == link.client &&
                          (server->session->is_raw() || !server->session->answers().empty());
    if (!is_meant) return cancel_ended(link, false);
    // A statement of pgweir's own stands in front: the request would hit that one instead, and what
    // follows would run with settings that are not its own.
    if (!server->session->is_raw() &&
        server->session->answers().front().asker == session::Asker::Settings) {
        link.state = CancelLink::State::Held;
        return;
    }
    Bytes out;
    wire::cancel_request(out, server->session->process_id(), server->session->cancel_secret());
    send(link.id, out);
    link.state = CancelLink::State::Sent;
}

void Core::release_cancel(ServerId target) {
    CancelLink* held = nullptr;
    cancels_.for_each([&](ServerId, CancelLink& link) {
        if (link.target == target && link.state == CancelLink::State::Held) held = &link;
    });
    if (held != nullptr) cancel_send(*held);
}

void Core::cancel_ended(CancelLink& link, bool closed_by_edge) {
    const bool was_sent = link.state == CancelLink::State::Sent;
    if (!closed_by_edge) effects_->push(CloseServer{link.id, CloseMode::Abort});
    server_timers_.clear(link.id.value);
    const std::unique_ptr<CancelLink> record = cancels_.remove(link.id);
    freed_server_ids_.push_back(record->id);
    finish_requester(record->requester, record->requester_worker);
    if (!record->target) --cancels_handed_on_;
    Server* server = servers_.find(record->target);
    if (server == nullptr || server->cancels == 0) return;
    --server->cancels;
    if (was_sent && !closed_by_edge) {
        // Nobody knows when it will hit.
        return drop_server(*server, "a cancel request for it did not end", CloseMode::Abort);
    }
    if (server->cancels > 0) return;
    if (server->phase == Server::Phase::Cleaning) return clean(*server);
    if (server->client) to_pump_.push_back(server->client);
}

void Core::finish_requester(ClientId requester, WorkerIndex worker) {
    if (!requester) return;
    if (worker != parts_.worker) {
        auto finished = std::make_unique<CancelFinished>();
        finished->requester = requester;
        return post(worker, std::move(finished));
    }
    if (Client* client = clients_.find(requester)) {
        close_client(*client, CloseMode::Flush, "cancel request done");
    }
}

void Core::cancel_answered(ClientId requester) {
    Client* client = clients_.find(requester);
    if (client == nullptr || client->phase != Client::Phase::Closing) return;
    if (client->cancel_replies > 0) --client->cancel_replies;
    if (client->cancel_replies == 0) finish_requester(requester, parts_.worker);
}

}  // namespace pgweir::proxy
