// SPDX-License-Identifier: PostgreSQL
// The core of one worker: joins sessions, pools and settings. It looks up, hands over and records;
// what a message or a statement means is decided on the floors below.
//
//   file            what
//   core.cc         dispatch of events, deadlines, work left for the end of an event
//   logins.cc       clients until their session begins
//   clients.cc      clients in session: messages, leases, good-byes, timeouts
//   server_logins.cc  servers until they are ready
//   servers.cc      servers after that: bytes, loss, cleaning
//   pools.cc        tenants and pools: who gets a server, when one is opened or closed
//   cancel.cc       cancel requests
//   errands.cc      queries of pgweir's own: auth_query, the catalogs
//   clusters.cc     nodes: looks at them, views of them, who waits for one
//   routing.cc      where a client's unit runs; reads that run again elsewhere
//   failover.cc     another primary: who is closed before it is written to, who waits for it
//   silence.cc      nodes that owe answers and say nothing
//   own_commands.cc SET, RESET and SHOW of pgweir's own parameters
//   console.cc      the console's messages, and what it shows
//   console_nodes.cc  of these, those about nodes and routes
//   orders.cc       what an operator asks for, and who hears what became of it
//   node_orders.cc  SWITCHOVER, DRAIN, UNDRAIN
//   http.cc         the same, and what is shown, over HTTP
//   exchange.cc     what workers say to one another
//   lifecycle.cc    settings, pause, shutdown
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pgweir/auth/cancel_keys.h"
#include "pgweir/auth/client_authenticator.h"
#include "pgweir/auth/hba.h"
#include "pgweir/auth/user_directory.h"
#include "pgweir/base/random.h"
#include "pgweir/base/slot_table.h"
#include "pgweir/base/timer_queue.h"
#include "pgweir/proxy/event.h"
#include "pgweir/proxy/proxy.h"
#include "proxy/catalog_read.h"
#include "proxy/messages.h"
#include "proxy/tables.h"
#include "proxy/user_lookup.h"

namespace pgweir::proxy {

class Core {
 public:
    Core(ProxyParts parts, Instant now);
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    ~Core();

    void handle(Event& event, Instant now, EffectList& effects);
    Instant next_deadline();

 private:
    // --- core.cc
    void dispatch(Event& event);
    bool has_leftovers() const {
        return !to_pump_.empty() || !to_refuse_.empty() || !to_fail_.empty() || is_retry_wanted_ ||
               now_ >= clusters_deadline_ || !late_leases_.empty() || !freed_server_ids_.empty() ||
               !orders_.empty() || life_ != Life::Running;
    }
    void finish_event();
    void on_woken();
    void log(LogLevel level, std::string text);
    bool logs(LogLevel level) const { return level >= parts_.log_level; }
    void send(ClientId client, const Bytes& bytes) {
        effects_->send(client, effects_->keep(bytes));
    }
    void send(ServerId server, const Bytes& bytes) {
        effects_->send(server, effects_->keep(bytes));
    }

    // --- logins.cc
    void client_opened(ClientOpened& event);
    void login_bytes(Client& client, ByteView bytes);
    void take_step(Client& client, session::ClientLogin::Step step);
    void decide(Client& client);
    void decide_with_secret(Client& client, auth::AuthMethod method,
                            std::optional<auth::Secret> secret);
    void admit(Client& client);
    void admit_to_console(Client& client);
    bool admit_to_database(Client& client);
    bool read_startup_parameters(Client& client);
    bool take_own_startup(Client& client, std::string_view name, std::string_view value);
    void begin_greeting(Client& client);
    // The client's server shows what the startup parameters come to.
    void try_parameters(Client& client, Server& server);
    void parameters_tried(Client& client, Server& server, bool failed);
    void greet(Client& client, session::ParametersRef reported);
    void make_cancel_key(Client& client, std::uint32_t process_id);
    void open_replication(Client& client);
    void begin_raw(Client& client, Server& server);
    // Says why, closes the client, gives back what it holds.
    void refuse(Client& client, wire::Refusal refusal);
    auth::HbaRules compile_hba(const config::Settings& settings) const;
    std::shared_ptr<const auth::UserList> build_users(const config::Settings& settings);

