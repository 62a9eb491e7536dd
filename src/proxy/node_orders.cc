// SPDX-License-Identifier: PostgreSQL
// The operator's orders about nodes: SWITCHOVER, DRAIN, UNDRAIN. The worker that observes a cluster
// takes them to it; every worker empties its own pools when the view says so.
#include <algorithm>

#include "proxy/core.h"
#include "proxy/words.h"

namespace pgweir::proxy {

namespace {

// Between looks at whether a node is empty.
constexpr Duration kEmptyPause = Duration::milliseconds(10);

bool is_about_nodes(admin::Verb verb) {
    return verb == admin::Verb::Switchover || verb == admin::Verb::Drain ||
           verb == admin::Verb::Undrain;
}

}  // namespace

// A command without a database or a node concerns all clusters.
bool Core::concerns(const admin::AdminCommand& command, const ClusterEntry& entry) const {
    if (!command.node.empty()) return static_cast<bool>(named_node(entry, command.node));
    if (command.database.empty()) return true;
    return std::any_of(
        settings_->databases().begin(), settings_->databases().end(), [&](const auto& database) {
            return database.first == command.database &&
                   cluster_key(settings_->pool_for(database.first, {}).nodes) == entry.key;
        });
}

// By "host:port", or by the host alone.
NodeId Core::named_node(const ClusterEntry& entry, const std::string& name) {
    if (entry.view == nullptr) return {};
    for (const cluster::NodeView& node : entry.view->nodes) {
        if (name == text(node.address) || name == node.address.host) return node.id;
    }
    return {};
}

std::optional<wire::Refusal> Core::why_not_order(const admin::AdminCommand& command) const {
    if (!is_about_nodes(command.verb)) return std::nullopt;
    bool is_anyone = false;
    for (const auto& [key, entry] : clusters_) {
        if (!concerns(command, *entry)) continue;
        is_anyone = true;
        const bool lacks_primary =
            entry->view == nullptr || entry->view->is_blind || !entry->view->primary;
        if (command.verb == admin::Verb::Switchover && lacks_primary) {
            return wire::Refusal{.reason = wire::RefusalReason::ConsoleNoPrimary,
                                 .subject = "SWITCHOVER"};
        }
    }
    if (is_anyone) return std::nullopt;
    if (!command.node.empty()) {
        return wire::Refusal{.reason = wire::RefusalReason::ConsoleUnknownNode,
                             .subject = command.node};
    }
    return wire::Refusal{.reason = wire::RefusalReason::ConsoleFailed,
                         .subject = "SWITCHOVER",
                         .detail = "No database has several nodes."};
}

void Core::order_nodes(const admin::AdminCommand& command) {
    const bool ends_switchover = command.verb == admin::Verb::Resume;
    if (!is_about_nodes(command.verb) && !ends_switchover) return;
    for (auto& [key, entry] : clusters_) {
        if (entry->observed == nullptr || !concerns(command, *entry)) continue;
        cluster::Cluster& cluster = *entry->observed;
        switch (command.verb) {
            case admin::Verb::Switchover:
                cluster.begin_switchover(now_);
                break;
            case admin::Verb::Resume:
                cluster.end_switchover(now_);
                break;
            default:
                cluster.drain(named_node(*entry, command.node), command.verb == admin::Verb::Drain,
                              now_);
        }
        // The view is told at the end of this event.
        clusters_deadline_ = now_;
    }
}

// The nodes that are to be emptied have no servers any more. The observer sees to it, as permits
// are counted over all workers; that another node has become the primary, or that the order was
// taken back, ends it, too.
bool Core::are_emptied(const admin::AdminCommand& command) {
    for (const auto& [key, entry] : clusters_) {
        if (entry->observed == nullptr || !concerns(command, *entry)) continue;
        const cluster::NodeView* node = entry->view->find(command.verb == admin::Verb::Switchover
                                                              ? entry->observed->switched_from()
                                                              : named_node(*entry, command.node));
        if (node == nullptr || !entry->observed->is_drained(node->id)) continue;
        if (parts_.limits.count(pool::Scope::ServersOfNode, text(node->address)) == 0) continue;
        // Other workers' servers come and go without a word.
        failover_deadline_ = std::min(failover_deadline_, now_ + kEmptyPause);
        return false;
    }
    return true;
}

}  // namespace pgweir::proxy
