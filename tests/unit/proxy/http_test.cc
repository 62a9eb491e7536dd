// SPDX-License-Identifier: PostgreSQL
// An HTTP order is a console command by another door.
#include <doctest/doctest.h>

#include "support/http_asked.h"
#include "unit/proxy/ready.h"

namespace pgweir::proxy {

namespace {

const std::string kHttp = "[http]\ntoken = \"0123456789abcdef\"\norder_timeout = \"30s\"\n";

using testing::get;
using testing::order;

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

struct Served : Ready {
    Served() : Ready(std::string(kSettings) + kHttp) {}

    const wire::HttpAnswer& answered(wire::HttpRequest request) {
        const auto* answer = http_answer(ask_http(std::move(request)));
        REQUIRE(answer != nullptr);
        return *answer;
    }
};

}  // namespace

TEST_CASE("PAUSE over HTTP is answered when no server is in use any more") {
    Served s;
    s.say(s.alice, client::query("BEGIN"));
    s.answer(s.one, server::complete("BEGIN") + server::ready('T'));
    const HttpRequestId pause = s.ask_http(order("/pause", {{"database", "app"}}));
    CHECK(s.http_answer(pause) == nullptr);
    CHECK(has(s.log().back(), "10.0.0.9:4000 orders over HTTP: PAUSE app"));
    s.say(s.alice, client::query("COMMIT"));
    s.answer(s.one, server::complete("COMMIT") + server::ready());
    REQUIRE(s.http_answer(pause) != nullptr);
    CHECK(s.http_answer(pause)->status == 200);
    CHECK(has(s.http_answer(pause)->body, "\"result\": \"PAUSE\""));
    CHECK(s.asked(s.one).ends_with("X"));

    // Who comes now waits, until RESUME: over HTTP as over the console.
    s.say(s.alice, client::query("SELECT 1"));
    CHECK(s.opened().size() == 1);
    CHECK(s.answered(order("/resume")).status == 200);
    s.tell(ServerClosed{s.one, "end of file"});
    CHECK(s.opened().size() == 2);
}

TEST_CASE("an order that takes too long is answered with 504, and goes on") {
    Served s;
    s.say(s.alice, client::query("BEGIN"));
    s.answer(s.one, server::complete("BEGIN") + server::ready('T'));
    const HttpRequestId pause = s.ask_http(order("/pause"));
    s.pass(Duration::seconds(29));
    CHECK(s.http_answer(pause) == nullptr);
    s.pass(Duration::seconds(2));
    REQUIRE(s.http_answer(pause) != nullptr);
    CHECK(s.http_answer(pause)->status == 504);
    CHECK(has(s.http_answer(pause)->body, "PAUSE is not done after order_timeout = 30s"));
    // Done: nobody is told a second time (the stage sees to that), but it is paused.
    s.say(s.alice, client::query("COMMIT"));
    s.answer(s.one, server::complete("COMMIT") + server::ready());
    CHECK(has(s.answered(get("/metrics")).body, "\npgweir_paused 1\n"));
}

TEST_CASE("the refusals are the console's") {
    Served s;
    CHECK(s.answered(order("/pause", {{"database", "nobody"}})).status == 404);
    CHECK(has(s.answered(order("/pause", {{"database", "nobody"}})).body,
              "database \\\"nobody\\\" does not exist"));
    CHECK(s.answered(order("/drain", {{"node", "nowhere:5432"}})).status == 404);
    CHECK(s.answered(order("/switchover", {{"database", "app"}})).status == 409);
    CHECK(s.answered({.method = "POST", .path = "/pause"}).status == 401);
    // None of these has paused anything.
    s.say(s.alice, client::query("SELECT 1"));
    CHECK(has(s.asked(s.one), "Q("));
}

TEST_CASE("a database whose logins fail is not ready, as long as that is news") {
    ByHand world(std::string(kSettings) + kHttp);
    const auto ready = [&world] { return *world.http_answer(world.ask_http(get("/readyz"))); };
    CHECK(ready().status == 200);
    world.connect();
    REQUIRE(world.opened().size() == 1);
    world.tell(ServerOpenFailed{world.opened()[0], "connection refused"});
    CHECK(ready().status == 503);
    CHECK(ready().body == "database app: logins to 127.0.0.1:5432 fail\n");
    // The client has gone by then, and nobody tries again.
    world.pass(Duration::seconds(40));
    CHECK(ready().status == 200);
}

TEST_CASE("a database with several nodes is ready once one of them can be used") {
    const std::string cluster =
        "[pgweir]\nauth_type = \"any\"\n[databases.app]\nnodes = [\"one\", \"two\"]\n"
        "[cluster]\nmonitor_user = \"eye\"\n";
    ByHand world(cluster + kHttp);
    world.tell(Woken{});
    const auto ask = [&world](wire::HttpRequest request) {
        return *world.http_answer(world.ask_http(std::move(request)));
    };
    CHECK(ask(get("/readyz")).body ==
          "database app: one:5432 is not seen yet; two:5432 is not seen yet\n");
    CHECK(ask(order("/switchover")).status == 409);
    CHECK(has(ask(order("/switchover")).body, "SWITCHOVER failed: there is no primary"));
    world.pass(Duration::milliseconds(1));
    for (const std::uint64_t node : {1U, 2U}) {
        cluster::Observation seen;
        seen.started_at = seen.ended_at = world.now();
        seen.in_recovery = node == 2;
        seen.system_id = 7;
        seen.timeline = 1;
        seen.lsn = cluster::Lsn{0x100};
        seen.started_unix_us = 1;
        world.tell(NodeObserved{NodeId{node}, std::move(seen)});
    }
    CHECK(ask(get("/readyz")).body == "ready\n");
    const std::string metrics = ask(get("/metrics")).body;
    CHECK(has(metrics, "pgweir_node_role{databases=\"app\",node=\"one:5432\",role=\"primary\"} 1"));
    CHECK(has(metrics, "pgweir_failovers_total{databases=\"app\"} 0"));

    // No server holds it up.
    CHECK(ask(order("/drain", {{"node", "two:5432"}})).status == 200);
    CHECK(has(ask(get("/metrics")).body, "pgweir_node_up{databases=\"app\",node=\"two:5432\"} 0"));
    CHECK(ask(order("/undrain", {{"node", "two"}})).status == 200);
    CHECK(has(ask(get("/metrics")).body, "pgweir_node_up{databases=\"app\",node=\"two:5432\"} 1"));
}

TEST_CASE("what is not done when pgweir ends is answered") {
    Served s;
    s.say(s.alice, client::query("BEGIN"));
    s.answer(s.one, server::complete("BEGIN") + server::ready('T'));
    const HttpRequestId pause = s.ask_http(order("/pause"));
    s.tell(ShutdownRequested{ShutdownMode::Drain});
    CHECK(s.answered(get("/healthz")).status == 200);
    CHECK(s.answered(get("/readyz")).body == "pgweir is shutting down\n");
    CHECK(s.http_answer(pause) == nullptr);
    s.tell(ShutdownRequested{ShutdownMode::Now});
    REQUIRE(s.http_answer(pause) != nullptr);
    CHECK(s.http_answer(pause)->status == 503);
}

}  // namespace pgweir::proxy