    // --- clients.cc
    void client_bytes(ClientId id, ByteView bytes);
    void client_closed(ClientId id, const std::string& reason);
    void client_blocked(ClientId id, bool blocked);
    void session_bytes(Client& client, ByteView bytes);
    // Consumes what it can; false if the client is gone.
    bool pump(Client& client, ByteView bytes, session::Source source, std::size_t& used);
    // The input that waited, again; after a lease was granted, say.
    void pump_held(Client& client);
    void hold(ByteQueue& input, ByteView bytes);
    void release(ByteQueue& input, std::size_t used);
    bool must_hold(Client& client);
    void check_input(Client& client);
    void pause_client(Client& client, bool pause);
    // A server for the client: at once (true), or a place in line.
    bool acquire(Client& client);
    bool acquire_from(Client& client, PoolEntry& entry);
    void begin_lease(Client& client, Server& server, Instant waited_since);
    // The client's server goes back; the client stays.
    void end_lease(Client& client, Server& server);
    // The client ends: what it holds is cleaned or closed. The record is gone afterwards.
    void forget_client(Client& client, const std::string& reason);
    void close_client(Client& client, CloseMode mode, const std::string& reason);
    // FATAL, then close_client.
    void dismiss(Client& client, wire::Refusal refusal);
    void leave_line(Client& client);
    Instant client_deadline(const Client& client, wire::Refusal* refusal) const;
    void arm(Client& client);
    void client_timer(Client& client);

    // --- server_logins.cc
    Server& open_server(PoolEntry& entry, pool::Permit permit);
    void server_opened(ServerId id);
    void server_open_failed(ServerId id, const std::string& reason);
    void server_secured(ServerId id, TlsPeer& tls);
    void login_succeeded(Server& server);
    void note_role(Server& server);
    void login_failed(Server& server, const session::ServerLoginFailure& failure);
    void log_in_again(Server& server);
    void ask_for_room(PoolEntry& entry);

    // --- servers.cc
    void server_bytes(ServerId id, ByteView bytes);
    void server_closed(ServerId id, const std::string& reason);
    void server_blocked(ServerId id, bool blocked);
    void leased_bytes(Server& server, ByteView bytes);
    void after_bytes(Server& server, Client* client, session::ServerNews& news);
    static bool is_sending(const Client& client);
    void end_late_leases();
    void settings_failed(Server& server, Client* client);
    void abandon(Server& server, Client& client, wire::Refusal refusal);
    void pause_server(Server& server, bool pause);
    // A leased or cleaning server whose client has gone.
    void orphan(Server& server, const Client& client);
    void clean(Server& server);
    // Clean: to the pool, or closed.
    void park(Server& server);
    bool must_close(const Server& server) const;
    bool is_wanted_elsewhere(const PoolEntry& entry);
    // Orderly: Terminate, then until it has gone. At once if it may be in the middle of something.
    void close_server(Server& server, const std::string& reason);
    // The connection is gone, or will be at once; clients hear of it.
    void drop_server(Server& server, const std::string& reason, CloseMode mode);
    void forget_server(Server& server, const std::string& reason);
    void server_timer(Server& server);

