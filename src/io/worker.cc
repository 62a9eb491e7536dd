// SPDX-License-Identifier: PostgreSQL
#include "io/worker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

bool has_clusters(const config::Settings& settings) {
    const auto& databases = settings.databases();
    return std::any_of(databases.begin(), databases.end(), [&](const auto& named) {
        return settings.pool_for(named.first, {}).nodes.size() > 1;
    });
}

}  // namespace

Worker::Worker(WorkerParts parts)
    : index_(parts.index),
      loop_(parts.loop),
      host_(parts.host),
      log_(parts.log),
      settings_(std::move(parts.settings)),
      tls_(std::move(parts.tls)),
      streams_(parts.loop.get()),
      client_ids_(parts.index),
      dialer_(parts.loop.get(), *this),
      commands_(parts.loop.get(), parts.log),
      mailbox_(parts.loop.get(), [this](WorkerLetter letter) { on_letter(std::move(letter)); }),
      deadline_(
          parts.loop.get(), [](void* self) { static_cast<Worker*>(self)->tell(Woken{}); }, this),
      finishing_timer_(make_timer(parts.loop.get(), this)),
      prepare_(make_handle<uv_prepare_t>(
          this, [&](uv_prepare_t* handle) { uv_prepare_init(parts.loop.get(), handle); })),
      core_(std::move(parts.core)) {
    asks_each_time_ = has_clusters(*settings_);
    // Asked for once in each turn, before the loop goes to sleep.
    uv_prepare_start(prepare_.get(), [](uv_prepare_t* handle) {
        static_cast<Worker*>(handle->data)->want_next_deadline();
    });
}

Worker::~Worker() {
    stopped_ = true;
    const auto close = [](Stream& stream) { stream.close(); };
    clients_.for_each(close);
    servers_.for_each(close);
    for (Stream* stream : finishing_) stream->close();
    mailbox_.close();
}

Instant Worker::now() {
    if (events_left_ == 0) {
        events_left_ = asks_each_time_ ? 1 : kEventsOfOneInstant;
        now_ = clock_now();
    }
    --events_left_;
    return now_;
}

void Worker::want_next_deadline() {
    events_left_ = 0;
    if (!stopped_) deadline_.want(core_->next_deadline());
}

