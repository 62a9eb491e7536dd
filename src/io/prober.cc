// SPDX-License-Identifier: PostgreSQL
#include "io/prober.h"

#include <algorithm>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::io {

using cluster::Observation;
using cluster::ProbeOver;

Prober::Prober(uv_loop_t* loop, ProberOwner& owner, ResolverLimits resolver)
    : loop_(loop), owner_(owner), resolver_(loop, resolver) {}

void Prober::look(const LookAtNode& order) {
    PGWEIR_ASSERT(order.login != nullptr);
    Node& node = node_for(order.node);
    // Whoever orders looks may have lost patience a moment before the timer here.
    if (node.is_looked_at) give_up(node, "another look was ordered before this one had ended");
    adopt(node, order);
    node.is_looked_at = true;
    node.over = order.over_new_connection ? ProbeOver::New : ProbeOver::Open;
    node.timeout = order.timeout ? order.timeout : kTimeout;
    node.deadline = clock_now() + node.timeout;
    arm(node);
    Connection& place = connection_of_look(node);
    if (place != nullptr) return place->ask();
    begin(place, make_connection(node));
}

void Prober::forget(NodeId node) {
    nodes_.erase(node);
}

void Prober::resolve(const NodeAddress& name) {
    if (name.host.starts_with('/')) return owner_.on_resolved({name, {name.host}, {}});
    resolver_.resolve(
        ++last_serial_, name.host,
        [this, name](const std::vector<SocketAddress>& addresses, const std::string& failure) {
            NodeResolved answer{name, {}, failure};
            for (const SocketAddress& each : addresses) answer.addresses.push_back(each.host());
            std::sort(answer.addresses.begin(), answer.addresses.end());
            owner_.on_resolved(std::move(answer));
        });
}

Prober::Node& Prober::node_for(NodeId id) {
    std::unique_ptr<Node>& node = nodes_[id];
    if (node == nullptr) {
        node = std::make_unique<Node>(Node{.prober = *this, .id = id});
        node->timer = make_timer(loop_, node.get());
    }
    return *node;
}

void Prober::adopt(Node& node, const LookAtNode& order) {
    const bool is_same = node.login != nullptr && node.address == order.address &&
                         (node.login == order.login || *node.login == *order.login);
    if (!is_same) node.kept.reset();
    node.address = order.address;
    node.login = order.login;
}

Prober::Connection Prober::make_connection(const Node& node) {
    return std::make_unique<ProbeConnection>(ProbeConnection::Parts{.loop = loop_,
                                                                    .resolver = resolver_,
                                                                    .owner = *this,
                                                                    .node = node.id,
                                                                    .serial = ++last_serial_,
                                                                    .address = node.address,
                                                                    .login = node.login});
}

void Prober::begin(Connection& place, Connection fresh) {
    place = std::move(fresh);
    place->ask();
    place->open();
}

Prober::Connection& Prober::connection_of_look(Node& node) {
    return node.over == ProbeOver::New ? node.passing : node.kept;
}

void Prober::arm(Node& node) {
    // libuv counts from the time at which its turn began, in whole milliseconds.
    const std::int64_t left_us = std::max<std::int64_t>(0, (node.deadline - clock_now()).us);
    uv_timer_start(node.timer.get(), &Prober::on_timer,
                   static_cast<std::uint64_t>(left_us / 1000 + 1), 0);
}

void Prober::on_timer(uv_timer_t* timer) {
    Node& node = *static_cast<Node*>(timer->data);
    if (clock_now() < node.deadline) return node.prober.arm(node);
    std::string failure = "no answer within " + std::to_string(node.timeout.us / 1000) + " ms (";
    failure += connection_of_look(node)->doing();
    node.prober.give_up(node, failure + ")");
}

void Prober::give_up(Node& node, std::string failure) {
    Connection& place = connection_of_look(node);
    Observation seen;
    seen.started_at = place->started_at();
    seen.ended_at = clock_now();
    seen.over = node.over;
    seen.failure = std::move(failure);
    place.reset();
    node.is_looked_at = false;
    uv_timer_stop(node.timer.get());
    owner_.on_observed(node.id, std::move(seen));
}

void Prober::on_seen(ProbeConnection& connection, Observation seen) {
    Node& node = *nodes_.at(connection.node());
    Connection& place = node.passing.get() == &connection ? node.passing : node.kept;
    PGWEIR_ASSERT(place.get() == &connection);
    const bool is_passing = &place == &node.passing;
    seen.over = is_passing ? ProbeOver::New : ProbeOver::Open;
    if (node.is_looked_at && node.over == seen.over) {
        node.is_looked_at = false;
        uv_timer_stop(node.timer.get());
    }
    if (is_passing && seen.answered() && node.kept == nullptr) {
        node.kept = std::move(place);
    } else if (is_passing || connection.is_broken()) {
        place.reset();
    }
    // The last thing: it may bring the next look, or have the node forgotten.
    owner_.on_observed(node.id, std::move(seen));
}

}  // namespace pgweir::io
