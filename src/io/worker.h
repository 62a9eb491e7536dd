// SPDX-License-Identifier: PostgreSQL
// Where core and libuv meet: one loop's connections on one side, one core on the other. The worker
// tells the core what happened and does what it asks for; it decides nothing.
//
// Effects are executed after the core has returned, in order. What they cause (a write that fails,
// a handshake that is over at once) is told to the core afterwards, never in between.
#pragma once

#include <uv.h>

#include <atomic>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "io/command_runner.h"
#include "io/core.h"
#include "io/dialer.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/prober.h"
#include "io/stream.h"
#include "io/stream_table.h"
#include "io/tls_context.h"
#include "pgweir/base/log.h"
#include "pgweir/base/slot_table.h"
#include "pgweir/config/settings.h"

namespace pgweir::io {

// A client that another thread has accepted.
struct NewClient {
    UniqueFd socket;
    ClientAddress address;
};

struct NewSettings {
    std::shared_ptr<const config::Settings> settings;
    std::shared_ptr<const TlsContexts> tls;
};

using WorkerLetter =
    std::variant<NewClient, Posted, NewSettings, ReloadFinished, ShutdownRequested>;

// What a worker can't do alone. All of these are called on the worker's thread.
class WorkerHost {
 public:
    virtual void post(WorkerIndex to, Posted letter) = 0;
    virtual void ask(WorkerIndex from, AskProcess request) = 0;
    virtual void answer(AnswerHttp answer) = 0;
    // It holds no connection any more, and its handles are closed.
    virtual void on_worker_stopped(WorkerIndex worker) = 0;

 protected:
    ~WorkerHost() = default;
};

struct WorkerParts {
    WorkerIndex index = 0;
    Loop& loop;
    WorkerHost& host;
    Log& log;
    std::shared_ptr<const config::Settings> settings;
    std::shared_ptr<const TlsContexts> tls;
    std::unique_ptr<Core> core;
};

class Worker final : StreamOwner, DialerOwner, ProberOwner {
 public:
    // Connections that still finish; the oldest goes when there are more.
    static constexpr std::size_t kFinishingMax = 512;
    static constexpr Duration kFinishingPatience = Duration::seconds(5);

    // Constructed on any thread, before the loop runs; then on the loop's thread only.
    explicit Worker(WorkerParts parts);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker();

    // From any thread.
    void put(WorkerLetter letter) { mailbox_.put(std::move(letter)); }
    // Clients it has, or was promised; from any thread.
    std::uint32_t client_count() const { return client_count_.load(std::memory_order_relaxed); }
    void promise_client() { client_count_.fetch_add(1, std::memory_order_relaxed); }

    // On its own thread. REQUIRES: promise_client() was called.
    void open_client(NewClient client);
    // On its own thread. False if it has stopped; else the host's answer() follows.
    bool ask_http(HttpRequested request);

 private:
    void on_bytes(Stream& stream, ByteView bytes) override;
    void on_secured(Stream& stream, TlsPeer peer) override;
    void on_closed(Stream& stream, std::string reason) override;
    void on_blocked(Stream& stream) override;
    void on_drained(Stream& stream) override;
    void on_finished(Stream& stream) override;
    void on_dialed(ServerId server, UniqueFd socket) override;
    void on_dial_failed(ServerId server, std::string reason) override;
    void on_observed(NodeId node, cluster::Observation seen) override;
    void on_resolved(NodeResolved answer) override;
    void on_letter(WorkerLetter letter);

    // Tells the core now, or after the effects that are being executed.
    void tell(Event event);
    // REQUIRES: no effects are being executed.
    void deliver(Event&& event);
    void deliver_told();
    void handle(Event&& event);
    // False if the core has closed meanwhile whom the event is about; a connection that the event
    // says is closed is let go of.
    bool prepare(const Event& event);
    bool lose_client(ClientId client);
    bool lose_server(ServerId server);

    void execute();
    template <typename Send>
    std::size_t execute_sends(std::size_t first, Stream* stream);
    void execute_one(Effect& effect);
    void run(const SendToClient& send);
    void run(const SendToServer& send);
    void run(const StartClientTls& start);
    void run(const StartServerTls& start);
    void run(const PauseClient& pause);
    void run(const ResumeClient& resume);
    void run(const PauseServer& pause);
    void run(const ResumeServer& resume);
    void run(const CloseClient& close);
    void run(const CloseServer& close);
    void run(const OpenServer& open);
    void run(const LookAtNode& look);
    void run(const ForgetNode& forget);
    void run(const ResolveNode& resolve);
    Prober& prober();
    void run(Post& post);
    void run(const WriteLog& line);
    void run(const AskProcess& request);
    void run(const RunCommand& order);
    void run(AnswerHttp& answer);
    void run(const Stopped& stopped);
    void close_stream(Stream* stream, CloseMode mode);

    void begin_finishing(Stream& stream);
    void end_finishing(Stream& stream);
    void watch_finishing();
    void stop_if_done();
    void want_next_deadline();
    Instant now();

    const WorkerIndex index_;
    Loop& loop_;
    WorkerHost& host_;
    Log& log_;
    std::shared_ptr<const config::Settings> settings_;
    std::shared_ptr<const TlsContexts> tls_;

    StreamShared streams_;
    IdAllocator<ClientId> client_ids_;
    StreamTable<ClientId> clients_;
    StreamTable<ServerId> servers_;
    std::vector<Stream*> finishing_;
    std::atomic<std::uint32_t> client_count_{0};
    Dialer dialer_;
    CommandRunner commands_;
    std::unique_ptr<Prober> prober_;  // Most workers never look at a node.
    Mailbox<WorkerLetter> mailbox_;
    DeadlineTimer deadline_;
    Handle<uv_timer_t> finishing_timer_;
    Handle<uv_prepare_t> prepare_;

    // The clock is asked at most once for so many events, and anew in each turn of the loop.
    static constexpr int kEventsOfOneInstant = 4;
    // Where what a session has seen is compared with what was seen of a node, an event's time must
    // not be before the moment at which its bytes were read.
    bool asks_each_time_ = false;
    Instant now_;
    int events_left_ = 0;

    EffectList effects_;
    std::vector<ByteView> gathered_;  // For one send.
    std::vector<Event> told_;         // While effects are being executed.
    bool executing_ = false;
    bool stopping_ = false;
    bool stopped_ = false;
    // Last, so that it goes first.
    std::unique_ptr<Core> core_;
};

}  // namespace pgweir::io
