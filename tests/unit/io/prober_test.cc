// SPDX-License-Identifier: PostgreSQL
// Looking at nodes: what is asked, what is made of the answers, and the names of nodes.
#include "io/prober.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "prober_fixture.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

TEST_CASE_FIXTURE(ProberFixture, "a primary's answer is read, and the times enclose the question") {
    const Instant before = clock_now();
    const Observation seen = look();
    CHECK(seen.answered());
    CHECK_FALSE(seen.in_recovery);
    CHECK(seen.over == ProbeOver::Open);
    CHECK(seen.lsn.value == 0x16B374D848);
    CHECK(seen.timeline == 3);
    CHECK(seen.system_id == 7'000'000'000'000'000'001);
    CHECK(seen.started_unix_us == 946'684'801'000'000);
    CHECK(seen.sqlstate.empty());
    CHECK(before <= seen.started_at);
    CHECK(seen.started_at <= seen.ended_at);
    CHECK(seen.ended_at <= clock_now());
}

TEST_CASE_FIXTURE(ProberFixture, "the control file is read once, and the statement prepared once") {
    for (int i = 0; i < 4; ++i) {
        const Observation seen = look();
        CHECK(seen.system_id == 7'000'000'000'000'000'001);
        CHECK(seen.timeline == 3);
    }
    CHECK(server.connections.size() == 1);
    const std::vector<std::string>& questions = server.latest().questions;
    REQUIRE(questions.size() == 5);
    CHECK(questions[0].find("pg_control_system") != std::string::npos);
    CHECK(questions[1].find("pg_control_") == std::string::npos);
    CHECK(questions[2].empty());
    CHECK(questions[3].empty());
    CHECK(questions[4].empty());
}

TEST_CASE_FIXTURE(ProberFixture, "a look starts when its question leaves, not when it connects") {
    server.logs_in = false;
    prober->look(order());
    REQUIRE(until([&] { return !server.connections.empty() && server.latest().has_started; }));
    run_for(loop, Duration::milliseconds(5));
    const Instant logged_in = clock_now();
    say(server.latest().socket, login_answer());
    CHECK(next().started_at >= logged_in);
}

TEST_CASE_FIXTURE(ProberFixture,
                  "a standby tells the timeline that it receives, or that of its restart point") {
    server.row = {.in_recovery = true, .file_name = std::nullopt, .received = 4, .checkpoint = 3};
    Observation seen = look();
    CHECK(seen.in_recovery);
    CHECK(seen.timeline == 4);
    server.row.received = std::nullopt;
    SUBCASE("a timeline that was received once is not forgotten") {
        CHECK(look().timeline == 4);
    }
    SUBCASE("without the right to see the receiver") {
        prober->forget(kNode);
        CHECK(look().timeline == 3);
        CHECK(look().timeline == 3);
    }
    SUBCASE("nothing has been replayed yet") {
        server.row.lsn = std::nullopt;
        CHECK_FALSE(look().lsn);
    }
}

TEST_CASE_FIXTURE(ProberFixture, "a promotion is seen by the next look, with the new timeline") {
    server.row = {.in_recovery = true, .file_name = std::nullopt, .received = 3, .checkpoint = 3};
    CHECK(look().timeline == 3);
    CHECK(look().in_recovery);
    server.row = {.file_name = "000000040000001600000002", .recovery_end = 0x16000000C0};
    const Observation seen = look();
    CHECK_FALSE(seen.in_recovery);
    CHECK(seen.timeline == 4);
    CHECK(seen.recovery_ended_at.value == 0x16000000C0);
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture, "what synchronous standbys have written counts while they stay") {
    server.row = {.written = 0x16B374D000, .writers = 5};
    CHECK_FALSE(look().acknowledged);
    server.row = {.written = 0x16B374D100, .writers = 5};
    CHECK(look().acknowledged.value == 0x16B374D100);
    // What one of them has acknowledged that is gone, the other one may not have.
    server.row = {.written = 0x16B374D200, .writers = 6};
    CHECK_FALSE(look().acknowledged);
    CHECK(look().acknowledged.value == 0x16B374D200);
    server.row = {};
    CHECK_FALSE(look().acknowledged);
}

