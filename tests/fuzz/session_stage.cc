// SPDX-License-Identifier: PostgreSQL
#include "fuzz/session_stage.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pgweir/base/assert.h"
#include "pgweir/config/toml_reader.h"

namespace pgweir::fuzz {

namespace {

constexpr std::size_t kClientsMax = 4;

class SeededEntropy final : public Entropy {
 public:
    void fill(std::span<std::uint8_t> out) override { random_.fill(out); }

 private:
    Random random_{42};
};

// Small limits, so that a short program reaches them.
std::shared_ptr<const config::Settings> read_variant(unsigned variant) {
    constexpr const char* kModes[] = {"transaction", "session", "statement"};
    std::string toml = R"(
[pgweir]
auth_type = "any"
[tls]
server_tls_sslmode = "disable"
[limits]
max_prepared_statements = 2
[timeouts]
query_wait_timeout = "5s"
query_timeout = "40s"
idle_transaction_timeout = "30s"
server_clean_timeout = "3s"
client_login_timeout = "8s"
shutdown_timeout = "4s"
[databases.app]
)";
    toml += "host = \"127.0.0." + std::to_string(1 + variant / 6 % 2) + "\"\n";
    toml += "pool_size = " + std::to_string(1 + variant / 3 % 2) + "\n";
    toml += "pool_mode = \"" + std::string(kModes[variant % 3]) + "\"\n";
    return config::read_toml(toml, "fuzz.toml");
}

std::shared_ptr<const config::Settings> settings_of(unsigned variant) {
    static std::array<std::shared_ptr<const config::Settings>, Stage::kVariants> known;
    auto& settings = known[variant % Stage::kVariants];
    if (settings == nullptr) settings = read_variant(variant % Stage::kVariants);
    return settings;
}

template <typename Map>
auto* nth(Map& map, unsigned which) {
    if (map.empty()) return static_cast<typename Map::mapped_type*>(nullptr);
    return &std::next(map.begin(), which % map.size())->second;
}

// The first bytes of an outbox, in memory of exactly their size.
Bytes take(Bytes& outbox, std::size_t bytes_max) {
    const auto end =
        outbox.begin() + static_cast<std::ptrdiff_t>(std::min(bytes_max, outbox.size()));
    Bytes taken(outbox.begin(), end);
    outbox.erase(outbox.begin(), end);
    return taken;
}

void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

Stage::Stage(unsigned variant) : entropy_(std::make_unique<SeededEntropy>()) {
    proxy_ = std::make_unique<proxy::Proxy>(proxy::ProxyParts{.settings = settings_of(variant),
                                                              .limits = limits_,
                                                              .entropy = *entropy_,
                                                              .seed = 1,
                                                              .log_level = LogLevel::Debug},
                                            now_);
}

// --- What the program does --------------------------------------------------------------------

StageClient* Stage::open_client() {
    if (clients_.size() >= kClientsMax || is_stopping_) return nullptr;
    const ClientId id = client_ids_.allocate();
    StageClient& client = clients_[id.value];
    client.id = id;
    client.number = clients_seen_++;
    tell(ClientOpened{id, {.is_unix = false, .host = "127.0.0.1", .port = 40000, .peer_user = {}}});
    auto found = clients_.find(id.value);
    return found == clients_.end() ? nullptr : &found->second;
}

StageClient* Stage::client(unsigned which) {
    return nth(clients_, which);
}

StageServer* Stage::server(unsigned which) {
    return nth(servers_, which);
}

void Stage::say(StageClient& client, ByteView bytes, unsigned ready) {
    append(client.outbox, bytes);
    client.ready_due += ready;
}

void Stage::flush(StageClient& client, std::size_t bytes_max) {
    if (client.is_paused || client.outbox.empty()) return;
    const Bytes bytes = take(client.outbox, bytes_max);
    if (!bytes.empty()) tell(ClientBytes{client.id, bytes});
}

void Stage::close(StageClient& client) {
    const ClientId id = client.id;
    clients_.erase(id.value);
    tell(ClientClosed{id, "it hung up"});
    client_ids_.give_back(id);
}

void Stage::block(StageClient& client, bool blocked) {
    if (client.is_blocked == blocked) return;
    client.is_blocked = blocked;
    if (blocked) return tell(ClientBlocked{client.id});
    tell(ClientDrained{client.id});
}

void Stage::connect(StageServer& server, bool succeeds) {
    if (server.is_open) return;
    server.is_open = true;
    const ServerId id = server.id;
    if (succeeds) return tell(ServerOpened{id});
    servers_.erase(id.value);
    tell(ServerOpenFailed{id, "connection refused"});
}

void Stage::answer(StageServer& server, int requests) {
    if (server.outbox.empty()) server.has_answers = false;
    for (; requests > 0 && server.honest.has_requests(); --requests) {
        const Bytes answer = server.honest.answer();
        server.has_answers = server.has_answers || !answer.empty();
        append(server.outbox, answer);
    }
}

void Stage::aside(StageServer& server, ByteView bytes) {
    if (server.outbox.empty()) server.has_answers = false;
    append(server.outbox, bytes);
}

void Stage::lie(StageServer& server, ByteView bytes) {
    server.has_lied = true;
    server.honest.forget_askers();
    append(server.outbox, bytes);
}

void Stage::babble(StageServer& server, ByteView bytes) {
    if (server.is_framed && !server.babble_left && !server.honest.ends()) {
        server.babble_left = server.outbox.size() + bytes.size();
    }
    server.is_framed = false;
    lie(server, bytes);
}

void Stage::flush(StageServer& server, std::size_t bytes_max) {
    if (server.is_paused || !server.is_open || server.outbox.empty()) return;
    const ServerId id = server.id;
    const Bytes bytes = take(server.outbox, bytes_max);
    if (bytes.empty()) return;
    bool has_babbled = false;
    if (server.babble_left) {
        *server.babble_left -= std::min(*server.babble_left, bytes.size());
        // Who was told good-bye is not listened to.
        has_babbled = *server.babble_left == 0 && !server.honest.ends();
    }
    tell(ServerBytes{id, bytes});
    PGWEIR_ASSERT(!has_babbled || !servers_.contains(id.value));
}

void Stage::close(StageServer& server) {
    if (!server.is_open) return;
    const ServerId id = server.id;
    servers_.erase(id.value);
    tell(ServerClosed{id, "it hung up"});
}

void Stage::block(StageServer& server, bool blocked) {
    if (!server.is_open || server.is_blocked == blocked) return;
    server.is_blocked = blocked;
    if (blocked) return tell(ServerBlocked{server.id});
    tell(ServerDrained{server.id});
}

void Stage::pass(Duration duration) {
    const Instant end = now_ + duration;
    int wakes = 0;
    while (proxy_->next_deadline() <= end) {
        const Instant due = std::max(now_, proxy_->next_deadline());
        wakes = due == now_ ? wakes + 1 : 0;
        PGWEIR_ASSERT(wakes < 100);
        now_ = due;
        tell(Woken{});
    }
    now_ = end;
}

void Stage::reload(unsigned variant) {
    tell(SettingsChanged{settings_of(variant)});
}

void Stage::shut_down(ShutdownMode mode) {
    is_stopping_ = true;
    tell(ShutdownRequested{mode});
}

// --- Everybody behaves ------------------------------------------------------------------------

bool Stage::behave(StageServer& server) {
    const ServerId id = server.id;
    if (!server.is_open) {
        connect(server, true);
        return true;
    }
    if (server.has_lied) {
        close(server);
        return true;
    }
    const bool was_blocked = server.is_blocked;
    block(server, false);
    auto found = servers_.find(id.value);
    if (found == servers_.end()) return true;
    const bool had_requests = server.honest.has_requests();
    answer(server, 1000);
    const bool has_answers = !server.outbox.empty() && !server.is_paused;
    flush(server, server.outbox.size());
    found = servers_.find(id.value);
    if (found == servers_.end()) return true;
    if (server.honest.ends() && server.outbox.empty()) {
        close(server);
        return true;
    }
    return was_blocked || had_requests || has_answers;
}

bool Stage::behave() {
    bool has_moved = false;
    std::vector<std::uint64_t> ids;
    for (const auto& [id, client] : clients_) ids.push_back(id);
    for (std::uint64_t id : ids) {
        auto found = clients_.find(id);
        if (found == clients_.end()) continue;
        has_moved = has_moved || found->second.is_blocked;
        block(found->second, false);
        found = clients_.find(id);
        if (found == clients_.end() || found->second.is_paused) continue;
        has_moved = has_moved || !found->second.outbox.empty();
        flush(found->second, found->second.outbox.size());
    }
    ids.clear();
    for (const auto& [id, server] : servers_) ids.push_back(id);
    for (std::uint64_t id : ids) {
        auto found = servers_.find(id);
        if (found != servers_.end() && behave(found->second)) has_moved = true;
    }
    return has_moved;
}

void Stage::behave_for(Duration duration) {
    const Instant end = now_ + duration;
    while (now_ < end) {
        int rounds = 0;
        while (behave()) PGWEIR_ASSERT(++rounds < 1000);
        pass(Duration::seconds(1));
    }
}

void Stage::finish() {
    // Each unit may wait for a server as long as query_wait_timeout: nobody has many.
    constexpr unsigned kUnitsMax = 4;
    std::vector<std::uint64_t> impatient;
    for (const auto& [id, client] : clients_) {
        if (client.ready_due > client.ready_heard + kUnitsMax) impatient.push_back(id);
    }
    for (std::uint64_t id : impatient) {
        if (auto found = clients_.find(id); found != clients_.end()) close(found->second);
    }
    behave_for(Duration::seconds(6) * (kUnitsMax + 2));
    for (const auto& [id, client] : clients_) {
        PGWEIR_ASSERT(client.is_wild || client.ready_heard == client.ready_due);
        PGWEIR_ASSERT(client.is_wild || (client.outbox.empty() && client.unread.empty()));
    }
    shut_down(ShutdownMode::Drain);
    behave_for(Duration::seconds(12));
    PGWEIR_ASSERT(is_stopped_ && clients_.empty() && servers_.empty());
    PGWEIR_ASSERT(proxy_->next_deadline() > now_);
}

// --- The edge ---------------------------------------------------------------------------------

void Stage::tell(Event event) {
    for (auto& [id, server] : servers_) {
        // Somebody may lease it who has asked it for nothing yet.
        if (server.is_idle()) serves_.at(server.number).reset();
    }
    proxy_->handle(std::move(event), now_, effects_);
    execute();
    if (own_events_.empty()) return;
    Event next = std::move(own_events_.front());
    own_events_.pop_front();
    tell(std::move(next));
}

void Stage::execute() {
    for (Effect& effect : effects_.all()) {
        std::visit([this](auto& one) { run(one); }, effect);
    }
    effects_.clear();
}

StageClient& Stage::find(ClientId id) {
    auto found = clients_.find(id.value);
    PGWEIR_ASSERT(found != clients_.end());
    return found->second;
}

StageServer& Stage::find(ServerId id) {
    auto found = servers_.find(id.value);
    PGWEIR_ASSERT(found != servers_.end());
    return found->second;
}

void Stage::run(SendToClient& effect) {
    StageClient& client = find(effect.client);
    append(client.unread, effect.bytes);
    for (const Frame& frame : take_frames(client.unread)) client_hears(client, frame);
}

void Stage::client_hears(StageClient& client, const Frame& frame) {
    for (const Token& token : tokens_in(frame.body)) {
        if (token.kind == 'c') {
            PGWEIR_ASSERT(token.number == client.number);
        } else {
            const std::optional<unsigned> served = serves_.at(token.number);
            PGWEIR_ASSERT(!served || served == client.number);
        }
    }
    if (frame.tag == 'K') client.key = frame.body;
    if (frame.tag == 'Z') {
        ++client.ready_heard;
        PGWEIR_ASSERT(client.is_wild || client.ready_heard <= client.ready_due);
    }
}

void Stage::run(SendToServer& effect) {
    StageServer& server = find(effect.server);
    PGWEIR_ASSERT(server.is_open);
    for (const Frame& frame : server.honest.hear(effect.bytes)) server_hears(server, frame);
}

void Stage::server_hears(StageServer& server, const Frame& frame) {
    std::optional<unsigned>& served = serves_.at(server.number);
    for (const Token& token : tokens_in(frame.body)) {
        if (token.kind != 'c') continue;
        PGWEIR_ASSERT(server.has_lied || !served || served == token.number);
        served = token.number;
    }
}

// TLS is configured on neither side.
void Stage::run(StartClientTls& effect) {
    find(effect.client);
    PGWEIR_ASSERT(false);
}

void Stage::run(StartServerTls& effect) {
    find(effect.server);
    PGWEIR_ASSERT(false);
}

void Stage::run(PauseClient& effect) {
    find(effect.client).is_paused = true;
}

void Stage::run(ResumeClient& effect) {
    find(effect.client).is_paused = false;
}

void Stage::run(PauseServer& effect) {
    find(effect.server).is_paused = true;
}

void Stage::run(ResumeServer& effect) {
    find(effect.server).is_paused = false;
}

void Stage::run(CloseClient& effect) {
    find(effect.client);
    clients_.erase(effect.client.value);
    client_ids_.give_back(effect.client);
}

void Stage::run(CloseServer& effect) {
    find(effect.server);
    servers_.erase(effect.server.value);
}

void Stage::run(OpenServer& effect) {
    const auto number = static_cast<unsigned>(serves_.size());
    const bool is_new = servers_.try_emplace(effect.server.value, effect.server, number).second;
    PGWEIR_ASSERT(is_new);
    serves_.emplace_back();
}

void Stage::run(Post& effect) {
    own_events_.push_back(Posted{0, std::move(effect.message)});
}

void Stage::run(AskProcess& effect) {
    own_events_.push_back(ReloadFinished{effect.client, "no", {}});
}

}  // namespace pgweir::fuzz
