// SPDX-License-Identifier: PostgreSQL
// Looks at nodes for the core, and resolves their names: one connection of its own is kept open to
// each node that is looked at, and watched between looks; a look over a new connection has one for
// itself. Nothing of libpq is touched before the first look.
#pragma once

#include <uv.h>

#include <map>
#include <memory>
#include <string>

#include "io/loop.h"
#include "io/probe_connection.h"
#include "io/resolver.h"
#include "pgweir/proxy/event.h"
#include "pgweir/session/effect.h"

namespace pgweir::io {

class ProberOwner {
 public:
    // The answer to a look; or, without a look, that the connection which was kept open has ended.
    // May be called before Prober::look() returns, and may not call the prober back then.
    virtual void on_observed(NodeId node, cluster::Observation seen) = 0;
    // May be called before Prober::resolve() returns.
    virtual void on_resolved(NodeResolved answer) = 0;

 protected:
    ~ProberOwner() = default;
};

class Prober final : ProbeConnectionOwner {
 public:
    // A look whose login names no time limit.
    static constexpr Duration kTimeout = Duration::seconds(1);

    Prober(uv_loop_t* loop, ProberOwner& owner, ResolverLimits resolver = {});
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    // A look that is under way at this node fails, and its connection is closed: its answer can't
    // be taken for that of the new look.
    void look(const LookAtNode& order);
    // What is open is closed, and a look that is under way is not told. Does nothing for an unknown
    // node.
    void forget(NodeId node);

    // In time: the resolver's patience ends.
    void resolve(const NodeAddress& name);

    std::size_t node_count() const { return nodes_.size(); }

 private:
    using Connection = std::unique_ptr<ProbeConnection>;
    struct Node {
        Prober& prober;
        NodeId id;
        NodeAddress address = {};
        std::shared_ptr<const MonitorLogin> login = {};
        bool is_looked_at = false;
        cluster::ProbeOver over = cluster::ProbeOver::Open;
        Duration timeout = {};
        Instant deadline = {};
        Connection kept = {};
        Connection passing = {};  // Of a look over a new connection.
        Handle<uv_timer_t> timer = {};
    };

    void on_seen(ProbeConnection& connection, cluster::Observation seen) override;
    Node& node_for(NodeId id);
    // Closes what was opened with another address or login.
    static void adopt(Node& node, const LookAtNode& order);
    Connection make_connection(const Node& node);
    static void begin(Connection& place, Connection fresh);
    void arm(Node& node);
    static void on_timer(uv_timer_t* timer);
    // The look ends without an answer, and its connection with it.
    void give_up(Node& node, std::string failure);
    static Connection& connection_of_look(Node& node);

    uv_loop_t* loop_;
    ProberOwner& owner_;
    Resolver resolver_;
    std::uint64_t last_serial_ = 0;
    std::map<NodeId, std::unique_ptr<Node>> nodes_;
};

}  // namespace pgweir::io
