// SPDX-License-Identifier: PostgreSQL
// Random histories of a cluster: nodes are promoted, demoted, cut off, restarted, rewound, and lie
// about their timelines; a prober answers late, wrongly or never. What must always hold is checked
// after every step. Each seed is a history of its own.
#include <array>
#include <map>
#include <set>

#include "pgweir/cluster/freshness.h"
#include "unit/cluster/story.h"

namespace pgweir::cluster {

namespace {

constexpr std::uint64_t kNodes = 4;

struct Server {
    bool in_recovery = true;
    bool is_cut_off = false;
    bool tells_timeline = true;
    std::uint64_t lsn = 1000;
    std::uint32_t timeline = 1;
    std::int64_t started = 1;
    std::uint64_t system_id = kSystem;
};

struct UnderWay {
    ProbeOrder order;
    Instant sent;
};

class Walk {
 public:
    explicit Walk(std::uint64_t seed)
        : random_(seed), cluster_(Story::configs(kNodes), {}, seed, now_) {
        servers_[1].in_recovery = false;
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) step();
    }

    // From now on all is well; soon everything has to be usable.
    void heal() {
        std::uint32_t highest = 0;
        for (auto& [id, server] : servers_) highest = std::max(highest, server.timeline);
        bool has_primary = false;
        for (auto& [id, server] : servers_) {
            server = {.in_recovery = has_primary, .lsn = 1'000'000, .timeline = highest + 1};
            server.started = 1'000'000 + static_cast<std::int64_t>(id);
            has_primary = true;
        }
        is_healed_ = true;
        for (int i = 0; i < 2000; ++i) step();
        const ClusterView& view = *cluster_.view(now_);
        REQUIRE(view.primary == NodeId{1});
        for (const NodeView& node : view.nodes) REQUIRE(node.trouble == Trouble::None);
        const auto next = cluster_.next_deadline();
        REQUIRE(next - now_ < Duration::seconds(2));
    }