    // --- pools.cc
    Tenant& tenant_of(const std::string& database, const std::string& user);
    void configure(Tenant& tenant);
    // For what is no unit of a client: the only node's, or the primary's. Null: none is known.
    PoolEntry* pool_of(Tenant& tenant);
    PoolEntry& pool_on(Tenant& tenant, const NodeAddress& address);
    PoolEntry& pool_on(Tenant& tenant, const cluster::NodeView& node);
    pool::LoginGate& gate_of(const NodeAddress& address);
    void open_servers(PoolEntry& entry);
    // Servers that stay open although nobody waits for them.
    std::size_t pool_size_min(const PoolEntry& entry) const;
    std::optional<pool::Permit> permit_for(PoolEntry& entry);
    // An idle server that counts towards the limit is closed to make room.
    bool evict_idle(const pool::PoolKey& key, pool::Scope scope, const PoolEntry* except);
    // As evict_idle; if there is none, the next that would be idle.
    void make_room(const pool::PoolKey& key, pool::Scope scope, const PoolEntry* except);
    bool is_needed_elsewhere(const pool::PoolKey& key);
    void grant(const pool::Grant& grant);
    void arm(PoolEntry& entry);
    void pool_timer(PoolEntry& entry);
    Instant pool_deadline(PoolEntry& entry);
    void notify_and_refuse(PoolEntry& entry);
    void refuse_waiter(PoolEntry& entry, ClientId id, const wire::Refusal& refusal);
    // The client waits, for a server or for a node, and does so in vain.
    void refuse_waiting(Client& client, const wire::Refusal& refusal);
    void fail_waiters(PoolEntry& entry, const wire::Refusal& refusal);
    wire::Refusal wait_timeout_refusal(PoolEntry& entry) const;
    wire::Refusal trouble_refusal(PoolEntry& entry) const;
    void close_idle(PoolEntry& entry);
    void permit_freed();
    void retry_starving();

    // --- cancel.cc
    void cancel_requested(Client& requester);
    void cancel_here(Client& requester, std::uint32_t process_id, ByteView secret);
    // To the instance whose client is meant.
    void hand_on_cancel(Client& requester, std::size_t peer, const wire::CancelRequest& request);
    bool cancel_locally(std::uint32_t process_id, ByteView secret, ClientId requester,
                        WorkerIndex requester_worker);
    void start_cancel(Server& server, ClientId client, ClientId requester,
                      WorkerIndex requester_worker);
    void cancel_opened(CancelLink& link);
    void cancel_bytes(CancelLink& link, ByteView bytes);
    void cancel_send(CancelLink& link);
    // What was held back for the sake of pgweir's own statement may go now.
    void release_cancel(ServerId target);
    void cancel_ended(CancelLink& link, bool closed_by_edge);
    void finish_requester(ClientId requester, WorkerIndex worker);
    // Another worker has done with the request, or knows nothing of it.
    void cancel_answered(ClientId requester);

    // --- errands.cc
    Errand* find_errand(ClientId id);
    ClientId new_errand_id() { return ClientId{kErrandBit | ++last_errand_}; }
    bool run_errand(Errand& errand, Tenant& tenant);
    void errand_granted(Errand& errand, Server& server);
    void errand_ended(Errand& errand, Server* server, const std::string& failure);
    void look_up_user(Client& client, auth::AuthMethod method);
    void user_found(UserLookup& lookup);
    void user_lookup_failed(UserLookup& lookup, const std::string& why);
    void want_catalog(Tenant& tenant);
    void catalog_read(CatalogRead& reading, const std::string& failure);
    void schema_changed(const std::string& database);
    void definitions_changed();
    void spread_catalog(const std::string& database, const sql::CatalogRef& catalog);