TEST_CASE_FIXTURE(ProberFixture, "where the control file may not be read, the rest is asked") {
    server.instead = error_response("ERROR", "42501", "permission denied") + ready_for_query();
    server.refused_part = "pg_control_";
    const Observation seen = look();
    CHECK(seen.answered());
    CHECK(seen.sqlstate.empty());
    CHECK(seen.system_id == 0);
    CHECK(seen.timeline == 3);
    CHECK(look().answered());
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture, "an error is a failed look, and the connection goes on") {
    CHECK(look().answered());
    server.instead = error_response("ERROR", "57014", "canceling statement") + ready_for_query();
    const Observation seen = look();
    CHECK(seen.failure == "canceling statement");
    CHECK(seen.sqlstate == "57014");
    server.instead.clear();
    CHECK(look().answered());
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture,
                  "an answer to something else is a failure, and ends the connection") {
    SUBCASE("nothing") {
        server.instead = ready_for_query();
    }
    SUBCASE("a COPY") {
        server.instead = std::string("H\0\0\0\7\0\0\0", 8);
    }
    SUBCASE("two rows") {
        server.instead = answer_of({}) + answer_of({}) + ready_for_query();
    }
    SUBCASE("other columns") {
        server.instead = answer_with({"one", "two"}) + ready_for_query();
    }
    SUBCASE("numbers of another size") {
        server.instead =
            answer_with({"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}) + ready_for_query();
    }
    SUBCASE("no message at all") {
        server.instead = "HTTP/1.1 400 Bad Request";
    }
    CHECK_FALSE(look().answered());
    CHECK(is_ended(server.latest()));
    server.instead.clear();
    CHECK(look().answered());
    CHECK(server.connections.size() == 2);
}

TEST_CASE_FIXTURE(ProberFixture, "a node's name is resolved; what is no name stands for itself") {
    prober->resolve({"192.0.2.7", 6000});
    prober->resolve({"::1", 6000});
    prober->resolve({"/run/postgresql", 6000});
    REQUIRE(told.resolved.size() == 3);
    CHECK(told.resolved[0].name == NodeAddress{"192.0.2.7", 6000});
    CHECK(told.resolved[0].addresses == std::vector<std::string>{"192.0.2.7"});
    CHECK(told.resolved[1].addresses == std::vector<std::string>{"::1"});
    CHECK(told.resolved[2].addresses == std::vector<std::string>{"/run/postgresql"});

    prober->resolve({"localhost", 6000});
    prober->resolve({"no-such-host.invalid", 6000});
    REQUIRE(until([&] { return told.resolved.size() == 5; }));
    const bool is_in_order = told.resolved[3].name.host == "localhost";
    const NodeResolved& found = told.resolved[is_in_order ? 3 : 4];
    const NodeResolved& missing = told.resolved[is_in_order ? 4 : 3];
    CHECK(found.failure.empty());
    CHECK(std::count(found.addresses.begin(), found.addresses.end(), "127.0.0.1") == 1);
    CHECK(std::is_sorted(found.addresses.begin(), found.addresses.end()));
    CHECK(missing.addresses.empty());
    CHECK(missing.failure.starts_with("could not resolve \"no-such-host.invalid\": "));
}

TEST_CASE("a name that is not resolved in time is a failure, and is told once") {
    Loop loop;
    Observations told;
    Prober prober(loop.get(), told, {.patience = Duration::milliseconds(0)});
    // The timer is due in the turn in which the question is asked: no answer is earlier.
    prober.resolve({"no-such-host.invalid", 6000});
    REQUIRE(run_until(loop, [&] { return !told.resolved.empty(); }));
    CHECK(told.resolved[0].addresses.empty());
    CHECK_FALSE(told.resolved[0].failure.empty());
    run_for(loop, Duration::milliseconds(20));
    CHECK(told.resolved.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture, "a prober that goes leaves no name to be told") {
    prober->resolve({"localhost", 6000});
    prober.reset();
    run_for(loop, Duration::milliseconds(20));
    CHECK(told.resolved.empty());
}
