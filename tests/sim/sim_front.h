// SPDX-License-Identifier: PostgreSQL
// The edge of the simulation: hands events to the real cores and executes their effects, as io
// does, in virtual time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "pgweir/base/slot_table.h"
#include "pgweir/pool/limits.h"
#include "pgweir/proxy/proxy.h"
#include "sim/sim_looks.h"
#include "sim/world.h"

namespace pgweir::sim {

class SimFront;

// The operating system's generator, seeded.
class SimEntropy final : public Entropy {
 public:
    explicit SimEntropy(std::uint64_t seed) : random_(seed) {}
    void fill(std::span<std::uint8_t> out) override { random_.fill(out); }

 private:
    Random random_;
};

// One worker: its core, and the sockets that belong to its clients and servers.
class SimWorker final : public Endpoint, public Actor {
 public:
    SimWorker(SimFront& front, World& world, WorkerIndex index);
    ~SimWorker() override;

    Endpoint* accept(Socket socket);
    void tell(Event event);
    // At the next happening, not in the middle of this one.
    void request_shutdown();
    void renew_settings();
    void deliver_post(WorkerIndex from, std::unique_ptr<Message> message);
    bool is_stopped() const { return stopped_; }
    std::size_t clients() const { return clients_.size(); }
    std::size_t servers() const { return servers_.size(); }

    void opened(Socket socket) override;
    void refused(Socket socket) override;
    void received(Socket socket, ByteView bytes) override;
    void closed(Socket socket, std::string_view reason) override;
    void blocked(Socket socket) override;
    void drained(Socket socket) override;
    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    enum What : std::uint32_t { Wake, Mail, Accepted, Shutdown, NewSettings, Resolved };
    struct Owner {  // Of a socket.
        ClientId client;
        ServerId server;
    };
    struct Letter {
        WorkerIndex from;
        std::unique_ptr<Message> message;
        Instant arrives;
    };

    Owner* owner(Socket socket);
    void forget(Socket socket);
    void arm();
    void execute();
    void run(SendToClient& effect);
    void run(SendToServer& effect);
    void run(StartClientTls& effect);
    void run(StartServerTls& effect);
    void run(PauseClient& effect);
    void run(ResumeClient& effect);
    void run(PauseServer& effect);
    void run(ResumeServer& effect);
    void run(CloseClient& effect);
    void run(CloseServer& effect);
    void run(OpenServer& effect);
    void run(LookAtNode& effect);
    void run(ForgetNode& effect);
    void run(ResolveNode& effect);
    void run(Post& effect);
    void run(WriteLog& effect);
    void run(AskProcess& effect);
    void run(RunCommand& effect);
    void run(AnswerHttp&) {}
    void run(Stopped& effect);

    SimFront& front_;
    World& world_;
    WorkerIndex index_;
    SimEntropy entropy_;
    SimLooks looks_;
    IdAllocator<ClientId> ids_;
    EffectList effects_;
    std::unordered_map<std::uint64_t, Socket> clients_;  // Only looked up.
    std::unordered_map<std::uint64_t, Socket> servers_;
    std::unordered_map<Socket, Owner> owners_;
    std::vector<std::deque<Letter>> mail_;  // By sender: their order is kept.
    std::deque<NodeAddress> resolved_;      // Names that are asked for.
    Instant armed_ = Instant::never();
    std::uint64_t armed_generation_ = 0;
    bool stopped_ = false;
    std::unique_ptr<proxy::Proxy> proxy_;
};

class SimFront final : public Front {
 public:
    explicit SimFront(World& world);
    ~SimFront() override;

    Endpoint* accept(Socket socket) override;
    void shut_down() override;
    void reload(const std::string& settings) override;
    bool is_stopped() const override;
    std::size_t clients() const override;
    std::size_t servers() const override;
    std::string leftovers() const override;

    SimWorker& worker(WorkerIndex index) { return *workers_[index]; }
    pool::Limits& limits() { return limits_; }
    std::shared_ptr<const config::Settings> settings() const { return settings_; }

 private:
    World& world_;
    pool::Limits limits_;
    std::shared_ptr<const config::Settings> settings_;
    std::vector<std::unique_ptr<SimWorker>> workers_;
    bool shutting_down_ = false;
};

}  // namespace pgweir::sim
