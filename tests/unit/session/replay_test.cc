// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/replay.h"

#include <doctest/doctest.h>

#include <string>

namespace pgweir::session {

TEST_CASE("what is taken back is everything from one unit on") {
    Replay replay;
    CHECK_FALSE(replay.is_active());
    replay.add(as_bytes("one"), Replay::Kind::Reads);
    replay.add(as_bytes("three"), Replay::Kind::Reads);
    replay.add(as_bytes("five"), Replay::Kind::Reads);
    CHECK(to_string(replay.copies(Replay::From::Front)) == "onethreefive");
    CHECK(to_string(replay.copies(Replay::From::Second)) == "threefive");
    replay.unit_ended();
    CHECK(to_string(replay.copies(Replay::From::Front)) == "threefive");
    replay.unit_ended();
    replay.unit_ended();
    CHECK_FALSE(replay.is_active());
}

TEST_CASE("each unit's answer is held anew") {
    Replay replay;
    replay.add(as_bytes("a"), Replay::Kind::Reads);
    replay.add(as_bytes("b"), Replay::Kind::Reads);
    CHECK(replay.holds());
    replay.pass_on();
    CHECK_FALSE(replay.holds());
    replay.unit_ended();
    CHECK(replay.holds());
    replay.unit_ended();
    CHECK_FALSE(replay.holds());
}

TEST_CASE("a unit that was not sent after all leaves nothing behind") {
    Replay replay;
    replay.add(as_bytes("a"), Replay::Kind::Reads);
    replay.remove_last();
    CHECK_FALSE(replay.is_active());
    CHECK_FALSE(replay.holds());
    replay.add(as_bytes("b"), Replay::Kind::Reads);
    replay.add(as_bytes("c"), Replay::Kind::Reads);
    replay.remove_last();
    CHECK(to_string(replay.copies(Replay::From::Front)) == "b");
}

TEST_CASE("only reads survive the loss of their server") {
    Replay replay;
    replay.add(as_bytes("a"), Replay::Kind::Refusals);
    CHECK(replay.is_active());
    CHECK_FALSE(replay.survives_loss());
    replay.unit_ended();
    replay.add(as_bytes("a"), Replay::Kind::Reads);
    CHECK(replay.survives_loss());
}

TEST_CASE("copies are bounded, also in a pipeline that never runs dry") {
    Replay replay;
    const std::string unit(100, 'x');
    replay.add(as_bytes(unit), Replay::Kind::Reads);
    for (int i = 0; i < 100'000; ++i) {
        CHECK(replay.has_room(unit.size()));
        replay.add(as_bytes(unit), Replay::Kind::Reads);
        replay.unit_ended();
    }
    CHECK(replay.copies(Replay::From::Front).size() == unit.size());
    CHECK_FALSE(replay.has_room(Replay::kCopyBytesMax));
}

}  // namespace pgweir::session
