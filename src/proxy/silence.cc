// SPDX-License-Identifier: PostgreSQL
// Nodes that owe answers and say nothing. A statement that takes long looks like a frozen machine:
// a look at the node tells them apart, long before the next quiet one is due.
#include <algorithm>
#include <vector>

#include "proxy/core.h"

namespace pgweir::proxy {

namespace {

// How often it is asked who is silent, and from when on a node is looked at.
constexpr Duration kCheckPeriod = Duration::milliseconds(25);
constexpr Duration kSilenceMin = Duration::milliseconds(50);

}  // namespace

void Core::watch_node() {
    if (silence_deadline_.is_never()) silence_deadline_ = now_ + kCheckPeriod;
}

// What this worker's servers of one node have said.
struct Core::Silence {
    ClusterEntry* cluster;
    NodeId node;
    Instant heard_at;                       // The last of them.
    Instant owed_since = Instant::never();  // The first of what is owed.
};

std::vector<Core::Silence> Core::silences() {
    std::vector<Silence> all;
    servers_.for_each([&](ServerId, const Server& server) {
        ClusterEntry* cluster = server.pool->tenant.cluster;
        if (cluster == nullptr || server.session == nullptr) return;
        auto found = std::find_if(all.begin(), all.end(), [&](const Silence& known) {
            return known.cluster == cluster && known.node == server.pool->node;
        });
        if (found == all.end()) {
            all.push_back({.cluster = cluster, .node = server.pool->node, .heard_at = {}});
            found = all.end() - 1;
        }
        found->heard_at = std::max(found->heard_at, server.heard_at);
        // Who is not read can't be heard.
        if (!server.client || server.is_paused || server.session->answers().empty()) return;
        const Client* client = clients_.find(server.client);
        if (client != nullptr) found->owed_since = std::min(found->owed_since, client->query_at);
    });
    return all;
}

void Core::silence_timer() {
    silence_deadline_ = Instant::never();
    for (const Silence& silence : silences()) {
        if (silence.owed_since.is_never()) continue;
        silence_deadline_ = now_ + kCheckPeriod;
        const cluster::ClusterView* view = silence.cluster->view.get();
        const cluster::NodeView* node = view != nullptr ? view->find(silence.node) : nullptr;
        if (node == nullptr || view->is_blind) continue;
        const Duration silent_for = now_ - std::max(silence.heard_at, silence.owed_since);
        // Ever more seldom, as long as the looks are answered.
        const bool is_due = (now_ - node->evidence_at) * 2 >= silent_for;
        if (silent_for >= kSilenceMin && is_due) want_look(*silence.cluster, silence.node);
    }
}

// Two looks in a row have failed, and reads wait for the node, with nothing of an answer yet: they
// run elsewhere. Not for ever: who has been taken back often enough waits.
void Core::take_back_reads(const ClusterEntry& cluster, NodeId node) {
    std::vector<ServerId> silent;
    servers_.for_each([&](ServerId id, const Server& server) {
        if (server.pool->tenant.cluster != &cluster || server.pool->node != node) return;
        if (server.phase != Server::Phase::Leased || !server.client) return;
        const Client* client = clients_.find(server.client);
        if (client == nullptr || client->losses >= kLossesMax) return;
        const session::Replay& replay = server.session->replay();
        if (replay.survives_loss() && replay.holds()) silent.push_back(id);
    });
    for (ServerId id : silent) {
        if (Server* server = servers_.find(id)) {
            drop_server(*server, "its node does not answer", CloseMode::Abort);
        }
    }
}

}  // namespace pgweir::proxy
