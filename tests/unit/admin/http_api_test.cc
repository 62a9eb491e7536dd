// SPDX-License-Identifier: PostgreSQL
// What can be asked for over HTTP, who may, and the words of the answers.
#include "pgweir/admin/http_api.h"

#include <doctest/doctest.h>

#include <string>

#include "support/http_asked.h"

using namespace pgweir;
using namespace pgweir::admin;

namespace {

constexpr std::string_view kToken = testing::kHttpToken;
using testing::get;
using testing::order;

AdminCommand command_of(const wire::HttpRequest& request) {
    const auto read = read_http(request, kToken);
    const auto* command = std::get_if<AdminCommand>(&read);
    REQUIRE_MESSAGE(command != nullptr, std::get<wire::HttpAnswer>(read).body);
    return *command;
}
wire::HttpAnswer answer_of(const wire::HttpRequest& request, std::string_view token = kToken) {
    const auto read = read_http(request, token);
    const auto* answer = std::get_if<wire::HttpAnswer>(&read);
    REQUIRE(answer != nullptr);
    return *answer;
}
bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("an order is the console's command") {
    const auto console = [](std::string_view text) {
        return parse_console(text, Role::Admin).value().front().command();
    };
    CHECK(command_of(order("/switchover", {{"database", "app"}})) == console("SWITCHOVER app"));
    CHECK(command_of(order("/switchover")) == console("SWITCHOVER"));
    CHECK(command_of(order("/pause", {{"database", "My \"app\""}})) ==
          console("PAUSE \"My \"\"app\"\"\""));
    CHECK(command_of(order("/resume")) == console("RESUME"));
    CHECK(command_of(order("/drain", {{"node", "db1:5432"}})) == console("DRAIN db1:5432"));
    CHECK(command_of(order("/undrain", {{"node", "db1"}})) == console("UNDRAIN db1"));
    CHECK(words_of(command_of(order("/drain", {{"node", "db1:5432"}}))) == "DRAIN db1:5432");
    CHECK(words_of(command_of(order("/pause"))) == "PAUSE");
}

TEST_CASE("orders need the token") {
    wire::HttpRequest request = order("/pause");
    CHECK(command_of(request).verb == Verb::Pause);
    request.authorization = "bearer " + std::string(kToken);
    CHECK(command_of(request).verb == Verb::Pause);
    for (const std::string wrong :
         {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef ",
          "Bearer 0123456789abcdeF", "Basic 0123456789abcdef", "0123456789abcdef"}) {
        CAPTURE(wrong);
        request.authorization = wrong;
        const wire::HttpAnswer answer = answer_of(request);
        CHECK(answer.status == 401);
        CHECK(answer.headers == wire::HttpPairs{{"WWW-Authenticate", "Bearer"}});
        CHECK(!has(answer.body, kToken));
    }
    SUBCASE("without one configured none is taken, not even with an empty one") {
        for (const std::string given : {"", "Bearer ", "Bearer 0123456789abcdef"}) {
            request.authorization = given;
            CHECK(answer_of(request, "").status == 403);
        }
        CHECK(std::holds_alternative<AdminCommand>(read_http(get("/metrics"), "")));
    }
    SUBCASE("what is wrong about an order is told to those who may order") {
        request.arguments = {{"nonsense", "1"}};
        CHECK(answer_of(request).status == 401);
    }
}

TEST_CASE("an order takes its argument once, and nothing else") {
    CHECK(answer_of(order("/pause", {{"node", "db1"}})).status == 400);
    CHECK(answer_of(order("/drain", {{"database", "app"}})).status == 400);
    CHECK(answer_of(order("/drain")).status == 400);
    CHECK(answer_of(order("/drain", {{"node", ""}})).status == 400);
    // It would mean all databases.
    CHECK(answer_of(order("/pause", {{"database", ""}})).status == 400);
    CHECK(answer_of(order("/pause", {{"database", "a"}, {"database", "b"}})).status == 400);
    const wire::HttpAnswer answer = answer_of(order("/pause", {{"databse", "a"}}));
    CHECK(answer.content_type == "application/json");
    CHECK(answer.body ==
          "{\n  \"error\": \"unknown argument \\\"databse\\\"\",\n"
          "  \"hint\": \"It takes \\\"database\\\".\"\n}\n");
}

TEST_CASE("other paths and methods are refused") {
    CHECK(answer_of(get("/")).status == 404);
    CHECK(answer_of(get("/metrics/")).status == 404);
    CHECK(answer_of(order("/shutdown")).status == 404);
    CHECK(answer_of(get("/pause")).status == 405);
    CHECK(answer_of(get("/pause")).headers == wire::HttpPairs{{"Allow", "POST"}});
    CHECK(answer_of(order("/metrics")).status == 405);
    CHECK(answer_of({.method = "DELETE", .path = "/healthz"}).headers ==
          wire::HttpPairs{{"Allow", "GET, HEAD"}});
    CHECK(answer_of({.method = "HEAD", .path = "/healthz"}).status == 200);
    CHECK(answer_of(get("/healthz")).body == "ok\n");
}

TEST_CASE("answers have the console's words, whatever the names are") {
    const AdminCommand pause{.verb = Verb::Pause, .database = "app"};
    CHECK(http_done(pause) == wire::HttpAnswer{.status = 200,
                                               .content_type = "application/json",
                                               .body = "{\n  \"command\": \"PAUSE app\",\n"
                                                       "  \"result\": \"PAUSE\"\n}\n"});
    const wire::Refusal unknown{.reason = wire::RefusalReason::ConsoleUnknownDatabase,
                                .subject = "app"};
    const wire::HttpAnswer refused = http_refused(pause, unknown);
    CHECK(refused.status == 404);
    CHECK(has(refused.body, "\"error\": \"database \\\"app\\\" does not exist\""));
    CHECK(has(refused.body, "\"hint\": \"SHOW DATABASES lists them.\""));
    CHECK(has(refused.body, "\"sqlstate\": \"3D000\""));
    CHECK(http_refused(pause, {.reason = wire::RefusalReason::ConsoleUnknownNode}).status == 404);
    CHECK(http_refused(pause, {.reason = wire::RefusalReason::ConsoleNoPrimary}).status == 409);
    CHECK(http_refused(pause, {.reason = wire::RefusalReason::ConsoleFailed}).status == 409);

    const wire::HttpAnswer late = http_late(pause, "60s");
    CHECK(late.status == 504);
    CHECK(has(late.body, "PAUSE app is not done after order_timeout = 60s"));

    // No UTF-8.
    const AdminCommand broken{.verb = Verb::Pause, .database = "\xff\"\n"};
    CHECK(has(http_done(broken).body, "PAUSE \xEF\xBF\xBD\\\"\\n"));
}

TEST_CASE("ready is who has a node that can be used for each database") {
    const AdminCommand ready = command_of(get("/readyz"));
    CHECK(parts_of(ready.table).databases);
    ShowData data;
    data.databases.push_back({.name = "app"});
    data.databases.push_back({.name = "other"});
    CHECK(http_shown(ready, data).status == 200);
    data.databases[1].trouble = "logins to n1:5432 fail";
    CHECK(http_shown(ready, data).status == 503);
    CHECK(http_shown(ready, data).body == "database other: logins to n1:5432 fail\n");
    // Another worker has servers there.
    ShowData second;
    second.databases.push_back({.name = "other", .servers_ready = 1});
    merge(data, std::move(second));
    CHECK(http_shown(ready, data).body == "ready\n");
    data.is_stopping = true;
    CHECK(http_shown(ready, data).status == 503);
}

TEST_CASE("/metrics tells what the workers know, in Prometheus' format") {
    const AdminCommand metrics = command_of(get("/metrics"));
    ShowData data;
    data.databases.push_back({.name = "app", .servers = 3, .clients = 7, .paused = true});
    data.pools.push_back({.database = "app",
                          .user = "al\"ice\\\n",
                          .clients_active = 5,
                          .clients_waiting = 2,
                          .servers_idle = 3,
                          .wait_max = Duration::milliseconds(1500)});
    StatsRow stats{.database = "app"};
    stats.total.queries = 12;
    stats.total.wait_us = 2'500'000;
    data.stats.push_back(stats);
    data.nodes.push_back({.databases = "app, ro",
                          .host = "n1",
                          .port = 5432,
                          .role = "standby",
                          .lag_bytes = 64,
                          .lag_time = Duration::milliseconds(20),
                          .state = "ok",
                          .reads = 9});
    data.nodes.push_back({.databases = "app, ro", .host = "n2", .port = 5432, .state = "slow"});
    data.clusters.push_back({.databases = "app, ro",
                             .failovers = 2,
                             .lost_sessions = 1,
                             .lost_bytes = 96,
                             .changes = 4,
                             .alarms = 1});
    data.counts.clients = 8;
    const wire::HttpAnswer answer = http_shown(metrics, data);
    CHECK(answer.content_type == "text/plain; version=0.0.4; charset=utf-8");
    const std::string& text = answer.body;
    for (const std::string_view line :
         {"# TYPE pgweir_database_clients gauge\npgweir_database_clients{database=\"app\"} 7\n",
          "pgweir_database_paused{database=\"app\"} 1\n",
          "pgweir_pool_clients{database=\"app\",user=\"al\\\"ice\\\\\\n\",state=\"waiting\"} 2\n",
          "state=\"idle\"} 3\n",
          "pgweir_pool_wait_max_seconds{database=\"app\",user=\"al\\\"ice\\\\\\n\"} 1.5\n",
          "# TYPE pgweir_queries_total counter\npgweir_queries_total{database=\"app\"} 12\n",
          "# HELP pgweir_wait_seconds_total Seconds that clients waited for a server.\n",
          "pgweir_wait_seconds_total{database=\"app\"} 2.5\n",
          "pgweir_node_role{databases=\"app, ro\",node=\"n1:5432\",role=\"standby\"} 1\n",
          "pgweir_node_role{databases=\"app, ro\",node=\"n1:5432\",role=\"primary\"} 0\n",
          "pgweir_node_up{databases=\"app, ro\",node=\"n2:5432\"} 0\n",
          "pgweir_node_lag_seconds{databases=\"app, ro\",node=\"n1:5432\"} 0.02\n",
          "pgweir_failovers_total{databases=\"app, ro\"} 2\n",
          "pgweir_lost_sessions_total{databases=\"app, ro\"} 1\n",
          "pgweir_lost_bytes_total{databases=\"app, ro\"} 96\n",
          "pgweir_events_total{databases=\"app, ro\",kind=\"alarm\"} 1\n", "pgweir_clients 8\n"}) {
        CHECK_MESSAGE(has(text, line), line);
    }
    // What is not known makes no sample.
    CHECK(!has(text, "pgweir_node_lag_bytes{databases=\"app, ro\",node=\"n2:5432\"}"));
}
