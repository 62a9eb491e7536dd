// SPDX-License-Identifier: PostgreSQL
// Events in, effects out, in virtual time.
#include "sim/sim_front.h"

#include <algorithm>
#include <utility>

#include "pgweir/config/toml_reader.h"

namespace pgweir::sim {

SimWorker::SimWorker(SimFront& front, World& world, WorkerIndex index)
    : front_(front),
      world_(world),
      index_(index),
      entropy_(world.random().next()),
      looks_(world, *this),
      ids_(index),
      mail_(world.options().workers),
      proxy_(std::make_unique<proxy::Proxy>(proxy::ProxyParts{.worker = index,
                                                              .workers = world.options().workers,
                                                              .settings = front.settings(),
                                                              .limits = front.limits(),
                                                              .entropy = entropy_,
                                                              .seed = world.random().next(),
                                                              .log_level = LogLevel::Info},
                                            world.now())) {
    arm();
}

SimWorker::~SimWorker() = default;

void SimWorker::tell(Event event) {
    proxy_->handle(std::move(event), world_.now(), effects_);
    execute();
    arm();
}

void SimWorker::execute() {
    for (Effect& effect : effects_.all()) {
        std::visit([this](auto& one) { run(one); }, effect);
    }
    effects_.clear();
}

// The one timer of a worker; it may be a little late.
void SimWorker::arm() {
    const Instant wanted = proxy_->next_deadline();
    if (wanted == armed_) return;
    armed_ = wanted;
    ++armed_generation_;
    if (wanted.is_never()) return;
    const Duration late = Duration::microseconds(static_cast<std::int64_t>(
        world_.random().below(static_cast<std::uint64_t>(world_.options().timer_late_max.us) + 1)));
    world_.agenda().at(wanted + late, *this, Wake, armed_generation_);
}

void SimWorker::on_time(std::uint32_t what, std::uint64_t detail) {
    if (what == Wake) {
        if (detail != armed_generation_) return;
        armed_ = Instant::never();
        return tell(Woken{});
    }
    if (what == Accepted) {
        const Owner* who = owner(static_cast<Socket>(detail));
        if (who == nullptr) return;
        ClientAddress address;
        address.host = "10.0.0.1";
        address.port = 40000;
        return tell(ClientOpened{who->client, address});
    }
    if (what == Shutdown) return tell(ShutdownRequested{ShutdownMode::Drain});
    if (what == NewSettings) return tell(SettingsChanged{front_.settings()});
    if (what == Resolved) {
        const NodeAddress name = std::move(resolved_.front());
        resolved_.pop_front();
        return tell(NodeResolved{name, {name.host}, {}});
    }
    std::deque<Letter>& letters = mail_[detail];
    Letter letter = std::move(letters.front());
    letters.pop_front();
    tell(Posted{letter.from, std::move(letter.message)});
}

void SimWorker::deliver_post(WorkerIndex from, std::unique_ptr<Message> message) {
    const auto delay = static_cast<std::int64_t>(
        world_.random().below(static_cast<std::uint64_t>(world_.options().post_delay_max.us) + 1));
    Instant arrives = world_.now() + Duration::microseconds(delay);
    if (!mail_[from].empty()) arrives = std::max(arrives, mail_[from].back().arrives);
    mail_[from].push_back({from, std::move(message), arrives});
    world_.agenda().at(arrives, *this, Mail, from);
}

Endpoint* SimWorker::accept(Socket socket) {
    const ClientId client = ids_.allocate();
    clients_[client.value] = socket;
    owners_[socket] = {client, ServerId{}};
    world_.agenda().after({}, *this, Accepted, socket);
    return this;
}

void SimWorker::request_shutdown() {
    world_.agenda().after({}, *this, Shutdown);
}
void SimWorker::renew_settings() {
    world_.agenda().after({}, *this, NewSettings);
}

SimWorker::Owner* SimWorker::owner(Socket socket) {
    const auto found = owners_.find(socket);
    return found == owners_.end() ? nullptr : &found->second;
}

void SimWorker::forget(Socket socket) {
    const Owner gone = owners_[socket];
    owners_.erase(socket);
    if (gone.client) {
        clients_.erase(gone.client.value);
        ids_.give_back(gone.client);
    } else {
        servers_.erase(gone.server.value);
    }
}

void SimWorker::opened(Socket socket) {
    if (const Owner* who = owner(socket)) tell(ServerOpened{who->server});
}

void SimWorker::refused(Socket socket) {
    const Owner* who = owner(socket);
    if (who == nullptr) return;
    const ServerId server = who->server;
    world_.watch().closed(server.value, BorderWatch::ClosedBy::Network);
    forget(socket);
    tell(ServerOpenFailed{server, "connection refused"});
}

void SimWorker::received(Socket socket, ByteView bytes) {
    const Owner* who = owner(socket);
    if (who == nullptr) return;
    if (who->client) {
        world_.transcript().note("core.from_client", who->client.value & 0xffffff, socket, bytes);
        tell(ClientBytes{who->client, bytes});
    } else {
        world_.transcript().note("core.from_server", who->server.value & 0xffffff, socket, bytes);
        tell(ServerBytes{who->server, bytes});
    }
}

void SimWorker::closed(Socket socket, std::string_view reason) {
    const Owner* who = owner(socket);
    if (who == nullptr) return;
    const Owner gone = *who;
    forget(socket);
    world_.transcript().note("core.closed", gone.client.value + gone.server.value, socket,
                             as_bytes(reason));
    if (gone.client) {
        world_.truth().client_behind(socket >> 1).left = true;
        tell(ClientClosed{gone.client, std::string(reason)});
    } else {
        world_.watch().closed(gone.server.value, BorderWatch::ClosedBy::Network);
        tell(ServerClosed{gone.server, std::string(reason)});
    }
}

void SimWorker::blocked(Socket socket) {
    const Owner* who = owner(socket);
    if (who == nullptr) return;
    world_.transcript().fault("edge.blocked", socket);
    if (who->client) return tell(ClientBlocked{who->client});
    tell(ServerBlocked{who->server});
}

void SimWorker::drained(Socket socket) {
    const Owner* who = owner(socket);
    if (who == nullptr) return;
    world_.transcript().note("edge.drained", socket, 0);
    if (who->client) return tell(ClientDrained{who->client});
    tell(ServerDrained{who->server});
}

void SimWorker::run(SendToClient& effect) {
    const auto found = clients_.find(effect.client.value);
    if (found == clients_.end()) return;
    world_.transcript().note("core.to_client", effect.client.value & 0xffffff, found->second,
                             effect.bytes);
    world_.network().write(found->second, effect.bytes);
    world_.watch().sent_to_client(found->second);
}

void SimWorker::run(SendToServer& effect) {
    const auto found = servers_.find(effect.server.value);
    if (found == servers_.end()) return;
    world_.transcript().note("core.to_server", effect.server.value & 0xffffff, found->second,
                             effect.bytes);
    world_.watch().sending(effect.server.value, effect.bytes);
    world_.network().write(found->second, effect.bytes);
}

void SimWorker::run(StartClientTls&) {
    world_.transcript().violation("TLS was started, and none is configured");
}
void SimWorker::run(StartServerTls&) {
    world_.transcript().violation("TLS was started towards a node that answered N");
}

void SimWorker::run(PauseClient& effect) {
    const auto found = clients_.find(effect.client.value);
    if (found != clients_.end()) world_.network().pause(found->second);
}
void SimWorker::run(ResumeClient& effect) {
    const auto found = clients_.find(effect.client.value);
    if (found != clients_.end()) world_.network().resume(found->second);
}
void SimWorker::run(PauseServer& effect) {
    const auto found = servers_.find(effect.server.value);
    if (found != servers_.end()) world_.network().pause(found->second);
}
void SimWorker::run(ResumeServer& effect) {
    const auto found = servers_.find(effect.server.value);
    if (found != servers_.end()) world_.network().resume(found->second);
}

void SimWorker::run(CloseClient& effect) {
    const auto found = clients_.find(effect.client.value);
    if (found == clients_.end()) return;
    const Socket socket = found->second;
    world_.truth().client_behind(socket >> 1).left = true;
    world_.transcript().note("core.close_client", effect.client.value & 0xffffff, socket);
    forget(socket);
    world_.network().close(socket,
                           effect.mode == CloseMode::Flush ? CloseHow::Flush : CloseHow::Abort);
}

void SimWorker::run(CloseServer& effect) {
    const auto found = servers_.find(effect.server.value);
    if (found == servers_.end()) return;
    const Socket socket = found->second;
    world_.transcript().note("core.close_server", effect.server.value & 0xffffff, socket);
    world_.watch().closed(effect.server.value, BorderWatch::ClosedBy::Core);
    forget(socket);
    world_.network().close(socket,
                           effect.mode == CloseMode::Flush ? CloseHow::Flush : CloseHow::Abort);
}

void SimWorker::run(OpenServer& effect) {
    SimPostgres* node = world_.find_node(effect.address.host);
    Listener& listener = node == nullptr ? world_.nobody() : static_cast<Listener&>(*node);
    const Socket socket =
        world_.network().connect(*this, listener, world_.options().server_weather);
    world_.transcript().note("core.open_server", effect.server.value & 0xffffff, socket);
    servers_[effect.server.value] = socket;
    owners_[socket] = {ClientId{}, effect.server};
    world_.watch().opening(effect.server.value, socket, node);
}

void SimWorker::run(LookAtNode& effect) {
    looks_.look(effect);
}

void SimWorker::run(ForgetNode& effect) {
    looks_.forget(effect.node);
}

// Every name stands for itself.
void SimWorker::run(ResolveNode& effect) {
    resolved_.push_back(std::move(effect.name));
    world_.agenda().after({}, *this, Resolved);
}

void SimWorker::run(Post& effect) {
    world_.transcript().note("core.post", index_, effect.worker);
    front_.worker(effect.worker).deliver_post(index_, std::move(effect.message));
}

void SimWorker::run(WriteLog& effect) {
    world_.transcript().note("core.log", index_, static_cast<std::uint64_t>(effect.level),
                             as_bytes(effect.text));
}

void SimWorker::run(AskProcess& effect) {
    world_.transcript().note("core.ask_process", static_cast<std::uint64_t>(effect.request), 0);
    if (effect.request != ProcessRequest::Reload) front_.shut_down();
}

void SimWorker::run(RunCommand& effect) {
    world_.transcript().note("core.run_command", index_, 0, as_bytes(effect.command));
}

void SimWorker::run(Stopped&) {
    stopped_ = true;
}

SimFront::SimFront(World& world)
    : world_(world), settings_(config::read_toml(world.options().settings, "pgweir.toml")) {
    for (WorkerIndex i = 0; i < world.options().workers; ++i) {
        workers_.push_back(std::make_unique<SimWorker>(*this, world, i));
    }
}

SimFront::~SimFront() = default;

Endpoint* SimFront::accept(Socket socket) {
    if (shutting_down_) return nullptr;
    return workers_[world_.random().below(workers_.size())]->accept(socket);
}

void SimFront::shut_down() {
    if (shutting_down_) return;
    shutting_down_ = true;
    for (const auto& worker : workers_) worker->request_shutdown();
}

void SimFront::reload(const std::string& settings) {
    settings_ = config::read_toml(settings, "pgweir.toml");
    for (const auto& worker : workers_) worker->renew_settings();
}

bool SimFront::is_stopped() const {
    return std::all_of(workers_.begin(), workers_.end(),
                       [](const auto& worker) { return worker->is_stopped(); });
}

std::size_t SimFront::clients() const {
    std::size_t count = 0;
    for (const auto& worker : workers_) count += worker->clients();
    return count;
}

std::size_t SimFront::servers() const {
    std::size_t count = 0;
    for (const auto& worker : workers_) count += worker->servers();
    return count;
}

std::string SimFront::leftovers() const {
    const std::uint64_t servers = limits_.count(pool::Scope::ServersInAll, "");
    const std::uint64_t clients = limits_.count(pool::Scope::ClientsInAll, "");
    if (servers + clients == 0) return {};
    return std::to_string(servers) + " permits of servers and " + std::to_string(clients) +
           " of clients are not given back";
}

std::unique_ptr<Front> make_front(World& world) {
    return std::make_unique<SimFront>(world);
}

}  // namespace pgweir::sim
