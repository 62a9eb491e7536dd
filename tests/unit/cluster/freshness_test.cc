// SPDX-License-Identifier: PostgreSQL
// What a session's next read needs, as stories.
#include "pgweir/cluster/freshness.h"

#include "unit/cluster/story.h"

namespace pgweir::cluster {

namespace {

using Answer = Freshness::Answer;

struct Session : Story {
    using Story::Story;
    Answer ask(NodeId id) { return freshness.may_read(view(), node(id)); }
    void unit(NodeId id) {
        pass_ms(1);
        freshness.unit_ended(id, now);
        pass_ms(1);
    }
    Freshness freshness;
};

const std::string kOurs = std::to_string(kSystem);

}  // namespace

TEST_CASE("who has seen nothing may read anywhere") {
    Session s;
    s.begin();
    CHECK(s.ask(kOne) == Answer::Fresh);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.freshness.token(s.view()) == "0:0:0/0");
    CHECK_FALSE(s.freshness.wants_sample_of());
}

TEST_CASE("after a write a standby needs the primary's next sample") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    CHECK(s.ask(kOne) == Answer::Fresh);
    CHECK(s.ask(kTwo) == Answer::NoSample);
    CHECK(s.freshness.wants_sample_of() == kOne);
    CHECK_FALSE(s.freshness.token(s.view()));
    s.standby(kTwo, 200);  // That does not say how far is far enough.
    CHECK(s.ask(kTwo) == Answer::NoSample);
    s.primary(kOne, 300);
    CHECK(s.ask(kTwo) == Answer::Behind);
    CHECK_FALSE(s.freshness.wants_sample_of());
    s.standby(kTwo, 300);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.ask(kThree) == Answer::Behind);
    CHECK(s.freshness.token(s.view()) == kOurs + ":1:0/12C");
    CHECK(s.freshness.last_node() == kOne);
}

TEST_CASE("a sample that started before the unit ended is not enough") {
    Session s;
    s.begin(100);
    Observation early;
    early.started_at = s.now;
    early.system_id = kSystem;
    early.timeline = 1;
    early.lsn = Lsn{100};
    s.unit(kOne);
    early.ended_at = s.now;
    s.cluster.observe(kOne, early, s.now);
    CHECK(s.ask(kTwo) == Answer::NoSample);
}

TEST_CASE("a session that stays on its standby needs nothing") {
    Session s;
    s.begin(100);
    s.unit(kTwo);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.ask(kOne) == Answer::Fresh);
    CHECK(s.ask(kThree) == Answer::NoSample);
    CHECK(s.freshness.wants_sample_of() == kTwo);
    s.standby(kTwo, 150);
    CHECK(s.ask(kThree) == Answer::Behind);
    s.standby(kThree, 150);
    CHECK(s.ask(kThree) == Answer::Fresh);
}

TEST_CASE("a later unit does not lose what an earlier one needs") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.primary(kOne, 200);
    s.standby(kTwo, 200);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    s.unit(kTwo);
    s.standby(kThree, 150);
    CHECK(s.ask(kThree) == Answer::Behind);
    CHECK(s.ask(kTwo) == Answer::Fresh);
}

TEST_CASE("what synchronous standbys had not written nobody was told of") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    // Others write: the primary is ahead of what it has acknowledged.
    s.answer(kOne, {.in_recovery = false, .lsn = 300, .acknowledged = 200});
    // As long as that primary lives, reads see what it had.
    s.standby(kTwo, 250);
    CHECK(s.ask(kTwo) == Answer::Behind);
    s.standby(kTwo, 260);
    std::uint64_t ended_at = 0;
    SUBCASE("the new timeline has it") {
        ended_at = 260;
    }
    SUBCASE("the new timeline has no more than that") {
        ended_at = 200;
    }
    SUBCASE("the new timeline lacks some of it") {
        ended_at = 199;
    }
    s.answer(kTwo,
             {.in_recovery = false, .lsn = 400, .timeline = 2, .recovery_ended_at = ended_at});
    const bool is_lost = ended_at < 200;
    CHECK((s.ask(kTwo) == Answer::OtherHistory) == is_lost);
    const bool counts_as_lost = s.view().history_of(s.freshness.acknowledged()) == History::Lost;
    CHECK(counts_as_lost == is_lost);
    if (is_lost) return;
    // The next standby of the new timeline has to have what was acknowledged.
    s.standby(kThree, 199, 2);
    CHECK(s.ask(kThree) == Answer::Behind);
    s.standby(kThree, 260, 2);
    CHECK(s.ask(kThree) == Answer::Fresh);
    s.unit(kTwo);
    s.answer(kTwo, {.in_recovery = false, .lsn = 500, .timeline = 2});
    CHECK(s.ask(kThree) == Answer::Behind);
    CHECK(s.freshness.needed().lsn == Lsn{500});
    CHECK(s.freshness.acknowledged().lsn == Lsn{500});
}

