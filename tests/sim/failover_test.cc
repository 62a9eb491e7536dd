// SPDX-License-Identifier: PostgreSQL
// Stories of failovers: the primary goes and a standby is promoted. What nobody was sent waits;
// what was in flight is told honestly; what the old primary says later reaches nobody.
#include <doctest/doctest.h>

#include <string>

#include "sim/cluster_setup.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

constexpr std::uint64_t kSeeds = 10;

const Duration kLong = Duration::seconds(60);
const Duration kShort = Duration::milliseconds(50);
// By then nobody sends anything to a node that has crashed.
const Duration kNoticed = Duration::milliseconds(300);

}  // namespace

TEST_CASE("writers of whom nothing was sent wait for the promotion") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        ClusterStory story({.standbys = 2, .seed = seed});
        SimClient& alice = story.settled("alice");
        SimClient& bob = story.settled("bob");
        story.world().node(0).crash(kLong, kShort);
        story.pass(Duration::milliseconds(300));
        const std::string of_alice = alice.token();
        const std::string of_bob = bob.token();
        alice.query(story.writing(5, of_alice)).flush();
        bob.query(story.writing(6, of_bob)).flush();
        story.pass(Duration::milliseconds(500));
        CHECK_FALSE(alice.is_idle());
        CHECK_FALSE(bob.is_idle());
        story.world().promote(1);
        CHECK(story.answer(alice).sqlstate == "");
        CHECK(story.answer(bob).sqlstate == "");
        CHECK(story.get(alice, 5) == of_alice);
        CHECK(story.get(bob, 6) == of_bob);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("an open transaction that loses its primary is 40001, and its client goes on") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        ClusterStory story({.standbys = 2, .seed = seed});
        SimClient& alice =
            story.settled("alice", ReadLevel::Session, ready_for({"40001", "25P02"}));
        const std::string lost = alice.token();
        story.ask(alice, "BEGIN");
        story.ask(alice, story.writing(5, lost));
        story.world().node(0).crash(kLong, kShort);
        story.pass(kShort);
        story.world().promote(1);
        CHECK(story.ask(alice, story.writing(6, alice.token())).sqlstate == "40001");
        story.ask(alice, "ROLLBACK");
        const std::string kept = story.put(alice, 7);
        CHECK(story.get(alice, 7) == kept);
        CHECK(story.get(alice, 5) != lost);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("the writer of a frozen primary is answered when the new one is seen") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        ClusterStory story({.standbys = 2, .seed = seed});
        SimClient& alice = story.settled("alice", ReadLevel::Session, ready_for({"08007"}));
        story.world().node(0).freeze(Duration::seconds(20));
        alice.query(story.writing(5, alice.token())).flush();
        story.pass(Duration::seconds(1));
        story.world().promote(1);
        story.pass(Duration::seconds(2));
        CHECK(alice.is_idle());
        CHECK(alice.answers().back().sqlstate == "08007");
        const std::string kept = story.put(alice, 6);
        // What the woken one says reaches nobody.
        story.pass(Duration::seconds(30));
        CHECK(story.get(alice, 6) == kept);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("a primary that is promoted over without being stopped gets no writes any more") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        ClusterStory story({.standbys = 2, .workers = 2, .seed = seed});
        SimClient& alice = story.settled("alice");
        SimClient& bob = story.settled("bob");
        story.put(alice, 5);
        story.put(bob, 6);
        story.world().promote(1);
        story.pass(Duration::seconds(1));
        const std::uint64_t before = story.world().watch().routing().turns_on(0);
        const std::string of_alice = story.put(alice, 5);
        const std::string of_bob = story.put(bob, 6);
        CHECK(story.get(alice, 5) == of_alice);
        CHECK(story.get(bob, 6) == of_bob);
        CHECK(story.world().watch().routing().turns_on(0) == before);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("there and back again: the first primary returns as a standby and is promoted") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        ClusterStory story({.standbys = 1, .seed = seed});
        SimClient& alice = story.settled("alice");
        const std::string first = story.put(alice, 5);
        story.world().node(0).crash(Duration::milliseconds(500), kShort);
        story.pass(kNoticed);
        story.world().promote(1);
        const std::string second = story.put(alice, 6);
        story.pass(Duration::seconds(3));
        story.world().node(1).crash(Duration::milliseconds(500), kShort);
        story.pass(kNoticed);
        story.world().promote(0);
        const std::string third = story.put(alice, 7);
        CHECK(story.get(alice, 5) == first);
        CHECK(story.get(alice, 6) == second);
        CHECK(story.get(alice, 7) == third);
        CHECK(story.complaints() == "");
    }
}

TEST_CASE("all nodes go and come back: who waited is served") {
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        ClusterStory story({.standbys = 2, .seed = seed});
        SimClient& alice = story.settled("alice");
        for (std::uint32_t node = 0; node < story.world().nodes(); ++node) {
            story.world().node(node).crash(Duration::seconds(5), kShort);
        }
        story.pass(Duration::milliseconds(500));
        const std::string kept = story.put(alice, 5);
        CHECK(story.get(alice, 5) == kept);
        CHECK(story.complaints() == "");
    }
}
