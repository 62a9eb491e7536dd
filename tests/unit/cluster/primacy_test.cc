// SPDX-License-Identifier: PostgreSQL
// Who the primary is, as nodes come, go, are promoted, and lie.
#include "unit/cluster/story.h"

namespace pgweir::cluster {

TEST_CASE("nothing is known before the first look") {
    Story s;
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kOne) == Trouble::NotSeenYet);
    CHECK(s.node(kOne).role == Role::Unknown);
    s.fails(kOne);
    CHECK(s.trouble(kOne) == Trouble::Unreachable);
}

TEST_CASE("the node that is not in recovery is the primary") {
    Story s;
    s.begin();
    CHECK(s.view().primary == kOne);
    CHECK(s.view().timeline == 1);
    CHECK(s.view().system_id == kSystem);
    CHECK(s.trouble(kOne) == Trouble::None);
    CHECK(s.trouble(kTwo) == Trouble::None);
    CHECK(s.node(kTwo).role == Role::Standby);
    CHECK(says(s.events(), "db1:5432 is the primary on timeline 1"));
}

TEST_CASE("a promotion makes a primary at once and fences the old one") {
    Story s;
    s.begin(100);
    s.events();
    s.primary(kTwo, 130, 2);
    CHECK(s.view().primary == kTwo);
    CHECK(s.trouble(kOne) == Trouble::OldTimeline);
    CHECK(s.view().timeline == 2);
    const std::string events = s.events();
    CHECK(says(events, "db1:5432 is no longer the primary"));
    CHECK(says(events, "db2:5432 is the primary now on timeline 2"));
    CHECK(says(events, "!db1:5432 is on an old timeline: 1, the cluster is on 2"));
    CHECK(says(events, "db2:5432 has left recovery: it was promoted"));
}

TEST_CASE("an old primary stays fenced until it follows the new timeline") {
    Story s;
    s.begin(100);
    s.primary(kTwo, 130, 2);
    s.primary(kOne, 500, 1);
    CHECK(s.view().primary == kTwo);
    CHECK(s.trouble(kOne) == Trouble::OldTimeline);
    // Restarted as a standby, without a word about its timeline.
    s.answer(kOne, {.lsn = 500, .timeline = 0, .started = 2});
    CHECK(s.trouble(kOne) == Trouble::OldTimeline);
    s.answer(kOne, {.lsn = 140, .timeline = 2, .started = 3});
    CHECK(s.trouble(kOne) == Trouble::None);
}

TEST_CASE("a standby of the old timeline gets no reads until it tells the new one") {
    Story s;
    s.begin(100);
    s.primary(kTwo, 130, 2);
    s.standby(kThree, 140, 1);
    CHECK(s.trouble(kThree) == Trouble::OldTimeline);
    s.standby(kThree, 150, 2);
    CHECK(s.trouble(kThree) == Trouble::None);
}

TEST_CASE("a timeline that only a standby has seen fences the primary, too") {
    Story s;
    s.begin();
    s.standby(kThree, 100, 2);
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kOne) == Trouble::OldTimeline);
}

TEST_CASE("two primaries of one timeline: neither, with an alarm, until one gives way") {
    Story s;
    s.begin();
    s.events();
    s.primary(kTwo, 100, 1);
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kOne) == Trouble::TwoPrimaries);
    CHECK(s.trouble(kTwo) == Trouble::TwoPrimaries);
    CHECK(says(s.events(), "!db2:5432 is not the only primary"));
    SUBCASE("one becomes a standby") {
        s.answer(kTwo, {.started = 2});
        CHECK(s.view().primary == kOne);
    }
    SUBCASE("one gets a higher timeline") {
        s.primary(kTwo, 120, 2);
        CHECK(s.view().primary == kTwo);
        CHECK(s.trouble(kOne) == Trouble::OldTimeline);
    }
    SUBCASE("one falls silent for long enough") {
        s.fails(kOne);
        s.fails(kOne);
        CHECK_FALSE(s.view().primary);
        s.pass_ms(5100);
        s.primary(kTwo, 120, 1);
        CHECK(s.view().primary == kTwo);
        // And is back: it claims again.
        s.primary(kOne, 110, 1);
        CHECK_FALSE(s.view().primary);
    }
}