TEST_CASE("a place that a standby told, or that was handed on, is needed as a whole") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.answer(kOne, {.in_recovery = false, .lsn = 300, .acknowledged = 200});
    SUBCASE("read on a standby") {
        s.standby(kTwo, 300);
        REQUIRE(s.ask(kTwo) == Answer::Fresh);
        s.unit(kTwo);
        s.standby(kTwo, 301);
        REQUIRE(s.ask(kThree) == Answer::Behind);
        CHECK(s.freshness.acknowledged().lsn == Lsn{301});
    }
    SUBCASE("a token") {
        REQUIRE(s.ask(kTwo) == Answer::Behind);
        CHECK(s.freshness.acknowledged().lsn == Lsn{200});
        const auto token = s.freshness.token(s.view());
        REQUIRE(token);
        CHECK(s.freshness.set_token(*token, s.view()) == TokenAnswer::Accepted);
        CHECK(s.freshness.acknowledged().lsn == Lsn{300});
    }
}

TEST_CASE("an idle session finds a sample of its own age, however often nodes are sampled") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.primary(kOne, 200);
    for (std::uint64_t i = 1; i <= 1000; ++i) {
        s.pass_ms(1);
        s.primary(kOne, 200 + i);
    }
    s.standby(kTwo, 600);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.view().find(kOne)->samples.size() <= 16);
}

TEST_CASE("a standby that restarts may be further back than what was read on it") {
    Session s;
    s.begin(100);
    s.unit(kTwo);
    s.answer(kTwo, {.lsn = 90, .started = 2});
    CHECK(s.ask(kTwo) == Answer::NoSample);
    CHECK(s.ask(kOne) == Answer::Fresh);
    // Only the primary knows what it needs.
    CHECK(s.freshness.wants_sample_of() == kOne);
    s.standby(kTwo, 95);
    s.primary(kOne, 110);
    CHECK(s.ask(kTwo) == Answer::Behind);
}

TEST_CASE("a sample from before the restart still counts") {
    Session s;
    s.begin(100);
    s.unit(kTwo);
    s.standby(kTwo, 105);
    s.answer(kTwo, {.lsn = 90, .started = 2});
    CHECK(s.ask(kTwo) == Answer::Behind);
    s.answer(kTwo, {.lsn = 105, .started = 2});
    CHECK(s.ask(kTwo) == Answer::Fresh);
}

TEST_CASE("a primary that restarts keeps what it has acknowledged") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.answer(kOne, {.in_recovery = false, .lsn = 120, .started = 2});
    CHECK(s.ask(kTwo) == Answer::NoSample);
    s.answer(kOne, {.in_recovery = false, .lsn = 125, .started = 2});
    CHECK(s.ask(kTwo) == Answer::Behind);
}

TEST_CASE("after a failover, a place that the new primary had replayed is in its history") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.primary(kOne, 110);
    CHECK(s.ask(kTwo) == Answer::Behind);
    s.standby(kTwo, 110);
    s.primary(kTwo, 120, 2);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    s.standby(kThree, 125, 2);
    CHECK(s.ask(kThree) == Answer::Fresh);
    CHECK(s.ask(kOne) != Answer::Fresh);
}

TEST_CASE("after a failover, a place beyond what it had replayed is told as lost") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.primary(kOne, 150);
    CHECK(s.ask(kTwo) == Answer::Behind);
    s.primary(kTwo, 120, 2);
    CHECK(s.ask(kTwo) == Answer::OtherHistory);
    CHECK(s.ask(kThree) == Answer::OtherHistory);
    s.freshness.reset();
    CHECK(s.ask(kTwo) == Answer::Fresh);
}

TEST_CASE("a session whose place nobody sampled is served by the new primary") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.primary(kTwo, 120, 2);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.freshness.last_node() == kTwo);
    s.standby(kThree, 500, 2);
    CHECK(s.ask(kThree) == Answer::NoSample);
    s.primary(kTwo, 130, 2);
    CHECK(s.ask(kThree) == Answer::Fresh);
    CHECK(s.freshness.token(s.view()) == kOurs + ":2:0/82");
}

TEST_CASE("a sample that the new primary gave as a standby says nothing of the old one's writes") {
    Session s;
    s.begin(100);
    s.unit(kOne);
    s.standby(kTwo, 105);
    s.standby(kThree, 118);
    s.primary(kTwo, 120, 2);
    s.standby(kThree, 119, 2);
    CHECK(s.ask(kThree) == Answer::NoSample);
    s.primary(kTwo, 121, 2);
    CHECK(s.ask(kThree) == Answer::Behind);
}