    // --- clusters.cc
    static std::string cluster_key(const std::vector<NodeAddress>& nodes);
    // Whether statements are judged, for whatever becomes of that.
    static bool is_split(const config::EffectivePool& config);
    route::RouteRules route_rules_of(const config::EffectivePool& config) const;
    void configure_cluster(Tenant& tenant);
    void configure_clusters();
    void forget_gone_clusters();
    ClusterEntry& cluster_of(const std::string& database, const config::EffectivePool& config);
    void observe(ClusterEntry& entry, const std::string& database,
                 const std::vector<NodeAddress>& nodes);
    void node_observed(NodeObserved& event);
    void look_wanted(const LookWanted& wanted, WorkerIndex from);
    void look(ClusterEntry& entry);
    void let_nodes_stop(const ClusterEntry& entry, const cluster::ClusterView& view);
    void clusters_timer();
    void take_view(ClusterEntry& entry, cluster::ClusterViewRef view);
    void want_look(ClusterEntry& entry, NodeId node);
    void ask_looks_again(ClusterEntry& entry);
    void suspect(const PoolEntry& entry, cluster::Suspicion why);
    void suspect(ClusterEntry& entry, NodeId node, cluster::Suspicion why);
    void wait_for_view(ClusterEntry& entry, ClientId id);
    static void take_standing(PoolEntry& pool, const cluster::NodeView& node);
    // What has changed for the pools of a node.
    void take_node(ClusterEntry& entry, PoolEntry& pool, const cluster::ClusterView* before);
    void stop_waiting_for_view(ClientId id);
    void view_waiter_goes_on(ClientId id);
    // Waiters of a pool whose node does not serve them any more find another.
    void reroute_waiters(PoolEntry& entry);
    // As that; and they do not come back to it at once.
    void avoid(PoolEntry& entry);
    std::size_t place_of(const ClusterEntry& entry, NodeId node) const;

    // --- routing.cc
    bool acquire_routed(Client& client);
    route::Request request_of(const Client& client) const;
    bool follow(Client& client, const route::Route& route, bool is_read);
    static bool should_wait_to_move(Client& client, const route::Route& route);
    bool wait_for_node(Client& client, route::Reason reason, NodeId otherwise);
    bool may_serve(const Client& client, const Server& server);
    void decline(Client& client, Server& server);
    void forget_latencies(ClusterEntry& cluster);
    void begin_routed_lease(Client& client, Server& server);
    void end_routed_lease(Client& client, Server& server);
    PoolEntry* primary_pool(Tenant& tenant);
    void begin_load(Client& client, NodeId node);
    void end_load(Client& client);
    void unit_refused(Server& server, Client& client, const session::ServerNews& news);
    void note_retry(Client& client, const Server& server);
    bool spends_retry(ClusterEntry& entry);
    void refuse_routed(Client& client, wire::Refusal refusal);
    // No node could serve it within that option's time.
    void refuse_late(Client& client, std::string option, Duration waited);
    std::string why_no_node(const Tenant& tenant) const;

    // --- failover.cc
    bool has_writer(const ClusterEntry& entry) const;
    void follow_primary(ClusterEntry& entry, const cluster::ClusterView* before);
    void expect_writer(ClusterEntry& entry);
    void close_old_writers(ClusterEntry& entry);
    void writers_closed(ClusterEntry& entry, WorkerIndex worker, std::uint64_t version,
                        NodeId primary);
    void writer_changed(ClusterEntry& entry, NodeId writer);
    void count_lost_places(ClusterEntry& entry);
    void places_lost(ClusterEntry& entry, std::uint64_t sessions, cluster::Position furthest);
    bool hold_for_writer(Client& client);
    bool must_stand_in_line(const Client& client, const route::Route& route) const;
    void leave_held(Client& client);
    void begin_line(ClusterEntry& entry);
    void move_line(ClusterEntry& entry);
    void warm_up(Tenant& tenant);
    void watch_primary(ClusterEntry& entry);
    void tell_primary_lost(ClusterEntry& entry);
    void empty_nodes(ClusterEntry& entry);
    void close_late(ClusterEntry& entry);
    void failover_timer();

    // --- silence.cc
    struct Silence;
    // Something is asked of a server of a cluster's node.
    void watch_node();
    std::vector<Silence> silences();
    void silence_timer();
    void take_back_reads(const ClusterEntry& cluster, NodeId node);

    // --- own_commands.cc
    std::size_t carry_out_own(Client& client, ByteView bytes);
    std::optional<session::LocalAnswer> answer_of(Client& client, const sql::OwnSetting& setting);
    static std::optional<wire::Refusal> wish_of(session::RouteWish& wish, std::string_view name,
                                                std::string_view value);
    std::optional<wire::Refusal> set_own(Client& client, const std::string& name,
                                         const std::string& value);

