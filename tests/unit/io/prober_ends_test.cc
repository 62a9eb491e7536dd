// SPDX-License-Identifier: PostgreSQL
// How looks and connections end: in silence, by the node, by the next order, with the prober.
#include "io/prober.h"

#include <doctest/doctest.h>

#include "prober_fixture.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

TEST_CASE_FIXTURE(ProberFixture,
                  "a silent server: no answer within the time, and the connection is closed") {
    login.timeout = Duration::milliseconds(30);
    SUBCASE("while connecting") {
        server.logs_in = false;
        const Observation seen = look();
        CHECK(seen.failure == "no answer within 30 ms (connecting)");
        CHECK(seen.ended_at - seen.started_at >= Duration::milliseconds(30));
    }
    SUBCASE("to a question") {
        server.answers = false;
        CHECK(look().failure == "no answer within 30 ms (asking)");
    }
    SUBCASE("to a question over the kept connection") {
        CHECK(look().answered());
        server.answers = false;
        CHECK(look().failure == "no answer within 30 ms (asking)");
    }
    SUBCASE("over a new connection") {
        server.answers = false;
        const Observation seen = look(order(ProbeOver::New));
        CHECK(seen.failure == "no answer within 30 ms (asking)");
        CHECK(seen.over == ProbeOver::New);
    }
    CHECK(is_ended(server.latest()));
    server.logs_in = server.answers = true;
    CHECK(look().answered());
    CHECK(told.seen.back().over == ProbeOver::Open);
}