TEST_CASE("a rival that answers is not outlived by the age of evidence alone") {
    Story s;
    s.begin();
    s.primary(kTwo, 100, 1);
    s.pass_ms(6000);
    s.primary(kTwo, 100, 1);
    CHECK_FALSE(s.view().primary);
}

TEST_CASE("a claim without a timeline proves nothing where others tell theirs") {
    Story s;
    s.begin();
    s.answer(kTwo, {.in_recovery = false, .timeline = 0, .started = 2});
    CHECK(s.view().primary == kOne);
    CHECK(s.trouble(kTwo) == Trouble::OldTimeline);
}

TEST_CASE("nodes that tell no timelines at all still have a primary") {
    Story s;
    s.answer(kOne, {.in_recovery = false, .timeline = 0});
    s.answer(kTwo, {.timeline = 0});
    CHECK(s.view().primary == kOne);
    CHECK(s.trouble(kTwo) == Trouble::None);
}

TEST_CASE("the primary survives one failed look, not two") {
    Story s;
    s.begin();
    s.fails(kOne);
    CHECK(s.view().primary == kOne);
    CHECK(s.trouble(kOne) == Trouble::None);
    s.events();
    s.fails(kOne, "connection refused", ProbeOver::New);
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kOne) == Trouble::Unreachable);
    CHECK(s.node(kOne).detail == "connection refused");
    CHECK(says(s.events(), "!db1:5432 is no longer the primary, and none is"));
    s.primary(kOne, 100);
    CHECK(s.view().primary == kOne);
}

TEST_CASE("one failed look ends a standby's reads, and one answer brings them back") {
    Story s;
    s.begin();
    s.fails(kTwo);
    CHECK(s.trouble(kTwo) == Trouble::Unreachable);
    s.standby(kTwo, 100);
    CHECK(s.trouble(kTwo) == Trouble::None);
    CHECK(s.node(kTwo).usable_since == s.now);
}

TEST_CASE("a standby that takes no new connections gets no reads") {
    Story s;
    s.begin();
    s.fails(kTwo, "timeout", ProbeOver::New);
    s.standby(kTwo, 100);
    CHECK(s.trouble(kTwo) == Trouble::Unreachable);
    s.answer(kTwo, {.over = ProbeOver::New});
    CHECK(s.trouble(kTwo) == Trouble::None);
}

TEST_CASE("a primary that takes no new connections stays the primary, with an alarm") {
    Story s;
    s.begin();
    s.events();
    s.fails(kOne, "timeout", ProbeOver::New);
    s.primary(kOne, 100);
    CHECK(s.view().primary == kOne);
    CHECK(s.trouble(kOne) == Trouble::None);
    CHECK(says(s.events(), "!db1:5432 answers, but takes no new connections: timeout"));
}

TEST_CASE("evidence that nobody refreshes expires by itself") {
    Story s;
    s.begin();
    s.pass_ms(4900);
    CHECK(s.view().primary == kOne);
    CHECK(s.cluster.next_deadline() <= s.now + Duration::seconds(5));
    s.pass_ms(200);
    CHECK_FALSE(s.view().primary);
    CHECK(s.trouble(kOne) == Trouble::Unreachable);
    CHECK(s.trouble(kTwo) == Trouble::Unreachable);
}

TEST_CASE("a role that can't be refreshed is no role any more") {
    Story s;
    s.begin();
    s.fails(kOne);
    s.fails(kOne);
    CHECK(s.node(kOne).role == Role::Primary);
    s.pass_ms(5100);
    CHECK(s.node(kOne).role == Role::Unknown);
}

