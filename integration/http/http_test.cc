// SPDX-License-Identifier: PostgreSQL
// What operators' tools ask for over HTTP, with real nodes behind it.
#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>

#include "http_client.h"
#include "shared.h"
#include "test_standby.h"

using namespace pgweir::integration;
using namespace std::chrono_literals;

namespace {

const std::string kToken = "a-token-for-orders";

PgweirConfig usual() {
    PgweirConfig config(cluster());
    config.set("http", "listen", "[\"127.0.0.1:0\"]");
    config.set("http", "token", "\"" + kToken + "\"");
    config.set("http", "request_timeout", "\"1s\"");
    return config;
}

struct Served {
    explicit Served(const PgweirConfig& config = usual()) : pgweir(config) {
        const std::string line = pgweir.process().take_line().value_or("");
        REQUIRE_MESSAGE(line.starts_with("pgweir is ready: HTTP on 127.0.0.1:"), line);
        http = static_cast<std::uint16_t>(std::atoi(line.c_str() + line.rfind(':') + 1));
    }
    HttpReply order(const std::string& target, const std::string& token = kToken) const {
        const HttpClient client(http);
        client.say(pgweir::integration::order(target, token));
        return client.reply();
    }

    PgweirProcess pgweir;
    std::uint16_t http = 0;
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("health, readiness and metrics, over two workers") {
    Served s(usual().general("workers", "2"));
    CHECK(get(s.http, "/healthz").body == "ok\n");
    CHECK(get(s.http, "/readyz").body == "ready\n");
    Connection alice(s.pgweir.target());
    Connection bob(s.pgweir.target());
    for (Connection* client : {&alice, &bob}) client->must("select 1");
    const HttpReply metrics = get(s.http, "/metrics");
    CHECK(metrics.status == 200);
    CHECK(has(metrics.head, "Content-Type: text/plain; version=0.0.4"));
    CHECK(has(metrics.body, "\npgweir_queries_total{database=\"app\"} 2\n"));
    CHECK(has(metrics.body, "\npgweir_clients 2\n"));
    CHECK(has(metrics.body, "pgweir_database_usable{database=\"app\"} 1\n"));
    CHECK(get(s.http, "/nothing").status == 404);
    CHECK(get(s.http, "/pause").status == 405);
}

TEST_CASE("a database whose node is down is not ready, and ready again with its node") {
    TestCluster node;
    PgweirConfig config(node);
    config.set("http", "listen", "[\"127.0.0.1:0\"]");
    config.timeout("query_wait_timeout", "200ms");
    config.timeout("server_login_retry_max", "500ms");
    Served s(config);
    node.stop();
    CHECK(get(s.http, "/readyz").status == 200);  // Nobody has tried yet.
    CHECK(!Connection::attempt(s.pgweir.target()).is_ok());
    const HttpReply reply = get(s.http, "/readyz");
    CHECK(reply.status == 503);
    CHECK(has(reply.body, "database app: logins to 127.0.0.1:"));
    node.start();
    // The next login is tried when server_login_retry says so: later than some client's wait ends.
    wait_until("a client is served again",
               [&] { return Connection::attempt(s.pgweir.target()).is_ok(); });
    CHECK(get(s.http, "/readyz").status == 200);
}

TEST_CASE("PAUSE over HTTP waits for the transaction, and clients wait for RESUME") {
    Served s(usual().general("workers", "2"));
    Connection alice(s.pgweir.target());
    alice.must("begin");
    const HttpClient operator_client(s.http);
    operator_client.say(order("/pause?database=app", kToken));
    CHECK(!operator_client.has_reply(200ms));
    // The loop serves others meanwhile.
    CHECK(get(s.http, "/healthz").status == 200);
    alice.must("commit");
    const HttpReply done = operator_client.reply();
    CHECK(done.status == 200);
    CHECK(has(done.body, "\"command\": \"PAUSE app\""));
    CHECK(has(get(s.http, "/metrics").body, "pgweir_database_paused{database=\"app\"} 1\n"));
    alice.send("select 7");
    CHECK(!alice.has_answer(200ms));
    CHECK(s.order("/resume?database=app").status == 200);
    CHECK(alice.answer().value() == "7");
}

TEST_CASE("orders are refused as the console refuses them, and to those without the token") {
    Served s;
    CHECK(s.order("/pause", "").status == 401);
    CHECK(s.order("/pause", "a-token-for-ordert").status == 401);
    const HttpReply unknown = s.order("/pause?database=nobody");
    CHECK(unknown.status == 404);
    CHECK(has(unknown.body, "database \\\"nobody\\\" does not exist"));
    CHECK(s.order("/drain?node=nowhere:5432").status == 404);
    CHECK(s.order("/switchover").status == 409);
    CHECK(Connection(s.pgweir.target()).value("select 1") == "1");
    CHECK(!has(s.pgweir.log(), kToken));
    CHECK(!has(s.pgweir.log(), "orders over HTTP: PAUSE\n"));

    // A new token counts from the reload on.
    s.pgweir.rewrite(usual().set("http", "token", "\"another-token-for-orders\""));
    Connection(s.pgweir.console()).must("reload");
    CHECK(s.order("/resume").status == 401);
    CHECK(s.order("/resume", "another-token-for-orders").status == 200);
}

TEST_CASE("a switchover over HTTP costs no error, and is counted") {
    TestCluster primary;
    TestStandby& standby = primary.add_standby();
    Connection(primary.owner())
        .must("create table entries (n int); grant all on entries to public");
    standby.catch_up();
    PgweirConfig config(primary);
    config.set("http", "listen", "[\"127.0.0.1:0\"]");
    config.set("http", "token", "\"" + kToken + "\"");
    config.database("pair", "nodes",
                    "[\"127.0.0.1:" + std::to_string(primary.port()) +
                        "\", \"127.0.0.1:" + std::to_string(standby.port()) + "\"]");
    config.database("pair", "dbname", "\"app\"");
    config.set("cluster", "monitor_user", "\"owner\"");
    Served s(config);
    wait_until("the nodes are seen", [&] { return get(s.http, "/readyz").status == 200; });
    const std::string node = "node=\"127.0.0.1:" + std::to_string(standby.port()) + "\"";
    wait_until("the standby is seen",
               [&] { return has(get(s.http, "/metrics").body, node + ",role=\"standby\"} 1\n"); });
    Connection writer(s.pgweir.target().with_database("pair"));
    writer.must("insert into entries values (1)");

    const HttpReply empty = s.order("/switchover?database=pair");
    CHECK_MESSAGE(empty.status == 200, empty.body);
    writer.send("insert into entries values (2)");
    CHECK(!writer.has_answer(100ms));
    standby.catch_up();
    primary.stop();
    standby.promote();
    CHECK(writer.answer().ok());
    CHECK(Connection(standby.owner()).value("select count(*) from entries") == "2");
    const std::string metrics = get(s.http, "/metrics").body;
    CHECK(has(metrics, "pgweir_failovers_total{databases=\"pair\"} 1\n"));
    CHECK(has(metrics, node + ",role=\"primary\"} 1\n"));
    CHECK(has(metrics, "pgweir_lost_sessions_total{databases=\"pair\"} 0\n"));
}

TEST_CASE("strangers who dribble hold up nobody") {
    Served s(usual().set("http", "max_connections", "8"));
    Connection alice(s.pgweir.target());
    std::vector<std::unique_ptr<HttpClient>> strangers;
    for (int i = 0; i < 100; ++i) {
        strangers.push_back(std::make_unique<HttpClient>(s.http));
        strangers.back()->say("GET /metrics HTTP/1.1\r\nX-Long: ");
        strangers.back()->say(std::string(1000, 'x'));
    }
    const HttpClient flood(s.http);
    flood.say("POST /pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n" +
              std::string(100000, 'x'));
    CHECK(flood.reply().status == 0);
    CHECK(get(s.http, "/healthz").status == 200);
    CHECK(alice.value("select 1") == "1");
    // The oldest went for the newest, which go when their time is up.
    for (const auto& stranger : strangers) CHECK(stranger->reply().status != 200);
    CHECK(get(s.http, "/metrics").status == 200);
}

TEST_CASE("while pgweir drains it is alive, but not ready") {
    Served s;
    Connection alice(s.pgweir.target());
    alice.must("begin");
    s.pgweir.process().signal(SIGTERM);
    wait_until("it is not ready", [&] { return get(s.http, "/readyz").status == 503; });
    CHECK(get(s.http, "/readyz").body == "pgweir is shutting down\n");
    CHECK(get(s.http, "/healthz").status == 200);
    alice.must("commit");
    CHECK(s.pgweir.process().wait() == 0);
}
