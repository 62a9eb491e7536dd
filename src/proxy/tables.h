// SPDX-License-Identifier: PostgreSQL
// What a worker's core holds: tenants, pools, clients, servers. Records only; what happens to them
// is in core.h.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/admin/console.h"
#include "pgweir/admin/stats.h"
#include "pgweir/auth/secret.h"
#include "pgweir/base/ids.h"
#include "pgweir/base/instant.h"
#include "pgweir/cluster/cluster.h"
#include "pgweir/cluster/cluster_view.h"
#include "pgweir/cluster/freshness.h"
#include "pgweir/config/monitor_login.h"
#include "pgweir/config/settings.h"
#include "pgweir/pool/limits.h"
#include "pgweir/pool/login_gate.h"
#include "pgweir/pool/pool.h"
#include "pgweir/route/router.h"
#include "pgweir/session/client_login.h"
#include "pgweir/session/client_session.h"
#include "pgweir/session/server_login.h"
#include "pgweir/session/server_session.h"
#include "pgweir/session/tls_choice.h"

namespace pgweir::proxy {

// The worker that observes all clusters.
inline constexpr WorkerIndex kObserver = 0;
// A pool that gave up a server for others does not open one for so long.
inline constexpr Duration kYieldTime = Duration::milliseconds(50);
// Reads run again elsewhere after so many servers in a row that were lost with them.
inline constexpr std::uint8_t kLossesMax = 2;

struct PoolEntry;

// What this worker counts of its traffic to one node.
struct NodeStats {
    std::uint64_t reads = 0;    // Leases for reads.
    std::uint64_t writes = 0;   // All others.
    std::uint64_t retries = 0;  // Reads that it refused or lost, and that ran again elsewhere.
};

// The nodes of one or several databases. One worker observes them; all route by its views.
// What has become of the nodes of a cluster since the start.
struct ClusterCounts {
    std::uint64_t failovers = 0;
    std::uint64_t lost_sessions = 0;
    std::uint64_t lost_bytes = 0;
    std::uint64_t lost_lately = 0;  // Of these bytes: by the last failover.
    std::uint64_t changes = 0;
    std::uint64_t alarms = 0;
};

struct ClusterEntry {
    std::string key;  // The nodes, as text: the same for all workers.
    // Null until the first has come.
    cluster::ClusterViewRef view;
    // These run parallel to view->nodes.
    std::vector<route::NodeLoad> loads;
    std::vector<NodeStats> stats;
    // Clients and errands that wait for another view.
    std::vector<ClientId> waiting;
    // Whose servers may be written to: a node that the view called its primary, once no worker had
    // a server left that could write to another one. Writes need that it is the primary still.
    NodeId writer;
    // Clients that wait for that, first come, first served.
    std::deque<ClientId> held;
    std::size_t batch = 0;                // So many of them go on next; 0: none does.
    Instant batch_at = Instant::never();  // When.
    // Nodes that are being emptied, since when.
    struct Emptied {
        NodeId node;
        Instant since;
    };
    std::vector<Emptied> emptied;
    // By node: since when somebody needs a look that has not come yet.
    struct Wanted {
        NodeId node;
        Instant since;
        Instant last_seen;  // Start of the newest sample when the look was asked for.
    };
    std::vector<Wanted> wanted;
    // Reads that ran again elsewhere, lately: while there are too many, reads go to the primary.
    std::uint64_t retries_left = 10;
    Instant retries_renewed{};
    std::uint64_t reads_lately = 0;
    Instant latencies_at{};