 private:
    void step() {
        now_ = now_ + Duration::microseconds(static_cast<std::int64_t>(random_.below(40'000)));
        if (!is_healed_) mutate();
        order();
        answer();
        check();
    }

    Server& any_server() { return servers_[1 + random_.below(kNodes)]; }

    void mutate() {
        Server& server = any_server();
        for (auto& [id, other] : servers_) {
            if (!other.in_recovery || random_.one_in(2)) other.lsn += random_.below(50);
        }
        switch (random_.below(40)) {
            case 0:  // Promoted.
                if (server.in_recovery) ++server.timeline;
                server.in_recovery = false;
                break;
            case 1:  // Restarted as a standby, perhaps rewound, perhaps following another.
                server.in_recovery = true;
                ++server.started;
                server.lsn -= random_.below(server.lsn / 2);
                server.timeline = any_server().timeline;
                break;
            case 2:  // A copy of the primary, started by mistake.
                server.in_recovery = false;
                ++server.started;
                break;
            case 3:
            case 4:
                server.is_cut_off = !server.is_cut_off;
                break;
            case 5:
                if (random_.one_in(10)) server.system_id = server.system_id == 5 ? kSystem : 5;
                break;
            case 6:
                server.tells_timeline = !server.tells_timeline;
                break;
            case 7:
                cluster_.suspect(NodeId{1 + random_.below(kNodes)},
                                 static_cast<Suspicion>(random_.below(6)), now_);
                break;
            case 8:
            case 9:
            case 10:
                cluster_.want_sample(NodeId{1 + random_.below(kNodes + 1)}, now_);
                break;
            default:
                break;
        }
    }

    void order() {
        std::vector<ProbeOrder> orders;
        if (cluster_.next_deadline() <= now_ || random_.one_in(10)) cluster_.due(now_, orders);
        std::set<NodeId> ordered;
        for (const ProbeOrder& order : orders) {
            REQUIRE(ordered.insert(order.node).second);
            // One look at a time, unless the one before was given up.
            const auto before = under_way_.find(order.node);
            if (before != under_way_.end()) {
                REQUIRE(now_ - before->second.sent >= Duration::seconds(2));
            }
            REQUIRE(order.timeout > Duration{});
            REQUIRE(order.timeout <= Duration::seconds(1));
            under_way_[order.node] = {order, now_};
        }
    }

    void answer() {
        for (auto looks = under_way_.begin(); looks != under_way_.end();) {
            if (!is_healed_ && !random_.one_in(3)) {
                ++looks;
                continue;
            }
            if (!is_healed_ && random_.one_in(100)) {  // The prober loses it.
                looks = under_way_.erase(looks);
                continue;
            }
            tell(looks->second);
            looks = under_way_.erase(looks);
        }
    }

    void tell(const UnderWay& look) {
        const Server& server = servers_[look.order.node.value];
        Observation seen;
        seen.started_at = look.sent;
        seen.ended_at = now_;
        seen.over = look.order.over;
        if (server.is_cut_off || now_ - look.sent > look.order.timeout) {
            seen.failure = "no answer";
        } else {
            seen.in_recovery = server.in_recovery;
            seen.system_id = server.system_id;
            seen.timeline = server.tells_timeline ? server.timeline : 0;
            seen.lsn = Lsn{server.lsn};
            seen.started_unix_us = server.started;
        }
        cluster_.observe(look.order.node, seen, now_);
    }

    void check() {
        const ClusterView& view = *cluster_.view(now_);
        REQUIRE(view.version >= version_);
        version_ = view.version;
        check_timeline(view);
        int primaries = 0;
        for (const NodeView& node : view.nodes) {
            const bool writes = node.role == Role::Primary && node.trouble == Trouble::None;
            primaries += writes ? 1 : 0;
            if (writes) REQUIRE(view.primary == node.id);
            check_node(view, node);
        }
        REQUIRE(primaries <= 1);
        if (view.primary) REQUIRE(primaries == 1);
        // It never stalls: an order is due within twice the timeout.
        REQUIRE(cluster_.next_deadline() <= now_ + Duration::seconds(2));
        REQUIRE(cluster_.take_events().size() <= 256);
    }

    void check_timeline(const ClusterView& view) {
        if (view.system_id == system_id_) REQUIRE(view.timeline >= timeline_);
        system_id_ = view.system_id;
        timeline_ = view.timeline;
    }

    void check_node(const ClusterView& view, const NodeView& node) {
        if (node.trouble == Trouble::None) {
            REQUIRE(node.role != Role::Unknown);
            REQUIRE((node.system_id == 0 || node.system_id == view.system_id));
            // Who is fenced gets neither reads nor writes.
            if (node.timeline != 0) REQUIRE(node.timeline == view.timeline);
            if (node.role == Role::Primary) REQUIRE(node.timeline == view.timeline);
            REQUIRE(now_ - node.evidence_at <= Duration::seconds(5));
        }
        Lsn& before = lsn_of_[{node.id, node.incarnation_since}];
        REQUIRE(node.lsn >= before);
        before = node.lsn;
        REQUIRE(node.samples.size() <= 16);
        for (std::size_t i = 1; i < node.samples.size(); ++i) {
            REQUIRE(node.samples[i].started_at >= node.samples[i - 1].started_at);
        }
    }

    Random random_;
    Instant now_ = at_ms(1'000'000);
    Cluster cluster_;
    std::map<std::uint64_t, Server> servers_{{1, {}}, {2, {}}, {3, {}}, {4, {}}};
    std::map<NodeId, UnderWay> under_way_;
    std::map<std::pair<NodeId, Instant>, Lsn> lsn_of_;
    std::uint64_t version_ = 0;
    std::uint64_t system_id_ = 0;
    std::uint32_t timeline_ = 0;
    bool is_healed_ = false;
};

}  // namespace

TEST_CASE("whatever nodes do, there are never two primaries, and no fenced node is used") {
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        CAPTURE(seed);
        Walk walk(seed);
        walk.run(300);
    }
}

TEST_CASE("when all is well again, all nodes are used again") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        Walk walk(seed);
        walk.run(300);
        walk.heal();
    }
}