TEST_CASE("a primary that comes back in recovery is a standby at once") {
    Story s;
    s.begin();
    s.answer(kOne, {.started = 2});
    CHECK_FALSE(s.view().primary);
    CHECK(s.node(kOne).role == Role::Standby);
    CHECK(says(s.events(), "db1:5432 has restarted as a standby"));
}

TEST_CASE("a node of another cluster is a stranger, said which") {
    Story s;
    s.begin();
    s.answer(kThree, {.in_recovery = false, .timeline = 9, .started = 2, .system_id = 5});
    CHECK(s.trouble(kThree) == Trouble::Stranger);
    CHECK(s.view().primary == kOne);
    CHECK(s.view().timeline == 1);
    CHECK(says(s.events(), "!db3:5432 belongs to another cluster: system identifier 5, not " +
                               std::to_string(kSystem)));
}

TEST_CASE("before a primary is seen, most nodes say which cluster it is") {
    Story s;
    s.answer(kOne, {.timeline = 9, .system_id = 5});
    s.answer(kTwo, {});
    CHECK(s.trouble(kTwo) == Trouble::Stranger);  // One each: the first configured one's.
    s.answer(kThree, {});
    CHECK(s.trouble(kOne) == Trouble::Stranger);
    CHECK(s.trouble(kTwo) == Trouble::None);
    // The stranger's timeline fences nobody.
    s.answer(kTwo, {.in_recovery = false, .timeline = 2});
    CHECK(s.view().primary == kTwo);
}

TEST_CASE("an answer that started before the last one counts for nothing") {
    Story s;
    Observation late;
    late.started_at = s.now;
    late.in_recovery = false;
    late.system_id = kSystem;
    late.timeline = 1;
    s.pass_ms(100);
    s.answer(kOne, {});
    late.ended_at = s.now;
    s.cluster.observe(kOne, late, s.now);
    CHECK_FALSE(s.view().primary);
}

TEST_CASE("a drained node gets no new work, the primary included") {
    Story s;
    s.begin();
    s.cluster.drain(kOne, true, s.now);
    s.cluster.drain(kTwo, true, s.now);
    CHECK(s.trouble(kOne) == Trouble::Drained);
    CHECK(s.trouble(kTwo) == Trouble::Drained);
    CHECK(s.view().primary == kOne);
    s.cluster.drain(kOne, false, s.now);
    CHECK(s.trouble(kOne) == Trouble::None);
}

TEST_CASE("the fork of a timeline is bounded by what the promoted node had replayed") {
    Story s;
    s.begin(100);
    s.standby(kTwo, 120);
    s.primary(kTwo, 150, 2);
    const ClusterView& view = s.view();
    CHECK(view.timeline_began_at == Lsn{120});
    CHECK(view.history_of({Lsn{120}, 1}) == History::Within);
    CHECK(view.history_of({Lsn{121}, 1}) == History::Doubtful);
    CHECK(view.history_of({Lsn{151}, 1}) == History::Lost);
    CHECK(view.history_of({Lsn{999}, 2}) == History::Within);
    CHECK(view.history_of({Lsn{1}, 3}) == History::Future);
    CHECK(view.bytes_past_fork({Lsn{121}, 1}) == 0);
    CHECK(view.bytes_past_fork({Lsn{154}, 1}) == 4);
    CHECK(view.bytes_past_fork({Lsn{999}, 2}) == 0);
    s.primary(kTwo, 190, 2);
    CHECK(s.view().timeline_began_at == Lsn{120});
    // And once more.
    s.standby(kThree, 180, 2);
    s.primary(kThree, 200, 3);
    CHECK(s.view().history_of({Lsn{120}, 1}) == History::Within);
    CHECK(s.view().history_of({Lsn{130}, 1}) == History::Doubtful);
    CHECK(s.view().history_of({Lsn{180}, 2}) == History::Within);
    CHECK(s.view().history_of({Lsn{181}, 2}) == History::Doubtful);
}

