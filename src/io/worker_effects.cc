// SPDX-License-Identifier: PostgreSQL
// The half of the worker that does what the core asks for.
#include <algorithm>
#include <array>
#include <utility>

#include "io/worker.h"

namespace pgweir::io {

namespace {

// Neighbouring sends that leave in one system call.
constexpr std::size_t kGatheredMax = 64;

}  // namespace

void Worker::execute() {
    // The list does not grow here: the core has returned.
    std::vector<Effect>& all = effects_.all();
    std::size_t i = 0;
    while (i < all.size()) {
        if (const auto* client = std::get_if<SendToClient>(&all[i])) {
            i = execute_sends<SendToClient>(i, clients_.find(client->client));
        } else if (const auto* server = std::get_if<SendToServer>(&all[i])) {
            i = execute_sends<SendToServer>(i, servers_.find(server->server));
        } else {
            execute_one(all[i++]);
        }
    }
}

template <typename Send>
std::size_t Worker::execute_sends(std::size_t first, Stream* stream) {
    const auto destination = [](const Send& send) {
        if constexpr (std::is_same_v<Send, SendToClient>) {
            return send.client;
        } else {
            return send.server;
        }
    };
    const std::vector<Effect>& all = effects_.all();
    const Send& head = std::get<Send>(all[first]);
    const auto neighbour = [&](std::size_t at) -> const Send* {
        if (at == all.size()) return nullptr;
        const auto* send = std::get_if<Send>(&all[at]);
        return send != nullptr && destination(*send) == destination(head) ? send : nullptr;
    };
    std::size_t i = first + 1;
    const Send* next = neighbour(i);
    if (next == nullptr) {
        if (stream != nullptr) stream->send(head.bytes);
        return i;
    }
    gathered_.clear();
    gathered_.push_back(head.bytes);
    while (next != nullptr && gathered_.size() < kGatheredMax) {
        gathered_.push_back(next->bytes);
        next = neighbour(++i);
    }
    if (stream != nullptr) stream->send(gathered_);
    return i;
}

void Worker::execute_one(Effect& effect) {
    std::visit([this](auto& is) { run(is); }, effect);
}

void Worker::run(const SendToClient& send) {
    if (Stream* stream = clients_.find(send.client)) stream->send(send.bytes);
}

void Worker::run(const SendToServer& send) {
    if (Stream* stream = servers_.find(send.server)) stream->send(send.bytes);
}

void Worker::run(const PauseClient& pause) {
    if (Stream* stream = clients_.find(pause.client)) stream->pause();
}

void Worker::run(const ResumeClient& resume) {
    if (Stream* stream = clients_.find(resume.client)) stream->resume();
}

void Worker::run(const PauseServer& pause) {
    if (Stream* stream = servers_.find(pause.server)) stream->pause();
}

void Worker::run(const ResumeServer& resume) {
    if (Stream* stream = servers_.find(resume.server)) stream->resume();
}

void Worker::run(const StartClientTls& start) {
    Stream* stream = clients_.find(start.client);
    if (stream == nullptr) return;
    if (tls_ == nullptr || !tls_->serves_clients()) {
        return tell(ClientClosed{start.client, "TLS was turned off"});
    }
    const TlsAlpn alpn = start.require_alpn ? TlsAlpn::Required : TlsAlpn::Optional;
    stream->start_tls(tls_->accept(alpn), start.received);
}

void Worker::run(const StartServerTls& start) {
    Stream* stream = servers_.find(start.server);
    if (stream == nullptr) return;
    stream->start_tls(tls_->connect(start.host, start.mode), {});
}

void Worker::run(const CloseClient& close) {
    if (!clients_.contains(close.client)) return;
    close_stream(clients_.remove(close.client), close.mode);
    client_ids_.give_back(close.client);
    client_count_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::run(const CloseServer& close) {
    if (!servers_.contains(close.server)) return;
    dialer_.forget(close.server);
    close_stream(servers_.remove(close.server), close.mode);
}

void Worker::run(const OpenServer& open) {
    servers_.set(open.server, nullptr);
    dialer_.open(open.server, open.address);
}

Prober& Worker::prober() {
    ProberOwner& owner = *this;
    if (prober_ == nullptr) prober_ = std::make_unique<Prober>(loop_.get(), owner);
    return *prober_;
}

void Worker::run(const LookAtNode& look) {
    prober().look(look);
}

void Worker::run(const ForgetNode& forget) {
    if (prober_ != nullptr) prober_->forget(forget.node);
}

void Worker::run(const ResolveNode& resolve) {
    prober().resolve(resolve.name);
}

void Worker::run(Post& post) {
    host_.post(post.worker, Posted{index_, std::move(post.message)});
}

void Worker::run(const WriteLog& line) {
    log_.write(line.level, line.text);
}

void Worker::run(const AskProcess& request) {
    host_.ask(index_, request);
}

void Worker::run(const RunCommand& order) {
    commands_.run(order);
}

void Worker::run(AnswerHttp& answer) {
    host_.answer(std::move(answer));
}

void Worker::run(const Stopped&) {
    stopping_ = true;
}

void Worker::close_stream(Stream* stream, CloseMode mode) {
    if (stream == nullptr) return;
    if (mode == CloseMode::Abort) return stream->close();
    begin_finishing(*stream);
}

}  // namespace pgweir::io