void Worker::open_client(NewClient client) {
    const ClientId id = client_ids_.allocate();
    Stream* stream =
        Stream::open(streams_, *this, Side::Client, id.value, std::move(client.socket));
    if (stream == nullptr || stopping_) {
        if (stream != nullptr) stream->close();
        client_ids_.give_back(id);
        client_count_.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    clients_.set(id, stream);
    tell(ClientOpened{id, std::move(client.address)});
    // Clients speak first; most have by the time at which they are accepted.
    if (clients_.find(id) == stream) stream->read_now();
}

bool Worker::ask_http(HttpRequested request) {
    if (stopping_) return false;
    tell(std::move(request));
    return true;
}

void Worker::on_letter(WorkerLetter letter) {
    if (auto* client = std::get_if<NewClient>(&letter)) return open_client(std::move(*client));
    if (auto* settings = std::get_if<NewSettings>(&letter)) {
        settings_ = settings->settings;
        asks_each_time_ = has_clusters(*settings_);
        tls_ = std::move(settings->tls);
        return tell(SettingsChanged{std::move(settings->settings)});
    }
    if (auto* posted = std::get_if<Posted>(&letter)) return tell(std::move(*posted));
    if (auto* reload = std::get_if<ReloadFinished>(&letter)) {
        // The client may have gone while files were read.
        if (clients_.contains(reload->client)) tell(std::move(*reload));
        return;
    }
    tell(std::get<ShutdownRequested>(letter));
}

void Worker::on_bytes(Stream& stream, ByteView bytes) {
    if (stream.side() == Side::Client) {
        deliver(ClientBytes{ClientId{stream.id()}, bytes});
    } else {
        deliver(ServerBytes{ServerId{stream.id()}, bytes});
    }
}

void Worker::on_secured(Stream& stream, TlsPeer peer) {
    if (stream.side() == Side::Client) {
        tell(ClientSecured{ClientId{stream.id()}, std::move(peer)});
    } else {
        tell(ServerSecured{ServerId{stream.id()}, std::move(peer)});
    }
}

void Worker::on_closed(Stream& stream, std::string reason) {
    if (stream.side() == Side::Client) {
        tell(ClientClosed{ClientId{stream.id()}, std::move(reason)});
    } else {
        tell(ServerClosed{ServerId{stream.id()}, std::move(reason)});
    }
}

void Worker::on_blocked(Stream& stream) {
    if (stream.side() == Side::Client) {
        tell(ClientBlocked{ClientId{stream.id()}});
    } else {
        tell(ServerBlocked{ServerId{stream.id()}});
    }
}

void Worker::on_drained(Stream& stream) {
    if (stream.side() == Side::Client) {
        tell(ClientDrained{ClientId{stream.id()}});
    } else {
        tell(ServerDrained{ServerId{stream.id()}});
    }
}

void Worker::on_dialed(ServerId server, UniqueFd socket) {
    if (!servers_.contains(server)) return;
    set_tcp_options(socket.get(), settings_->tcp);
    Stream* stream = Stream::open(streams_, *this, Side::Server, server.value, std::move(socket));
    if (stream == nullptr) return on_dial_failed(server, "the socket can't be watched");
    servers_.set(server, stream);
    tell(ServerOpened{server});
}

void Worker::on_dial_failed(ServerId server, std::string reason) {
    tell(ServerOpenFailed{server, std::move(reason)});
}

void Worker::on_observed(NodeId node, cluster::Observation seen) {
    tell(NodeObserved{node, std::move(seen)});
}

void Worker::on_resolved(NodeResolved answer) {
    tell(std::move(answer));
}

void Worker::tell(Event event) {
    if (executing_) {
        told_.push_back(std::move(event));
    } else if (prepare(event)) {
        deliver(std::move(event));
    }
}

void Worker::deliver(Event&& event) {
    PGWEIR_ASSERT(!executing_);
    if (stopped_) return;
    handle(std::move(event));
    if (!told_.empty()) deliver_told();
    if (stopping_) stop_if_done();
}

void Worker::deliver_told() {
    for (std::size_t i = 0; i < told_.size(); ++i) {
        // Handling it may add to the list.
        Event next = std::move(told_[i]);
        if (!prepare(next)) continue;
        handle(std::move(next));
    }
    told_.clear();
}

void Worker::handle(Event&& event) {
    executing_ = true;
    core_->handle(std::move(event), now(), effects_);
    execute();
    effects_.clear();
    executing_ = false;
}

bool Worker::prepare(const Event& event) {
    return std::visit(
        [this](const auto& is) {
            using T = std::decay_t<decltype(is)>;
            if constexpr (std::is_same_v<T, ClientBytes> || std::is_same_v<T, ServerBytes>) {
                return true;  // Never kept for later.
            } else if constexpr (std::is_same_v<T, ClientClosed>) {
                return lose_client(is.client);
            } else if constexpr (std::is_same_v<T, ServerClosed> ||
                                 std::is_same_v<T, ServerOpenFailed>) {
                return lose_server(is.server);
            } else if constexpr (requires { is.server; }) {
                return servers_.contains(is.server);
            } else if constexpr (requires { is.client; }) {
                return clients_.contains(is.client);
            } else {
                return true;
            }
        },
        event);
}

bool Worker::lose_client(ClientId client) {
    if (!clients_.contains(client)) return false;
    if (Stream* stream = clients_.remove(client)) stream->close();
    // The core hears of it before anybody can be given the id anew.
    client_ids_.give_back(client);
    client_count_.fetch_sub(1, std::memory_order_relaxed);
    return true;
}

bool Worker::lose_server(ServerId server) {
    if (!servers_.contains(server)) return false;
    if (Stream* stream = servers_.remove(server)) stream->close();
    return true;
}

void Worker::on_finished(Stream& stream) {
    end_finishing(stream);
    stream.close();
    if (stopping_ && !executing_) stop_if_done();
}

void Worker::begin_finishing(Stream& stream) {
    if (finishing_.size() >= kFinishingMax) {
        Stream& oldest = *finishing_.front();
        end_finishing(oldest);
        oldest.close();
    }
    stream.finishing = {clock_now() + kFinishingPatience, finishing_.size()};
    finishing_.push_back(&stream);
    stream.finish();
    if (!finishing_.empty()) watch_finishing();
}

void Worker::end_finishing(Stream& stream) {
    const std::size_t position = stream.finishing.position;
    PGWEIR_ASSERT(position < finishing_.size() && finishing_[position] == &stream);
    finishing_[position] = finishing_.back();
    finishing_[position]->finishing.position = position;
    finishing_.pop_back();
}

// A list of some hundred at most, walked once a second while it is not empty.
void Worker::watch_finishing() {
    if (uv_is_active(reinterpret_cast<uv_handle_t*>(finishing_timer_.get())) != 0) return;
    const auto tick = [](uv_timer_t* timer) {
        auto& self = *static_cast<Worker*>(timer->data);
        const Instant now = clock_now();
        for (std::size_t i = self.finishing_.size(); i > 0; --i) {
            Stream& stream = *self.finishing_[i - 1];
            if (now < stream.finishing.deadline) continue;
            self.end_finishing(stream);
            stream.close();
        }
        if (self.finishing_.empty()) uv_timer_stop(timer);
        if (self.stopping_) self.stop_if_done();
    };
    uv_timer_start(finishing_timer_.get(), tick, 1000, 1000);
}

void Worker::stop_if_done() {
    if (stopped_ || !finishing_.empty()) return;
    stopped_ = true;
    mailbox_.close();
    host_.on_worker_stopped(index_);
}

}  // namespace pgweir::io