TEST_CASE("a switchover drains the primary until another one is seen") {
    Story s;
    s.begin(100);
    s.events();
    REQUIRE(s.cluster.begin_switchover(s.now));
    CHECK(s.trouble(kOne) == Trouble::Drained);
    CHECK(s.node(kOne).is_drained);
    CHECK(s.view().primary == kOne);
    // Looks are frequent meanwhile.
    CHECK(s.cluster.next_deadline() <= s.now + Duration::milliseconds(25));
    s.pass_ms(50);
    s.primary(kTwo, 110, 2);
    CHECK(s.view().primary == kTwo);
    CHECK_FALSE(s.node(kOne).is_drained);
    CHECK_FALSE(s.cluster.switched_from());
    CHECK(says(s.events(), "switchover from db1:5432 to db2:5432 took 50 ms"));
}

TEST_CASE("a switchover that nobody completes gives the old primary its work back") {
    ClusterRules rules;
    rules.switchover_timeout = Duration::seconds(3);
    Story s(rules);
    s.begin(100);
    REQUIRE(s.cluster.begin_switchover(s.now));
    s.pass_ms(2900);
    s.primary(kOne, 100);
    CHECK(s.trouble(kOne) == Trouble::Drained);
    s.pass_ms(100);
    CHECK(s.trouble(kOne) == Trouble::None);
    CHECK(says(s.events(), "!no other node has become the primary"));
    // Or the operator thinks better of it.
    REQUIRE(s.cluster.begin_switchover(s.now));
    s.cluster.end_switchover(s.now);
    CHECK(s.trouble(kOne) == Trouble::None);
    CHECK(says(s.events(), "called off"));
}

TEST_CASE("without a primary there is nothing to switch over") {
    Story s;
    s.standby(kOne, 100);
    CHECK_FALSE(s.cluster.begin_switchover(s.now));
}

TEST_CASE("a node that waits for its sessions to end gets no new work, and looks let it end") {
    Story s;
    s.begin(100);
    s.cluster.suspect(kOne, Suspicion::ConnectRefused, s.now);
    std::vector<ProbeOrder> orders;
    s.cluster.due(s.now, orders);
    const auto order_of = [&](NodeId node) {
        const auto found =
            std::find_if(orders.begin(), orders.end(),
                         [node](const ProbeOrder& order) { return order.node == node; });
        REQUIRE(found != orders.end());
        return found->over;
    };
    CHECK(order_of(kOne) == ProbeOver::New);
    s.refuses(kOne, "57P03");
    CHECK(s.trouble(kOne) == Trouble::None);
    s.primary(kOne, 100);
    CHECK(s.trouble(kOne) == Trouble::Stopping);
    CHECK(s.node(kOne).is_stopping);
    for (int i = 0; i < 5; ++i) {
        s.pass_ms(30);
        orders.clear();
        s.cluster.due(s.now, orders);
        for (const ProbeOrder& order : orders) {
            if (order.node == kOne) CHECK(order.over == ProbeOver::New);
            order.node == kOne ? s.refuses(kOne, "57P03") : s.standby(order.node, 100);
        }
    }
    CHECK_FALSE(s.view().primary);
    // It did not stop after all.
    s.answer(kOne, {.in_recovery = false, .over = ProbeOver::New});
    CHECK(s.trouble(kOne) == Trouble::None);
}

TEST_CASE("where the recovery of the promoted node ended is where the timelines parted") {
    Story s;
    s.begin(100);
    s.standby(kTwo, 120);
    s.answer(kTwo, {.in_recovery = false, .lsn = 150, .timeline = 2, .recovery_ended_at = 140});
    CHECK(s.view().timeline_began_at == Lsn{140});
    CHECK(s.view().history_of({Lsn{140}, 1}) == History::Within);
    CHECK(s.view().history_of({Lsn{141}, 1}) == History::Lost);
}