namespace {

// A true history: a primary that writes, standbys that replay a prefix, failovers that lose what
// the promoted one had not received. Sessions write and read; what they have seen is known.
class Sessions {
 public:
    explicit Sessions(std::uint64_t seed)
        : random_(seed), cluster_(Story::configs(3), {}, seed, now_) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            now_ =
                now_ + Duration::microseconds(1 + static_cast<std::int64_t>(random_.below(3000)));
            replay();
            look();
            unit();
            if (random_.one_in(150)) restart_standby();
            if (random_.one_in(100)) revive();
            if (random_.one_in(200)) fail_over();
        }
    }
    int standby_reads() const { return standby_reads_; }
    int told() const { return told_; }

 private:
    struct Node {
        std::uint64_t lsn = 100;
        std::uint32_t timeline = 1;
        std::int64_t started = 1;
        Instant started_at{};
        bool is_dead = false;
    };
    // What a session has seen and has a right to see again.
    struct Session {
        Freshness freshness;
        std::uint64_t lsn = 0;
        bool is_known_loss = false;
    };

    void replay() {
        nodes_[primary_].lsn += random_.below(20);
        for (std::size_t i = 0; i < 3; ++i) {
            Node& node = nodes_[i];
            if (i == primary_ || node.is_dead || node.timeline != timeline_) continue;
            if (node.lsn < nodes_[primary_].lsn) {
                node.lsn += random_.below(nodes_[primary_].lsn - node.lsn + 1);
            }
        }
    }

    void look() {
        for (std::size_t i = 0; i < 3; ++i) {
            if (nodes_[i].is_dead || !random_.one_in(4)) continue;
            Observation seen;
            seen.started_at = now_;
            now_ = now_ + Duration::microseconds(static_cast<std::int64_t>(random_.below(300)));
            seen.ended_at = now_;
            seen.in_recovery = i != primary_;
            seen.system_id = kSystem;
            seen.timeline = nodes_[i].timeline;
            seen.lsn = Lsn{nodes_[i].lsn};
            seen.started_unix_us = nodes_[i].started;
            cluster_.observe(NodeId{i + 1}, seen, now_);
        }
    }

    void unit() {
        Session& session = sessions_[random_.below(sessions_.size())];
        const ClusterView& view = *cluster_.view(now_);
        const std::size_t i = random_.below(3);
        if (nodes_[i].is_dead || view.nodes[i].trouble != Trouble::None) return;
        if (i == primary_ && view.primary != NodeId{i + 1}) return;
        // A server of a new incarnation serves nobody before its node was looked at.
        if (view.nodes[i].evidence_at < nodes_[i].started_at) return;
        switch (session.freshness.may_read(view, view.nodes[i])) {
            case Freshness::Answer::OtherHistory:
                ++told_;
                session = {};
                return;
            case Freshness::Answer::Fresh:
                return read(session, i);
            default:
                return;
        }
    }

    void read(Session& session, std::size_t i) {
        REQUIRE_FALSE(session.is_known_loss);
        REQUIRE(nodes_[i].lsn >= session.lsn);
        if (i == primary_ && random_.one_in(2)) nodes_[i].lsn += 1 + random_.below(50);
        standby_reads_ += i == primary_ ? 0 : 1;
        session.lsn = nodes_[i].lsn;
        now_ = now_ + Duration::microseconds(1);
        session.freshness.unit_ended(NodeId{i + 1}, now_);
    }

    void restart_standby() {
        Node& node = nodes_[(primary_ + 1 + random_.below(2)) % 3];
        if (node.is_dead || node.timeline != timeline_) return;
        node.lsn -= random_.below(30);
        restart(node);
    }

    void revive() {
        for (Node& node : nodes_) {
            if (!node.is_dead) continue;
            node.lsn = std::min(node.lsn, nodes_[primary_].lsn);
            node.timeline = timeline_;
            node.is_dead = false;
            restart(node);
        }
    }

    void restart(Node& node) {
        ++node.started;
        node.started_at = now_;
    }

    // The old primary is dead for a while, or comes back at once as a standby of the new one.
    void fail_over() {
        const std::size_t old = primary_;
        primary_ = (old + 1 + random_.below(2)) % 3;
        if (nodes_[primary_].is_dead) return void(primary_ = old);
        const std::uint64_t switch_point = nodes_[primary_].lsn;
        ++timeline_;
        for (std::size_t i = 0; i < 3; ++i) {
            Node& node = nodes_[i];
            node.lsn = std::min(node.lsn, switch_point);
            if (i != primary_ && !node.is_dead) restart(node);
            node.timeline = timeline_;
            node.is_dead = i == old && random_.one_in(2);
        }
        for (Session& session : sessions_) {
            if (session.lsn <= switch_point) continue;
            // A loss of which there is no sample can't be told; see freshness.h.
            session.is_known_loss |= !session.freshness.wants_sample_of();
            session.lsn = switch_point;
        }
    }

    Random random_;
    Instant now_ = at_ms(1'000'000);
    Cluster cluster_;
    std::array<Node, 3> nodes_;
    std::array<Session, 8> sessions_;
    std::size_t primary_ = 0;
    std::uint32_t timeline_ = 1;
    int standby_reads_ = 0;
    int told_ = 0;
};

}  // namespace

TEST_CASE("no session ever reads less than it has seen, through restarts and failovers") {
    int standby_reads = 0;
    int told = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Sessions sessions(seed);
        sessions.run(1000);
        standby_reads += sessions.standby_reads();
        told += sessions.told();
    }
    CHECK(standby_reads > 10'000);
    CHECK(told > 100);
}

}  // namespace pgweir::cluster
