// SPDX-License-Identifier: PostgreSQL
// Everything the core can ask the edge for. Effects are values: io executes them, the simulator
// executes them, a test compares them. They are executed in order.
//
// Whose bytes: a view in an effect points into the bytes of the event being handled or into the
// list's own scratch; both live until the effects of this event have been executed, not longer.
// The edge copies what it can't write at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/base/log.h"
#include "pgweir/config/monitor_login.h"
#include "pgweir/config/node_address.h"
#include "pgweir/config/tls_mode.h"
#include "pgweir/wire/http.h"

namespace pgweir {

struct SendToClient {
    ClientId client;
    ByteView bytes;
};
struct SendToServer {
    ServerId server;
    ByteView bytes;
};

// The edge starts a TLS handshake as the server side; what was sent before goes out in clear.
// ClientSecured follows, or ClientClosed. `received` are bytes of the handshake that the core was
// given already (direct TLS: the ClientHello is the first thing a client says).
struct StartClientTls {
    ClientId client;
    ByteView received;
    bool require_alpn = false;  // Direct TLS demands ALPN "postgresql".
};

// The edge starts a TLS handshake as the client side; ServerSecured follows, or ServerClosed.
struct StartServerTls {
    ServerId server;
    std::string host;  // For SNI and, in verify-full, for the certificate.
    TlsMode mode = TlsMode::Require;
};

// Reading stops (the kernel's buffer then holds up the sender) and goes on again.
struct PauseClient {
    ClientId client;
};
struct ResumeClient {
    ClientId client;
};
struct PauseServer {
    ServerId server;
};
struct ResumeServer {
    ServerId server;
};

enum class CloseMode : std::uint8_t {
    Flush,  // What was sent goes out first (bounded by the edge's own deadline), then an orderly
            // end.
    Abort,  // At once.
};
// No event names this client (or server) after these; the id is free.
struct CloseClient {
    ClientId client;
    CloseMode mode = CloseMode::Flush;
};
struct CloseServer {
    ServerId server;
    CloseMode mode = CloseMode::Flush;
};

// The edge resolves and connects; ServerOpened or ServerOpenFailed follows. Time limits are the
// core's: it answers a late one with CloseServer.
struct OpenServer {
    ServerId server;
    NodeAddress address;
};

// The edge looks at the node over a connection of its own, with libpq; NodeObserved follows, within
// `timeout` (0: one second) and a little. A look at that node that is still under way fails
// first. The connection that is kept open is watched between looks: when the node ends it,
// NodeObserved comes at once, without an order.
struct LookAtNode {
    NodeId node;
    NodeAddress address;
    bool over_new_connection = false;  // Else the one that is kept open for looks.
    Duration timeout;                  // It has failed if there is no answer by then.
    std::shared_ptr<const MonitorLogin> login;
};
// Nobody looks at this node any more: the connection that was kept open is closed. A look that is
// under way is not answered.
struct ForgetNode {
    NodeId node;
};

// The edge asks for the addresses of the node's name; NodeResolved follows, within five seconds and
// a little. An answer may be used again for some seconds.
struct ResolveNode {
    NodeAddress name;
};

// Another worker gets the message as a Posted event.
struct Message {
    Message() = default;
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    virtual ~Message() = default;
};
struct Post {
    WorkerIndex worker = 0;
    std::unique_ptr<Message> message;
};

struct WriteLog {
    LogLevel level = LogLevel::Info;
    std::string text;
};

// The console asked for what only the process can do.
enum class ProcessRequest : std::uint8_t { Reload, Shutdown, ShutdownNow };
struct AskProcess {
    ProcessRequest request = ProcessRequest::Reload;
    ClientId client;  // Who asked; a reload answers with ReloadFinished for that client.
};

// A command of the operator's, by the shell, with these variables in its environment. Nobody waits
// for it; the edge logs how it ended.
struct RunCommand {
    std::string command;
    std::vector<std::pair<std::string, std::string>> environment;
};

// The answer to HttpRequested.
struct AnswerHttp {
    HttpRequestId id;
    wire::HttpAnswer answer;
};

// This worker holds no client and no server any more, and shutdown was asked for.
struct Stopped {};

using Effect = std::variant<SendToClient, SendToServer, StartClientTls, StartServerTls, PauseClient,
                            ResumeClient, PauseServer, ResumeServer, CloseClient, CloseServer,
                            OpenServer, LookAtNode, ForgetNode, ResolveNode, Post, WriteLog,
                            AskProcess, RunCommand, AnswerHttp, Stopped>;

class EffectList {
 public:
    template <typename T>
    void push(T effect) {
        effects_.emplace_back(std::move(effect));
    }
    // Neighbouring views for one destination become one.
    void send(ClientId client, ByteView bytes) {
        if (bytes.empty()) return;
        if (!effects_.empty()) {
            if (auto* last = std::get_if<SendToClient>(&effects_.back());
                last != nullptr && last->client == client && adjoin(last->bytes, bytes)) {
                return;
            }
        }
        effects_.emplace_back(SendToClient{client, bytes});
    }
    void send(ServerId server, ByteView bytes) {
        if (bytes.empty()) return;
        if (!effects_.empty()) {
            if (auto* last = std::get_if<SendToServer>(&effects_.back());
                last != nullptr && last->server == server && adjoin(last->bytes, bytes)) {
                return;
            }
        }
        effects_.emplace_back(SendToServer{server, bytes});
    }

    // `n` bytes to write into, with a stable address until clear().
    Byte* scratch(std::size_t n) {
        if (chunk_used_ + n > kChunkBytes) return scratch_slow(n);
        if (chunk_ == nullptr) chunk_.reset(new Byte[kChunkBytes]);
        Byte* at = chunk_.get() + chunk_used_;
        chunk_used_ += n;
        return at;
    }
    // A copy in scratch, for bytes that would not live long enough.
    ByteView keep(ByteView bytes) {
        if (bytes.empty()) return {};
        Byte* at = scratch(bytes.size());
        std::memcpy(at, bytes.data(), bytes.size());
        return {at, bytes.size()};
    }

    void log(LogLevel level, std::string text) { push(WriteLog{level, std::move(text)}); }

    std::vector<Effect>& all() { return effects_; }
    const std::vector<Effect>& all() const { return effects_; }
    bool empty() const { return effects_.empty(); }
    std::size_t size() const { return effects_.size(); }

    // Keeps the memory of the list and of the first scratch chunk, so that steady state allocates
    // nothing.
    void clear() {
        effects_.clear();
        chunk_used_ = 0;
        if (!large_.empty()) large_.clear();
    }

 private:
    static constexpr std::size_t kChunkBytes = 16 * 1024;

    // True if `next` continues `view` in memory; `view` then covers both.
    static bool adjoin(ByteView& view, ByteView next) {
        if (view.data() + view.size() != next.data()) return false;
        view = ByteView(view.data(), view.size() + next.size());
        return true;
    }
    Byte* scratch_slow(std::size_t n) {
        large_.emplace_back(new Byte[n]);
        return large_.back().get();
    }

    std::vector<Effect> effects_;
    std::unique_ptr<Byte[]> chunk_;
    std::size_t chunk_used_ = 0;
    std::vector<std::unique_ptr<Byte[]>> large_;
};

}  // namespace pgweir
