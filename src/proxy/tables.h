// SPDX-License-Identifier: PostgreSQL
// What a worker's core holds: tenants, pools, clients, servers. Records only; what happens to them
// is in core.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/admin/console.h"
#include "pgweir/admin/stats.h"
#include "pgweir/auth/secret.h"
#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/config/settings.h"
#include "pgweir/pool/limits.h"
#include "pgweir/pool/login_gate.h"
#include "pgweir/pool/pool.h"
#include "pgweir/session/client_login.h"
#include "pgweir/session/client_session.h"
#include "pgweir/session/server_login.h"
#include "pgweir/session/server_session.h"

namespace pgweir::proxy {

struct PoolEntry;

// One (database, user) as clients name them: what holds for all of its pools.
struct Tenant {
    std::string database;
    std::string user;
    config::EffectivePool config;
    session::SessionRules rules;
    auth::LoginSecret secret;  // Learnt from the last login that told one.
    std::size_t clients = 0;
    bool has_client_timeouts = false;
    PoolEntry* pool = nullptr;  // Where its route leads, as long as `config` stays.
    // Parameters of a fresh server, and what became of them with a client's startup parameters:
    // such a client can be greeted without a server.
    session::ParametersRef base;
    std::map<session::ParametersRef, session::ParametersRef> greetings;
    admin::StatsCounters stats;
};

// What became of a login of a server that says something about all logins like it.
struct LoginTrouble {
    std::string sqlstate;  // Of class 28 or 3D and the like: who waits is told at once.
    std::string message;
};

// The servers of one tenant on one node.
struct PoolEntry {
    PoolEntry(Tenant& owner, NodeAddress node_address, PoolId id, pool::PoolKey key,
              std::shared_ptr<pool::WaitBoard> board, WorkerIndex worker, pool::LoginGate own_gate)
        : tenant(owner),
          address(std::move(node_address)),
          pool(id, std::move(key), std::move(board), worker),
          gate(own_gate) {}

    Tenant& tenant;
    NodeAddress address;
    pool::Pool pool;
    pool::LoginGate* node_gate = nullptr;  // Of the node, shared by its pools; never null.
    pool::LoginGate gate;                  // Closed while the servers refuse this tenant.
    LoginTrouble trouble;                  // While that gate is failing.
    std::string last_failure;  // Of a login, whatever the reason; empty after a success.
    Instant timer = Instant::never();
    Instant yields_until{};
    bool is_starving = false;      // Refused a permit since its line last moved.
    std::string full_option;       // The limit that refused it, and
    std::uint64_t full_limit = 0;  // its value.
    std::uint32_t generation = 0;  // Servers of an older one are closed when they are free.
};

struct CancelKey {
    std::uint32_t process_id = 0;
    std::array<Byte, 32> secret{};
    std::uint8_t secret_bytes = 0;  // 4 with protocol 3.0, 32 with 3.2.
};

struct Console {
    explicit Console(admin::Role role) : session(role) {}

    admin::ConsoleSession session;
    ByteQueue input;
    std::string user;
    bool is_waiting = false;  // For other workers, or for the edge.
};

struct Client {
    enum class Phase : std::uint8_t {
        Login,       // `login` speaks.
        UserLookup,  // auth_query is asked.
        Greeting,    // Authenticated; a server must show what the startup parameters come to.
        Session,     // `session` speaks.
        Console,     // `console` speaks.
        Raw,         // Handed through: replication.
        Closing,     // Told good-bye; the edge closes it.
    };

    ClientId id;
    Phase phase = Phase::Login;
    bool is_waiting = false;  // In the line of `waits_in`.
    bool is_paused = false;   // We asked not to read it.
    bool is_blocked = false;  // It does not read.
    bool is_tls = false;
    bool is_unix = false;
    bool is_replication = false;
    std::uint16_t port = 0;
    std::unique_ptr<session::ClientLogin> login;
    std::unique_ptr<session::ClientSession> session;
    std::unique_ptr<Console> console;
    Tenant* tenant = nullptr;
    PoolEntry* waits_in = nullptr;
    pool::WaitingLine::Ticket ticket = 0;
    ServerId server;
    session::ParametersRef startup;                             // Only while greeting.
    auth::AuthMethod lookup_method = auth::AuthMethod::Reject;  // Only while a user is looked up.
    std::uint8_t cancel_replies = 0;  // Other workers that have not answered its cancel request.
    CancelKey key;
    pool::Permit permit;
    std::string host;
    Instant connected_at;
    Instant request_at;  // The last bytes from it.
    Instant ready_at;    // The last ReadyForQuery to it, or the login.
    Instant leased_at;
    Instant query_at;  // Its server has owed answers since.
    Instant blocked_at;
    Instant timer = Instant::never();
};

struct Server {
    enum class Phase : std::uint8_t {
        Connecting,
        LoggingIn,
        Idle,
        Leased,
        Cleaning,  // Its client is gone, or a cancel request is on its way.
        Closing,   // Told good-bye; counts until it has gone.
    };
    // Cleaning goes through these, each only if it is needed.
    enum class CleanStep : std::uint8_t { Drain, Rollback, Reset, Done };

    ServerId id;
    Phase phase = Phase::Connecting;
    CleanStep clean_step = CleanStep::Drain;
    bool must_reset = false;  // A session used it.
    bool closes_when_free = false;
    bool is_paused = false;          // We asked not to read it.
    bool is_output_blocked = false;  // It does not read what we send.
    bool is_one_use = false;         // Replication: never pooled.
    std::uint32_t cancels = 0;       // Cancel requests for it that have not ended.
    std::uint32_t generation = 0;
    PoolEntry* pool = nullptr;
    std::unique_ptr<session::ServerLogin> login;
    std::unique_ptr<session::ServerSession> session;
    ClientId client;
    ClientId lookup_for;  // A login that waits for auth_query's answer.
    pool::Permit permit;
    bool is_tls = false;
    Instant opened_at;
    Instant used_at;
    Instant expires;
};

// A connection that carries one CancelRequest. It speaks no more than that.
struct CancelLink {
    enum class State : std::uint8_t { Connecting, TlsAsked, Securing, Sent };

    ServerId id;
    ServerId target;
    ClientId client;     // Whose query is meant; none: an orphaned one.
    ClientId requester;  // The connection that brought the request, closed when it is done.
    WorkerIndex requester_worker = 0;
    State state = State::Connecting;
    NodeAddress address;
    TlsMode tls_mode = TlsMode::Prefer;
    Instant deadline;
};

}  // namespace pgweir::proxy
