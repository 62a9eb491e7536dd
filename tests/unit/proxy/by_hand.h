// SPDX-License-Identifier: PostgreSQL
// A Proxy driven by hand: the test plays its clients, its servers and its clock.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/base/random.h"
#include "pgweir/base/slot_table.h"
#include "pgweir/config/toml_reader.h"
#include "pgweir/proxy/proxy.h"
#include "pgweir/wire/startup.h"
#include "support/told.h"

namespace pgweir::testing {

class SeededEntropy : public Entropy {
 public:
    explicit SeededEntropy(std::uint64_t seed) : random_(seed) {}
    void fill(std::span<std::uint8_t> out) override { random_.fill(out); }

 private:
    Random random_;
};

class ByHand {
 public:
    struct Peer {
        Bytes heard;
        bool is_closed = false;
        bool is_paused = false;
    };

    explicit ByHand(std::string_view toml)
        : settings_(config::read_toml(toml, "test.toml")),
          proxy_({.settings = settings_, .limits = limits_, .entropy = entropy_, .seed = 1}, now_) {
    }

    void tell(Event event) {
        proxy_.handle(std::move(event), now_, effects_);
        execute();
    }
    // Time goes by; whatever is due happens.
    void pass(Duration duration) {
        const Instant end = now_ + duration;
        while (proxy_.next_deadline() <= end) {
            now_ = std::max(now_, proxy_.next_deadline());
            tell(Woken{});
        }
        now_ = end;
    }

    // --- Clients.
    ClientId open() {
        const ClientId id = ids_.allocate();
        clients_[id] = {};
        tell(ClientOpened{id,
                          {.is_unix = false, .host = "127.0.0.1", .port = 40000, .peer_user = {}}});
        return id;
    }
    ClientId connect(std::string_view user = "alice", std::string_view database = "app") {
        const ClientId id = open();
        Bytes startup;
        wire::startup_message(startup,
                              {{"user", std::string(user)}, {"database", std::string(database)}});
        tell(ClientBytes{id, startup});
        return id;
    }
    void say(ClientId id, const Said& bytes) { tell(ClientBytes{id, bytes}); }
    // What the client heard since the last time, as text.
    std::string heard(ClientId id) { return told(Speaker::Server, take(clients_.at(id))); }
    std::string heard_text(ClientId id) { return to_string(take(clients_.at(id))); }
    bool is_closed(ClientId id) const { return clients_.at(id).is_closed; }
    bool is_paused(ClientId id) const { return clients_.at(id).is_paused; }

    // --- Servers, in the order in which they were opened.
    const std::vector<ServerId>& opened() const { return opened_; }
    // The last that was opened to that node and has not been closed; null if there is none.
    ServerId opened_to(std::string_view host) const {
        for (std::size_t i = opened_.size(); i-- > 0;) {
            const ServerId id = opened_[i];
            if (hosts_.at(id) == host && !servers_.at(id).is_closed) return id;
        }
        return {};
    }
    void answer(ServerId id, const Said& bytes) { tell(ServerBytes{id, bytes}); }
    std::string asked(ServerId id) { return told(Speaker::Client, take(servers_.at(id))); }
    Bytes asked_bytes(ServerId id) { return take(servers_.at(id)); }
    bool is_server_closed(ServerId id) const { return servers_.at(id).is_closed; }
    // The connection is there, and PostgreSQL lets us in.
    void log_in(ServerId id) {
        tell(ServerOpened{id});
        take(servers_.at(id));  // StartupMessage
        const Said greeting = server::greeting();
        tell(ServerBytes{id, greeting});
    }

    // --- HTTP: each request has the next id.
    HttpRequestId ask_http(wire::HttpRequest request) {
        const HttpRequestId id{++last_http_};
        tell(HttpRequested{id, std::move(request)});
        return id;
    }
    // Null: not yet.
    const wire::HttpAnswer* http_answer(HttpRequestId id) const {
        const auto found = http_answers_.find(id);
        return found == http_answers_.end() ? nullptr : &found->second;
    }

    Instant now() const { return now_; }
    proxy::Proxy& proxy() { return proxy_; }
    EffectList& effects() { return effects_; }
    std::vector<std::string>& log() { return log_; }
    // Commands that were to run, with their environment.
    std::vector<RunCommand>& commands() { return commands_; }
    // Looks at that node that were ordered so far.
    std::size_t looks_at(NodeId node) const {
        return static_cast<std::size_t>(std::count(looks_.begin(), looks_.end(), node));
    }

    static Bytes take(Peer& peer) { return std::exchange(peer.heard, {}); }

 private:
    void hear(Peer& peer, ByteView bytes) {
        peer.heard.insert(peer.heard.end(), bytes.begin(), bytes.end());
    }
    void execute() {
        for (Effect& effect : effects_.all()) {
            if (auto* send = std::get_if<SendToClient>(&effect)) {
                hear(clients_.at(send->client), send->bytes);
            } else if (auto* to_server = std::get_if<SendToServer>(&effect)) {
                hear(servers_.at(to_server->server), to_server->bytes);
            } else if (auto* open = std::get_if<OpenServer>(&effect)) {
                servers_[open->server] = {};
                hosts_[open->server] = open->address.host;
                opened_.push_back(open->server);
            } else if (auto* close = std::get_if<CloseClient>(&effect)) {
                clients_.at(close->client).is_closed = true;
            } else if (auto* close_server = std::get_if<CloseServer>(&effect)) {
                servers_.at(close_server->server).is_closed = true;
            } else if (auto* pause = std::get_if<PauseClient>(&effect)) {
                clients_.at(pause->client).is_paused = true;
            } else if (auto* resume = std::get_if<ResumeClient>(&effect)) {
                clients_.at(resume->client).is_paused = false;
            } else if (auto* look = std::get_if<LookAtNode>(&effect)) {
                looks_.push_back(look->node);
            } else if (auto* command = std::get_if<RunCommand>(&effect)) {
                commands_.push_back(std::move(*command));
            } else if (auto* answer = std::get_if<AnswerHttp>(&effect)) {
                // Once.
                REQUIRE(http_answers_.emplace(answer->id, std::move(answer->answer)).second);
            } else if (auto* line = std::get_if<WriteLog>(&effect)) {
                log_.push_back(line->text);
            }
        }
        effects_.clear();
    }

    std::shared_ptr<const config::Settings> settings_;
    pool::Limits limits_;
    SeededEntropy entropy_{42};
    Instant now_{Duration::seconds(1000).us};
    EffectList effects_;
    proxy::Proxy proxy_;
    IdAllocator<ClientId> ids_{0};
    std::map<ClientId, Peer> clients_;
    std::map<ServerId, Peer> servers_;
    std::map<ServerId, std::string> hosts_;
    std::vector<ServerId> opened_;
    std::uint64_t last_http_ = 0;
    std::map<HttpRequestId, wire::HttpAnswer> http_answers_;
    std::vector<std::string> log_;
    std::vector<NodeId> looks_;
    std::vector<RunCommand> commands_;
};

}  // namespace pgweir::testing