TEST_CASE("a node that is gone from the configuration leaves its sessions to the primary") {
    Session s;
    s.begin(100);
    s.unit(kThree);
    s.cluster.configure({node_config(1), node_config(2)}, {}, s.now);
    CHECK(s.ask(kTwo) == Answer::NoSample);
    CHECK(s.ask(kOne) == Answer::Fresh);
    s.primary(kOne, 100);
    CHECK(s.ask(kTwo) == Answer::Fresh);
}

TEST_CASE("while no primary is known, a standby serves whom it has served before") {
    Session s;
    s.begin(100);
    s.unit(kTwo);
    s.fails(kOne);
    s.fails(kOne);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.ask(kThree) == Answer::NoSample);
    s.unit(kOne);  // Its last words.
    CHECK(s.ask(kTwo) == Answer::NoSample);
}

TEST_CASE("a token is handed on") {
    Session s;
    s.begin(100);
    CHECK(s.freshness.set_token(kOurs + ":1:0/C8", s.view()) == TokenAnswer::Accepted);
    CHECK(s.ask(kTwo) == Answer::Behind);
    CHECK(s.ask(kOne) == Answer::Fresh);
    CHECK(s.freshness.token(s.view()) == kOurs + ":1:0/C8");
    CHECK(s.freshness.set_token(kOurs + ":1:0/64", s.view()) == TokenAnswer::Accepted);
    CHECK(s.ask(kTwo) == Answer::Behind);  // The greater one counts.
    s.standby(kTwo, 200);
    CHECK(s.ask(kTwo) == Answer::Fresh);
    CHECK(s.freshness.set_token("0:0:0/0", s.view()) == TokenAnswer::Accepted);
}

TEST_CASE("a token counts for the node that the session is on, too") {
    Session s;
    s.begin(100);
    s.unit(kTwo);
    s.freshness.set_token(kOurs + ":1:0/C8", s.view());
    CHECK(s.ask(kTwo) == Answer::Behind);
}

TEST_CASE("what is no token, or another cluster's, is refused") {
    Session s;
    s.begin(100);
    for (const char* wrong : {"", "1:0/0", "x:1:0/1", ":1:0/1", "1::0/1", "1:1:", "1:1:0/1 ",
                              "-1:1:0/1", "1:4294967296:0/1", "1:1:0/1:2"}) {
        CHECK_MESSAGE(s.freshness.set_token(wrong, s.view()) == TokenAnswer::Malformed, wrong);
    }
    CHECK(s.freshness.set_token("5:1:0/1", s.view()) == TokenAnswer::OtherCluster);
    CHECK(s.ask(kTwo) == Answer::Fresh);
}

TEST_CASE("a token set before the cluster is known is checked when it is") {
    Session s;
    CHECK(s.freshness.set_token("5:1:0/1", s.view()) == TokenAnswer::Accepted);
    s.begin(100);
    CHECK(s.ask(kOne) == Answer::OtherHistory);
}

TEST_CASE("a token of a timeline that is not seen here yet is waited for") {
    Session s;
    s.begin(100);
    s.freshness.set_token(kOurs + ":2:0/78", s.view());
    CHECK(s.ask(kOne) == Answer::Behind);
    CHECK(s.ask(kTwo) == Answer::Behind);
    s.primary(kTwo, 130, 2);
    CHECK(s.ask(kTwo) == Answer::Fresh);
}

TEST_CASE("a lost place is told even if a token of the new timeline is set") {
    Session s;
    s.begin(100);
    s.freshness.set_token(kOurs + ":1:0/96", s.view());
    s.primary(kTwo, 130, 2);
    s.freshness.set_token(kOurs + ":2:0/80", s.view());
    CHECK(s.ask(kTwo) == Answer::OtherHistory);
}

TEST_CASE("a standby without a timeline is comparable only while there was but one") {
    Session s;
    s.primary(kOne, 100);
    s.answer(kTwo, {.lsn = 100, .timeline = 0});
    s.standby(kThree, 100);
    s.freshness.set_token(kOurs + ":1:0/64", s.view());
    CHECK(s.ask(kTwo) == Answer::Fresh);
    s.primary(kThree, 110, 2);
    s.answer(kTwo, {.lsn = 120, .timeline = 0});
    CHECK(s.trouble(kTwo) == Trouble::None);
    CHECK(s.ask(kTwo) == Answer::Behind);
    CHECK(s.ask(kThree) == Answer::Fresh);
}

TEST_CASE("in a blind cluster the first node serves every token") {
    ClusterRules rules;
    rules.is_blind = true;
    Session s(rules);
    CHECK(s.freshness.set_token(kOurs + ":3:0/64", s.view()) == TokenAnswer::Accepted);
    CHECK(s.ask(kOne) == Answer::Fresh);
    s.unit(kOne);
    CHECK(s.ask(kOne) == Answer::Fresh);
}

}  // namespace pgweir::cluster