    // --- console.cc
    void console_bytes(Client& client, ByteView bytes);
    void console_work(Client& client, Bytes& out);
    void console_done(Client& client, const std::vector<std::string>& notices);
    void console_failed(Client& client, const wire::Refusal& refusal);
    void console_shown(Client& client, const admin::ShowData& data);
    void show(const Asker& asker, const admin::AdminCommand& asked);
    admin::ShowData show_data(const admin::AdminCommand& command);
    void show_clients(admin::ShowData& data);
    void show_servers(admin::ShowData& data);
    void show_pools(admin::ShowData& data);
    void show_databases(admin::ShowData& data);
    void show_stats(admin::ShowData& data);
    void show_users(admin::ShowData& data);
    void show_finished(std::uint64_t ticket);
    std::map<std::string, admin::StatsCounters> stats_totals() const;
    void note_stats();
    void log_stats();

    // --- orders.cc
    void carry_out_for(const Asker& asker, const admin::AdminCommand& command);
    Client* waiting_client(const Asker& asker);
    void done(const Asker& asker, const std::vector<std::string>& notices);
    void failed(const Asker& asker, const wire::Refusal& refusal);
    void shown(const Asker& asker, const admin::ShowData& data);
    void reload_finished(ReloadFinished& event);
    void order(const Asker& asker, const admin::AdminCommand& command);
    void carry_out(const admin::AdminCommand& command);
    bool is_carried_out(const admin::AdminCommand& command);
    void order_progress();

    // --- http.cc
    void http_requested(const HttpRequested& event);
    std::optional<admin::AdminCommand> take_http(HttpRequestId id);
    void http_done(HttpRequestId id);
    void http_failed(HttpRequestId id, const wire::Refusal& refusal);
    void http_shown(HttpRequestId id, const admin::ShowData& data);
    void http_timer();
    void end_http();

    // --- console_nodes.cc
    void show_nodes(admin::ShowData& data) const;
    void show_routes(admin::ShowData& data) const;
    std::string databases_of(const ClusterEntry& entry) const;
    admin::NodeRow node_row(const ClusterEntry& entry, std::size_t place) const;
    std::string state_of(const cluster::ClusterView& view, const cluster::NodeView& node) const;
    // Which database an EXPLAIN ROUTE is about.
    Result<std::string, wire::Refusal> explained_database(const admin::AdminCommand& command) const;
    admin::RouteExplanation explain_route(const std::string& database, std::string_view statement);
    sql::CatalogRef catalog_to_explain(const std::string& database);
    void explain_nodes(const ClusterEntry& entry, const config::EffectivePool& config,
                       const route::Request& request, std::vector<std::string>& lines);

    void show_events(admin::ShowData& data) const;
    void show_clusters(admin::ShowData& data) const;
    void note_trouble(admin::DatabaseRow& row, const config::EffectivePool& config) const;
    std::string trouble_of_nodes(const config::EffectivePool& config) const;
    // --- orders about nodes
    bool concerns(const admin::AdminCommand& command, const ClusterEntry& entry) const;
    static NodeId named_node(const ClusterEntry& entry, const std::string& name);
    std::optional<wire::Refusal> why_not_order(const admin::AdminCommand& command) const;
    void order_nodes(const admin::AdminCommand& command);
    bool are_emptied(const admin::AdminCommand& command);

    // --- exchange.cc
    void posted(Posted& event);
    void post(WorkerIndex worker, std::unique_ptr<Message> message);
    void ask_for_server(PoolEntry& entry, pool::Scope scope);

    // --- lifecycle.cc
    void settings_changed(std::shared_ptr<const config::Settings> settings);
    void move_waiters(PoolEntry& from, Tenant& tenant);
    void shutdown(ShutdownMode mode);
    void shutdown_progress();

    // Constant after construction.
    ProxyParts parts_;
    // Changes with every event.
    std::shared_ptr<const config::Settings> settings_;
    Instant now_;
    EffectList* effects_ = nullptr;

