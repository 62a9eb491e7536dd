// SPDX-License-Identifier: PostgreSQL
#include "proxy/core.h"

#include <algorithm>
#include <utility>

namespace pgweir::proxy {

namespace {

std::uint64_t seed_from(Entropy& entropy) {
    std::array<Byte, 8> bytes{};
    entropy.fill(bytes);
    std::uint64_t seed = 0;
    std::memcpy(&seed, bytes.data(), bytes.size());
    return seed;
}

auth::CancelKeys make_cancel_keys(const config::Settings& settings) {
    const auto& general = settings.general;
    if (general.peers().empty()) return {};
    return {general.cancel_secret(), general.peers().size(), general.peer_id() - 1};
}

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

}  // namespace

Core::Core(ProxyParts parts, Instant now)
    : parts_(std::move(parts)),
      settings_(parts_.settings),
      now_(now),
      random_(parts_.seed),
      auth_environment_{parts_.entropy, scram_keys_, auth::SecretKey(parts_.secret)},
      cancel_key_maker_(make_cancel_keys(*settings_)),
      peers_(settings_->peer_addresses()),
      hba_(compile_hba(*settings_)),
      users_(build_users(*settings_), {.found_lifetime = settings_->general.auth_query_cache()}),
      statements_(settings_->limits.prepared_statements_memory().bytes, seed_from(parts_.entropy)),
      server_ids_(parts_.worker),
      judge_({.cache_bytes_max = settings_->routing.shapes_memory().bytes},
             seed_from(parts_.entropy)) {
    // Nodes are observed from the start, so that the first client need not wait for it.
    for (const auto& [name, database] : settings_->databases()) {
        const config::EffectivePool config = settings_->pool_for(name, {});
        if (config.nodes.size() > 1) cluster_of(name, config);
    }
}

Core::~Core() {
    // Sessions hold statements, which live in the directory.
    clients_.for_each([this](ClientId id, Client&) { clients_.remove(id); });
    servers_.for_each([this](ServerId id, Server&) { servers_.remove(id); });
}

void Core::log(LogLevel level, std::string text) {
    if (logs(level)) effects_->log(level, std::move(text));
}

void Core::handle(Event& event, Instant now, EffectList& effects) {
    now_ = now;
    effects_ = &effects;
    // Nearly all events are one of these two.
    if (auto* said = std::get_if<ClientBytes>(&event)) {
        client_bytes(said->client, said->bytes);
    } else if (auto* answered = std::get_if<ServerBytes>(&event)) {
        server_bytes(answered->server, answered->bytes);
    } else {
        dispatch(event);
    }
    if (has_leftovers()) finish_event();
    effects_ = nullptr;
}

void Core::dispatch(Event& event) {
    std::visit(Overloaded{
                   [this](ClientBytes& e) { client_bytes(e.client, e.bytes); },
                   [this](ServerBytes& e) { server_bytes(e.server, e.bytes); },
                   [this](ClientOpened& e) { client_opened(e); },
                   [this](ClientSecured& e) {
                       Client* client = clients_.find(e.client);
                       if (client == nullptr || client->login == nullptr) return;
                       client->is_tls = true;
                       client->login->on_secured(std::move(e.tls));
                   },
                   [this](ClientClosed& e) { client_closed(e.client, e.reason); },
                   [this](ClientBlocked& e) { client_blocked(e.client, true); },
                   [this](ClientDrained& e) { client_blocked(e.client, false); },
                   [this](ServerOpened& e) { server_opened(e.server); },
                   [this](ServerOpenFailed& e) { server_open_failed(e.server, e.reason); },
                   [this](ServerSecured& e) { server_secured(e.server, e.tls); },
                   [this](ServerClosed& e) { server_closed(e.server, e.reason); },
                   [this](ServerBlocked& e) { server_blocked(e.server, true); },
                   [this](ServerDrained& e) { server_blocked(e.server, false); },
                   [this](NodeObserved& e) { node_observed(e); },
                   [](NodeResolved&) {},
                   [this](Posted& e) { posted(e); },
                   [this](Woken&) { on_woken(); },
                   [this](SettingsChanged& e) { settings_changed(std::move(e.settings)); },
                   [this](ReloadFinished& e) { reload_finished(e); },
                   [this](HttpRequested& e) { http_requested(e); },
                   [this](ShutdownRequested& e) { shutdown(e.mode); },
               },
               event);
}

// Work that events leave behind, so that no table changes under anybody's feet: clients whose
// input goes on, pools that may ask for a permit again.
void Core::finish_event() {
    if (!late_leases_.empty()) end_late_leases();
    while (!to_pump_.empty() || !to_refuse_.empty() || !to_fail_.empty() || is_retry_wanted_ ||
           now_ >= clusters_deadline_) {
        clusters_timer();
        for (const auto& [id, refusal] : std::exchange(to_refuse_, {})) {
            Client* client = clients_.find(id);
            if (client != nullptr && client->is_waiting && client->waits_in == nullptr) {
                refuse_waiting(*client, refusal);
            }
        }
        for (PoolEntry* entry : std::exchange(to_fail_, {})) {
            fail_waiters(*entry, trouble_refusal(*entry));
        }
        if (is_retry_wanted_) {
            is_retry_wanted_ = false;
            retry_starving();
        }
        for (std::size_t i = 0; i < to_pump_.size(); ++i) {
            if (Client* client = clients_.find(to_pump_[i])) pump_held(*client);
        }
        to_pump_.clear();
    }
    // Ids are free for others only now: nothing of this event names them any more.
    for (ServerId id : freed_server_ids_) server_ids_.give_back(id);
    freed_server_ids_.clear();
    if (!orders_.empty()) order_progress();
    if (life_ != Life::Running) shutdown_progress();
}

Instant Core::next_deadline() {
    return std::min({client_timers_.next(), server_timers_.next(), pool_timers_.next(),
                     drain_deadline_, stats_deadline_, clusters_deadline_, failover_deadline_,
                     silence_deadline_, route_timers_.next(), http_deadline_});
}

void Core::on_woken() {
    if (now_ >= stats_deadline_) {
        log_stats();
        note_stats();
    }
    while (const auto key = client_timers_.expire(now_)) {
        if (Client* client = clients_.find(ClientId{*key})) client_timer(*client);
    }
    while (const auto key = server_timers_.expire(now_)) {
        if (Server* server = servers_.find(ServerId{*key})) {
            server_timer(*server);
        } else if (CancelLink* link = cancels_.find(ServerId{*key})) {
            cancel_ended(*link, false);
        }
    }
    while (const auto key = route_timers_.expire(now_)) {
        Client* client = clients_.find(ClientId{*key});
        if (client == nullptr || !client->is_waiting || client->waits_in != nullptr) continue;
        client->is_held ? leave_held(*client) : stop_waiting_for_view(client->id);
        view_waiter_goes_on(client->id);
    }
    if (now_ >= failover_deadline_) failover_timer();
    if (now_ >= silence_deadline_) silence_timer();
    http_timer();
    while (const auto key = pool_timers_.expire(now_)) {
        auto found = pools_by_id_.find(*key);
        if (found != pools_by_id_.end()) pool_timer(*found->second);
    }
}

}  // namespace pgweir::proxy