    // Only at the worker that observes them.
    std::unique_ptr<cluster::Cluster> observed;
    std::shared_ptr<const MonitorLogin> login;
    std::deque<cluster::ClusterEvent> events;  // The last of them, for SHOW EVENTS.
    ClusterCounts counts;
    // The primary to come, the first view that called it so, and the workers that may still have a
    // server that could write elsewhere.
    NodeAddress last_primary;  // Empty: nobody is to be told that it is lost.
    Instant primary_lost_at = Instant::never();
    NodeId next_writer;
    std::uint64_t next_writer_version = 0;
    std::uint64_t workers_to_close = 0;
};

// What is known of one database's functions, operators and relations.
struct CatalogEntry {
    sql::CatalogRef catalog;  // Null: not read yet, or it may have changed.
    ClientId reading;         // The errand, if one is under way.
    Instant read_at{};
    Instant try_at{};  // Not before this.
};

// One (database, user) as clients name them: what holds for all of its pools.
struct Tenant {
    std::string database;
    std::string user;
    config::EffectivePool config;
    session::SessionRules rules;
    auth::LoginSecret secret;  // Learnt from the last login that told one.
    std::size_t clients = 0;
    bool has_client_timeouts = false;
    // With one node: its pool, as long as `config` stays.
    PoolEntry* pool = nullptr;
    // With several: the cluster, and the pools on its nodes.
    ClusterEntry* cluster = nullptr;
    std::vector<std::pair<NodeId, PoolEntry*>> node_pools;
    CatalogEntry* catalog = nullptr;
    route::RouteRules route_rules;
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
    NodeId node;  // Null if the database has one node only.
    pool::Pool pool;
    pool::LoginGate* node_gate = nullptr;  // Of the node, shared by its pools; never null.
    pool::LoginGate gate;                  // Closed while the servers refuse this tenant.
    LoginTrouble trouble;                  // While that gate is failing.
    session::TlsChoice tls;
    std::string last_failure;  // Of a login, whatever the reason; empty after a success.
    Instant timer = Instant::never();
    Instant yields_until{};
    bool is_starving = false;      // Refused a permit since its line last moved.
    bool is_shut = false;          // Its node gets no work (drained, fenced): no new servers, and
                                   // those that it has are closed when they are free.
    bool is_warm = false;          // Its node may become the primary: some servers stay open.
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

// Who asks for a command: a client of the console, or somebody over HTTP. Neither: another worker.
struct Asker {
    ClientId client = {};
    HttpRequestId http = {};
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
    bool is_waiting = false;  // In the line of `waits_in`, or (null) for another view.
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

    // --- Of a database with several nodes.
    session::RouteWish wish;  // Said at login.
    cluster::Freshness freshness;
    Instant routed_at{};    // Since when the unit at the front has wanted a node; 0: it does not.
    NodeId avoid;           // This node has refused or lost the unit at the front,
    Instant avoid_since{};  // at this moment.
    NodeId load_node;       // Where it counts as load, since
    Instant load_since{};
    bool leases_for_read = false;
    bool reads = false;              // It has read what a standby may serve.
    bool has_waited_enough = false;  // For a fresh standby.
    bool waits_to_move = false;
    bool is_held = false;        // In the line for a writer; else, if it waits, for another view.
    bool is_next = false;        // It has stood in that line, and may pass it.
    std::uint8_t losses = 0;     // Servers in a row that were lost with its reads.
    std::uint8_t fallbacks = 0;  // Reads in a row that the primary has served for a standby.
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
    ClientId errand;  // A query of pgweir's own that leases it.
    pool::Permit permit;
    bool is_tls = false;
    TlsMode tls_mode = TlsMode::Prefer;  // Of its login: what TlsChoice made of the settings'.
    Instant opened_at;
    Instant logged_in_at;
    Instant used_at;
    Instant heard_at;  // The last bytes from it.
    Instant expires;
};

// A connection that carries one CancelRequest, to a node or to the instance of pgweir whose client
// is meant. It speaks no more than that.
struct CancelLink {
    enum class State : std::uint8_t {
        Connecting,
        TlsAsked,
        Securing,
        Held,  // The server runs a statement of pgweir's own, which is not what is meant.
        Sent,
    };

    ServerId id;
    ServerId target;     // None: `handed_on` goes to another instance.
    Bytes handed_on;     // The whole request.
    ClientId client;     // Whose query is meant; none: an orphaned one.
    ClientId requester;  // The connection that brought the request, closed when it is done.
    WorkerIndex requester_worker = 0;
    State state = State::Connecting;
    NodeAddress address;
    TlsMode tls_mode = TlsMode::Prefer;
    Instant deadline;
};

}  // namespace pgweir::proxy