TEST_CASE("log of the old primary that the new timeline lacks is told") {
    Story s;
    s.begin(100);
    s.primary(kOne, 170);
    s.events();
    s.answer(kTwo, {.in_recovery = false, .lsn = 150, .timeline = 2, .recovery_ended_at = 140});
    s.view();
    const std::string told = s.events();
    CHECK(says(told, "!the last 30 bytes of log that db1:5432 was seen to write, beyond 0/8C"));
    // Each of them once.
    s.primary(kTwo, 160, 2);
    s.view();
    CHECK_FALSE(says(s.events(), "bytes of log"));
}

TEST_CASE("the end of a recovery before the node was seen is no promotion") {
    Story s;
    s.begin(100);
    // A primary that has recovered from a crash.
    s.answer(
        kOne,
        {.in_recovery = false, .lsn = 150, .timeline = 1, .started = 2, .recovery_ended_at = 140});
    CHECK(s.view().forks.empty());
}

TEST_CASE("a node that was never seen before it was promoted leaves the fork unknown") {
    Story s;
    s.primary(kOne, 100);
    s.primary(kTwo, 150, 2);
    CHECK_FALSE(s.view().timeline_began_at);
    CHECK(s.view().history_of({Lsn{90}, 1}) == History::Doubtful);
    CHECK(s.view().history_of({Lsn{151}, 1}) == History::Lost);
}

TEST_CASE("a promoted node that tells its fork is believed") {
    Story s;
    s.begin(100);
    Observation seen;
    seen.started_at = seen.ended_at = s.now;
    seen.system_id = kSystem;
    seen.timeline = 2;
    seen.lsn = Lsn{200};
    seen.timeline_began_at = {Lsn{160}, 1};
    s.cluster.observe(kTwo, seen, s.now);
    CHECK(s.view().timeline_began_at == Lsn{160});
    CHECK(s.view().history_of({Lsn{160}, 1}) == History::Within);
    CHECK(s.view().history_of({Lsn{161}, 1}) == History::Lost);
}

TEST_CASE("a blind cluster asks nobody and believes the configuration") {
    ClusterRules rules;
    rules.is_blind = true;
    Story s(rules);
    std::vector<ProbeOrder> orders;
    s.cluster.due(s.now, orders);
    CHECK(orders.empty());
    CHECK(s.cluster.next_deadline().is_never());
    CHECK(s.view().is_blind);
    CHECK(s.view().primary == kOne);
    CHECK(s.trouble(kOne) == Trouble::None);
    CHECK(s.trouble(kTwo) == Trouble::NotSeenYet);
    CHECK(s.events().empty());
}

TEST_CASE("a reload keeps what is known of nodes that stay") {
    Story s;
    s.begin();
    s.cluster.configure({node_config(2), node_config(1), node_config(4)}, {}, s.now);
    CHECK(s.view().primary == kOne);
    CHECK(s.view().nodes.size() == 3);
    CHECK(s.trouble(kTwo) == Trouble::None);
    CHECK(s.trouble(NodeId{4}) == Trouble::NotSeenYet);
    CHECK(s.view().find(kThree) == nullptr);
    s.standby(kThree, 100);  // Its answer comes too late.
    CHECK(s.view().nodes.size() == 3);
}

TEST_CASE("a reload that replaces all nodes begins anew") {
    Story s;
    s.begin();
    s.cluster.configure({node_config(7)}, {}, s.now);
    s.answer(NodeId{7}, {.in_recovery = false, .timeline = 1, .system_id = 5});
    CHECK(s.view().primary == NodeId{7});
}

TEST_CASE("the view is the same object until something has changed") {
    Story s;
    s.begin();
    const ClusterViewRef first = s.cluster.view(s.now);
    CHECK(s.cluster.view(s.now) == first);
    s.standby(kTwo, 101);
    const ClusterViewRef second = s.cluster.view(s.now);
    CHECK(second != first);
    CHECK(second->version > first->version);
    CHECK(first->find(kTwo)->lsn == Lsn{100});
}

}  // namespace pgweir::cluster