    Random random_;
    auth::ScramKeyCache scram_keys_;
    auth::AuthEnvironment auth_environment_;
    auth::CancelKeys cancel_key_maker_;
    std::vector<NodeAddress> peers_;
    std::size_t cancels_handed_on_ = 0;  // That are under way.
    auth::HbaRules hba_;
    auth::UserDirectory users_;
    session::StatementDirectory statements_;
    session::ParameterDirectory parameters_;

    std::map<std::pair<std::string, std::string>, std::unique_ptr<Tenant>> tenants_;
    std::map<pool::PoolKey, std::unique_ptr<PoolEntry>> pools_;
    std::unordered_map<std::uint64_t, PoolEntry*> pools_by_id_;
    std::uint64_t last_pool_ = 0;
    std::map<std::string, pool::LoginGate> gates_;

    SlotTable<ClientId, Client> clients_;
    SlotTable<ServerId, Server> servers_;
    SlotTable<ServerId, CancelLink> cancels_;
    IdAllocator<ServerId> server_ids_;
    std::vector<ServerId> freed_server_ids_;
    ServerId gone_;  // The edge has closed it: no effect names it any more.
    std::unordered_map<std::uint64_t, ClientId> cancel_keys_;
    std::map<std::uint64_t, std::unique_ptr<Errand>> errands_;
    std::uint64_t last_errand_ = 0;
    session::Judge judge_;
    std::map<std::string, std::unique_ptr<ClusterEntry>> clusters_;
    std::map<std::string, std::unique_ptr<ClusterEntry>> gone_clusters_;  // During a reload.
    std::map<std::string, std::unique_ptr<CatalogEntry>> catalogs_;
    std::uint64_t last_catalog_ = 0;
    std::uint64_t last_node_ = 0;
    Instant clusters_deadline_ = Instant::never();
    Instant failover_deadline_ = Instant::never();  // A line moves on, or a drained node is late.
    Instant silence_deadline_ = Instant::never();   // Never: no node owes an answer.
    Instant hint_logged_at_{};
    TimerQueue route_timers_;  // Clients that wait for another view.

    TimerQueue client_timers_;
    TimerQueue server_timers_;
    TimerQueue pool_timers_;

    std::vector<ByteQueue> spare_inputs_;  // Empty, with their memory.
    std::vector<ClientId> to_pump_;        // Clients whose input goes on at the end of the event.
    std::vector<ClientId> late_leases_;    // They end with the message that is being sent.
    std::vector<std::pair<ClientId, wire::Refusal>> to_refuse_;  // Clients that no node serves.
    std::vector<PoolEntry*> to_fail_;  // Pools whose waiters have no hope of a server.
    bool is_retry_wanted_ = false;     // A permit was freed here.
    // Pools, of whatever worker, that were refused a permit while no server was idle here.
    std::vector<std::pair<pool::PoolKey, pool::Scope>> unmet_needs_;
    std::size_t console_clients_ = 0;

    struct PendingShow {
        Asker asker;
        std::size_t replies_left = 0;
        admin::ShowData data;
    };
    struct PendingOrder {
        Asker asker;
        WorkerIndex origin = 0;
        std::uint64_t origin_ticket = 0;
        admin::AdminCommand command;
        std::size_t replies_left = 0;
        bool is_done_here = false;
    };
    std::map<std::uint64_t, PendingShow> shows_;
    std::map<std::uint64_t, PendingOrder> orders_;
    std::uint64_t last_ticket_ = 0;
    struct HttpAsk {
        admin::AdminCommand command;
        Instant deadline;
    };
    std::map<HttpRequestId, HttpAsk> http_asks_;  // As many as the edge lets connect.
    Instant http_deadline_ = Instant::never();
    std::map<std::string, std::uint32_t> paused_;  // By database; "" is all.
    std::map<std::string, admin::StatsWindow> stats_windows_;
    Instant stats_deadline_ = Instant::never();

    enum class Life : std::uint8_t { Running, Draining, Ending, Stopped };
    Life life_ = Life::Running;
    Instant drain_deadline_ = Instant::never();
};

}  // namespace pgweir::proxy
