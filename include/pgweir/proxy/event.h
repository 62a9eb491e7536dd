// SPDX-License-Identifier: PostgreSQL
// Everything that can happen to a worker's core. Effects are its answer (session/effect.h).
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "pgweir/base/bytes.h"
#include "pgweir/base/ids.h"
#include "pgweir/cluster/observation.h"
#include "pgweir/session/connection_facts.h"
#include "pgweir/session/effect.h"
#include "pgweir/wire/http.h"

namespace pgweir {

namespace config {
class Settings;
}  // namespace config

// The edge chose the id (IdAllocator); the client may speak.
struct ClientOpened {
    ClientId client;
    ClientAddress address;
};
struct ClientBytes {
    ClientId client;
    ByteView bytes;  // Consumed: the core keeps what it needs.
};
struct ClientSecured {
    ClientId client;
    TlsPeer tls;
};
// End of file, reset, or a failed handshake: nothing more will come, nothing can be sent. The core
// forgets the client and answers with no CloseClient: the edge has closed it.
struct ClientClosed {
    ClientId client;
    std::string reason;
};
// More than the high watermark of bytes waits to go out; fewer than the low watermark do again.
struct ClientBlocked {
    ClientId client;
};
struct ClientDrained {
    ClientId client;
};

// The core chose the id (OpenServer).
struct ServerOpened {
    ServerId server;
};
struct ServerOpenFailed {
    ServerId server;
    std::string reason;
};
struct ServerBytes {
    ServerId server;
    ByteView bytes;
};
struct ServerSecured {
    ServerId server;
    TlsPeer tls;
};
// As ClientClosed.
struct ServerClosed {
    ServerId server;
    std::string reason;
};
struct ServerBlocked {
    ServerId server;
};
struct ServerDrained {
    ServerId server;
};

// What a look at a node saw (LookAtNode); or a failure that nobody asked for: the node has ended
// the connection that was kept open for looks (it stops, or its process is gone).
struct NodeObserved {
    NodeId node;
    cluster::Observation seen;
};

// What a node's name stands for (ResolveNode).
struct NodeResolved {
    NodeAddress name;
    // Numeric hosts in a fixed order, however the name server shuffles them; a numeric host or the
    // directory of a Unix socket stands for itself. If the name can't be resolved, those that it
    // stood for when it last could, if it ever could.
    std::vector<std::string> addresses;
    std::string failure;  // Why there are none.
};

// From another worker, or from this one.
struct Posted {
    WorkerIndex from = 0;
    std::unique_ptr<Message> message;
};

// next_deadline() has come.
struct Woken {};

// New settings were read and checked; every worker gets the same object.
struct SettingsChanged {
    std::shared_ptr<const config::Settings> settings;
};
// What a reload that this client asked for (AskProcess) came to.
struct ReloadFinished {
    ClientId client;
    std::string failure;               // Empty: applied.
    std::vector<std::string> notices;  // E.g. options that need a restart.
};

// Somebody asks over HTTP, for what http_api.h of admin knows. Each is answered once (AnswerHttp),
// now or later, whether or not anybody still listens.
struct HttpRequested {
    HttpRequestId id;
    wire::HttpRequest request;
};

enum class ShutdownMode : std::uint8_t {
    Drain,  // Transactions finish, up to shutdown_timeout; then as Now.
    Now,    // Everybody gets 57P01 at once.
};
struct ShutdownRequested {
    ShutdownMode mode = ShutdownMode::Drain;
};

using Event =
    std::variant<ClientBytes, ServerBytes, ClientOpened, ClientSecured, ClientClosed, ClientBlocked,
                 ClientDrained, ServerOpened, ServerOpenFailed, ServerSecured, ServerClosed,
                 ServerBlocked, ServerDrained, NodeObserved, NodeResolved, Posted, Woken,
                 SettingsChanged, ReloadFinished, HttpRequested, ShutdownRequested>;

}  // namespace pgweir