TEST_CASE_FIXTURE(ProberFixture, "a connection that ends while nobody looks is told at once") {
    CHECK(look().answered());
    SUBCASE("with a reason") {
        say(server.latest().socket, error_response("FATAL", "57P01", "terminating connection"));
        const Observation seen = next();
        CHECK(seen.failure == "terminating connection");
        CHECK(seen.sqlstate == "57P01");
        CHECK(seen.over == ProbeOver::Open);
        CHECK(seen.started_at == seen.ended_at);
    }
    SUBCASE("without a word") {
        server.latest().socket.reset();
        CHECK(next().failure == "server closed the connection unexpectedly");
    }
    SUBCASE("with a reset") {
        const linger hard{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(server.latest().socket.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        server.latest().socket.reset();
        CHECK_FALSE(next().answered());
    }
    CHECK(told.seen.size() == 2);
    CHECK(look().answered());
    CHECK(server.connections.size() == 2);
}

TEST_CASE_FIXTURE(ProberFixture,
                  "what the server says between looks and is no farewell is not told") {
    CHECK(look().answered());
    say(server.latest().socket, notice_response("the weather is fine"));
    say(server.latest().socket, error_response("ERROR", "57014", "canceling nothing"));
    run_for(loop, Duration::milliseconds(5));
    CHECK(told.seen.size() == 1);
    CHECK(look().failure == "");
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture, "a connection that ends under a question is that look's failure") {
    ask_in_vain();
    SUBCASE("with a reason") {
        say(server.latest().socket, error_response("FATAL", "57P01", "terminating connection"));
        CHECK(next().sqlstate == "57P01");
    }
    SUBCASE("without a word") {
        server.latest().socket.reset();
        CHECK(next().failure == "server closed the connection unexpectedly");
    }
    run_for(loop, Duration::milliseconds(5));
    CHECK(told.seen.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture, "a look over a new connection leaves the kept one alone") {
    CHECK(look().answered());
    const Observation seen = look(order(ProbeOver::New));
    CHECK(seen.answered());
    CHECK(seen.over == ProbeOver::New);
    REQUIRE(server.connections.size() == 2);
    CHECK(is_ended(*server.connections[1]));
    CHECK_FALSE(is_closed(server.connections[0]->socket));
    CHECK(look().answered());
    CHECK(server.connections.size() == 2);
}

TEST_CASE_FIXTURE(ProberFixture, "where no connection is kept, a new one that worked becomes it") {
    CHECK(look(order(ProbeOver::New)).answered());
    CHECK(look().answered());
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(ProberFixture, "the kept connection may end while a new one is asked") {
    CHECK(look().answered());
    ask_in_vain(ProbeOver::New);
    REQUIRE(until([&] { return server.connections.size() == 2; }));
    REQUIRE(until([&] { return !server.latest().questions.empty(); }));
    server.connections[0]->socket.reset();
    Observation seen = next();
    CHECK_FALSE(seen.answered());
    CHECK(seen.over == ProbeOver::Open);
    say(server.latest().socket, answer_to_question() + answer_of({}) + ready_for_query());
    seen = next();
    CHECK(seen.answered());
    CHECK(seen.over == ProbeOver::New);
}

TEST_CASE_FIXTURE(ProberFixture, "another address or another login is another connection") {
    CHECK(look().answered());
    SUBCASE("address") {
        FakePostgresql elsewhere;
        LookAtNode moved = order();
        moved.address.port = elsewhere.port();
        prober->look(moved);
        REQUIRE(run_until(loop, [&] {
            elsewhere.turn();
            return told.seen.size() == 2;
        }));
        CHECK(told.seen[1].answered());
        CHECK(is_ended(*server.connections[0]));
    }
    SUBCASE("login") {
        login.user = "another";
        CHECK(look().answered());
        CHECK(is_ended(*server.connections[0]));
        CHECK(server.latest().parameters["user"] == "another");
    }
    SUBCASE("no other login, in another object") {
        CHECK(look().answered());
        CHECK(server.connections.size() == 1);
    }
}

TEST_CASE_FIXTURE(ProberFixture, "a look that was ordered over another one fails that one") {
    ask_in_vain();
    server.answers = true;
    prober->look(order());
    REQUIRE(told.seen.size() == 1);
    CHECK(told.seen[0].failure == "another look was ordered before this one had ended");
    CHECK(next().answered());
    CHECK(is_ended(*server.connections[0]));
    CHECK(told.seen.size() == 2);
}

TEST_CASE_FIXTURE(ProberFixture, "a node that is forgotten is not told any more") {
    SUBCASE("in the middle of a question") {
        ask_in_vain();
    }
    SUBCASE("in the middle of connecting") {
        server.logs_in = false;
        prober->look(order());
        REQUIRE(until([&] { return !server.connections.empty(); }));
    }
    SUBCASE("between looks") {
        CHECK(look().answered());
        told.seen.clear();
    }
    prober->forget(kNode);
    CHECK(is_ended(server.latest()));
    CHECK(told.seen.empty());
    CHECK(prober->node_count() == 0);
}

TEST_CASE_FIXTURE(ProberFixture,
                  "a node may be forgotten, or looked at again, as soon as it is told") {
    int left = 3;
    SUBCASE("looked at again") {
        told.when_observed = [&] {
            if (--left > 0) prober->look(order());
        };
    }
    SUBCASE("forgotten after an answer") {
        told.when_observed = [&] {
            prober->forget(kNode);
            left = 0;
        };
    }
    SUBCASE("forgotten after an end") {
        CHECK(look().answered());
        told.when_observed = [&] {
            prober->forget(kNode);
            left = 0;
        };
        server.latest().socket.reset();
        REQUIRE(until([&] { return left == 0; }));
        return;
    }
    prober->look(order());
    REQUIRE(until([&] { return left == 0; }));
}

TEST_CASE_FIXTURE(ProberFixture,
                  "two nodes wait for one name: the first one's failure forgets the other") {
    told.when_observed = [&] { prober->forget(kOther); };
    LookAtNode first = order();
    first.address.host = "no-such-host.invalid";
    LookAtNode second = first;
    second.node = kOther;
    prober->look(first);
    prober->look(second);
    REQUIRE(until([&] { return !told.seen.empty(); }));
    run_for(loop, Duration::milliseconds(5));
    CHECK(told.nodes == std::vector<NodeId>{kNode});
}

TEST_CASE_FIXTURE(ProberFixture, "a prober that goes in the middle of a look leaves nothing open") {
    SUBCASE("asking") {
        ask_in_vain();
    }
    SUBCASE("connecting") {
        server.logs_in = false;
        prober->look(order());
        REQUIRE(until([&] { return !server.connections.empty(); }));
    }
    SUBCASE("resolving") {
        LookAtNode named = order();
        named.address.host = "localhost";
        prober->look(named);
    }
    prober.reset();
    if (!server.connections.empty()) CHECK(is_ended(server.latest()));
    run_for(loop, Duration::milliseconds(5));
    CHECK(told.seen.empty());
}
