// SPDX-License-Identifier: PostgreSQL
// HTTP over real sockets: requests and answers, and what strangers can't do.
#include "io/http_server.h"

#include <doctest/doctest.h>

#include "helpers.h"
#include "io/socket.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

struct SilentLog final : Log {
    void write(LogLevel, std::string_view) override {}
    bool wants(LogLevel) const override { return false; }
};

// A connection that was cut off may end with a reset.
bool is_over(const UniqueFd& fd) {
    char byte = 0;
    const ssize_t n = ::recv(fd.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

struct Fixture : HttpOwner {
    Fixture() {
        settings.http.listen.assign({"127.0.0.1:0"});
        settings.http.request_timeout.assign(Duration::milliseconds(300));
        settings.http.max_connections.assign(3);
        server = std::make_unique<HttpServer>(loop.get(), log, *this);
        server->bind(settings);
        server->start();
    }

    void on_http(HttpRequested request) override {
        asked.push_back(std::move(request));
        if (answers_at_once) answer(200, "at once");
    }
    // The last that was asked.
    void answer(int status, std::string body) {
        server->answer({asked.back().id,
                        {.status = status, .content_type = "text/plain", .body = std::move(body)}});
    }
    UniqueFd connect(std::string_view first_words) {
        const std::string address = server->addresses().at(0);
        SocketAddress to;
        REQUIRE(SocketAddress::numeric(
            "127.0.0.1", static_cast<std::uint16_t>(std::stoi(address.substr(10))), to));
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(fd.get(), to.get(), to.length) == 0);
        REQUIRE(::fcntl(fd.get(), F_SETFL, O_NONBLOCK) == 0);
        if (!first_words.empty()) say(fd, first_words);
        return fd;
    }
    bool until(const std::function<bool()>& done) { return run_until(loop, done); }
    // All that comes until the end of the connection.
    std::string hear_all(const UniqueFd& fd) {
        std::string all;
        CHECK(until([&] {
            all += hear(fd);
            return is_over(fd);
        }));
        return all;
    }

    Loop loop;
    SilentLog log;
    config::Settings settings;
    std::vector<HttpRequested> asked;
    bool answers_at_once = false;
    std::unique_ptr<HttpServer> server;
};

constexpr std::string_view kGet = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a request is passed on, decoded, and its answer sent when it comes") {
    const UniqueFd client = connect(
        "POST /pause?database=my%20app&x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\n"
        "Content-Length: 5\r\n\r\nbody!");
    REQUIRE(until([this] { return asked.size() == 1; }));
    const wire::HttpRequest& request = asked[0].request;
    CHECK(request.method == "POST");
    CHECK(request.path == "/pause");
    CHECK(request.arguments == wire::HttpPairs{{"database", "my app"}, {"x", ""}});
    CHECK(request.authorization == "Bearer abc");
    CHECK(request.from.starts_with("127.0.0.1:"));
    // For longer than a request may take to come.
    run_for(loop, Duration::milliseconds(500));
    CHECK(hear(client).empty());
    CHECK(!is_over(client));
    server->answer({asked[0].id,
                    {.status = 409,
                     .content_type = "application/json",
                     .body = "{}\n",
                     .headers = {{"Allow", "POST"}}}});
    const std::string heard = hear_all(client);
    CHECK(heard.starts_with("HTTP/1.1 409 "));
    CHECK(heard.ends_with("\r\n\r\n{}\n"));
    for (const std::string_view header :
         {"Content-Type: application/json", "Connection: close", "Cache-Control: no-store",
          "Allow: POST", "Content-Length: 3"}) {
        CHECK_MESSAGE(heard.find(header) != std::string::npos, header);
    }
    CHECK(until([this] { return server->connection_count() == 0; }));
}

TEST_CASE_FIXTURE(Fixture, "an answer may come at once, and HEAD hears its head alone") {
    answers_at_once = true;
    CHECK(hear_all(connect(kGet)).ends_with("\r\n\r\nat once"));
    const std::string head = hear_all(connect("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(head.starts_with("HTTP/1.1 200 OK"));
    CHECK(head.ends_with("\r\n\r\n"));
    CHECK(asked.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "a request must come within its time, whatever trickles in") {
    const UniqueFd client = connect("GET /healthz HTTP/1.1\r\n");
    const Instant began = clock_now();
    Instant next = began;
    CHECK(until([&] {
        if (clock_now() >= next && !is_over(client)) {
            ::send(client.get(), "X: y\r\n", 6, MSG_NOSIGNAL);
            next = clock_now() + Duration::milliseconds(20);
        }
        hear(client);
        return server->connection_count() == 0 && clock_now() > next;
    }));
    CHECK(clock_now() - began >= Duration::milliseconds(300));
    CHECK(clock_now() - began < Duration::seconds(2));
    CHECK(asked.empty());
}

TEST_CASE_FIXTURE(Fixture, "who does not take the answer is cut off") {
    const UniqueFd client = connect(kGet);
    REQUIRE(until([this] { return asked.size() == 1; }));
    answer(200, std::string(std::size_t{64} << 20, 'x'));
    CHECK(until([this] { return server->connection_count() == 0; }));
}

TEST_CASE_FIXTURE(Fixture, "heads and bodies that are too long are refused") {
    const std::string filler(HttpServer::kHeadBytesMax, 'x');
    std::string heard = hear_all(connect("GET /healthz HTTP/1.1\r\nX: " + filler + "\r\n\r\n"));
    CHECK(heard.starts_with("HTTP/1.1 4"));
    heard = hear_all(connect("GET /" + filler + " HTTP/1.1\r\n\r\n"));
    CHECK(heard.starts_with("HTTP/1.1 4"));
    heard = hear_all(connect("POST /pause HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
    CHECK(heard.starts_with("HTTP/1.1 413 "));
    // Nothing announces how long it is going to be.
    heard =
        hear_all(connect("POST /pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "1400\r\n" +
                         std::string(0x1400, 'x') + "\r\n0\r\n\r\n"));
    CHECK(heard.empty());
    CHECK(asked.empty());
}

TEST_CASE_FIXTURE(Fixture, "there are so many connections; those that are asked for stay") {
    const UniqueFd waits = connect(kGet);
    REQUIRE(until([this] { return asked.size() == 1; }));
    std::vector<UniqueFd> idle;
    for (int i = 0; i < 20; ++i) idle.push_back(connect(""));
    CHECK(until([&] { return is_over(idle[17]) && server->connection_count() == 3; }));
    CHECK(!is_over(waits));
    CHECK(!is_over(idle[18]));
    CHECK(!is_over(idle[19]));
    say(idle[19], kGet);
    REQUIRE(until([this] { return asked.size() == 2; }));
    answer(200, "second");
    CHECK(hear_all(idle[19]).ends_with("second"));
    server->answer({asked[0].id, {.status = 200, .body = "first"}});
    CHECK(hear_all(waits).ends_with("first"));
}

TEST_CASE_FIXTURE(Fixture, "if all wait for their answers, the newest has to go") {
    std::vector<UniqueFd> waiting;
    for (std::size_t i = 0; i < 3; ++i) waiting.push_back(connect(kGet));
    REQUIRE(until([this] { return asked.size() == 3; }));
    const UniqueFd fourth = connect("");
    CHECK(until([&] { return is_over(fourth); }));
    CHECK(server->connection_count() == 3);
}

TEST_CASE_FIXTURE(Fixture, "an answer to who has gone is passed over") {
    UniqueFd client = connect(kGet);
    REQUIRE(until([this] { return asked.size() == 1; }));
    client.reset();
    run_for(loop, Duration::milliseconds(20));
    answer(200, "nobody hears this");
    CHECK(until([this] { return server->connection_count() == 0; }));
    answer(200, "again");
    answers_at_once = true;
    CHECK(hear_all(connect(kGet)).ends_with("at once"));
}

TEST_CASE_FIXTURE(Fixture, "who waits does not keep the loop busy") {
    const UniqueFd waits = connect(kGet);
    const UniqueFd begins = connect("GET /healthz HT");
    UniqueFd goes = connect(kGet);
    REQUIRE(until([this] { return asked.size() == 2; }));
    goes.reset();
    run_for(loop, Duration::milliseconds(50));
    const Instant end = clock_now() + Duration::milliseconds(1000);
    int turns = 0;
    for (; clock_now() < end; ++turns) loop.turn();
    CHECK(turns < 50);
}

TEST_CASE_FIXTURE(Fixture, "it can end at any time, and what was answered goes out") {
    const UniqueFd waits = connect(kGet);
    REQUIRE(until([this] { return asked.size() == 1; }));
    const UniqueFd begins = connect("GET /healthz HT");
    const UniqueFd answered = connect(kGet);
    REQUIRE(until([this] { return asked.size() == 2; }));
    answer(200, "last words");
    server.reset();
    CHECK(hear(answered).ends_with("last words"));
    CHECK(is_over(waits));
    CHECK(is_over(begins));
}

TEST_CASE("an address that can't be bound is an error of the option") {
    Fixture first;
    config::Settings settings;
    settings.http.listen.assign({first.server->addresses().at(0)}, 7);
    Loop loop;
    SilentLog log;
    HttpServer second(loop.get(), log, first);
    CHECK_THROWS_WITH_AS(
        second.bind(settings),
        ("can't listen on " + first.server->addresses().at(0) + ": address already in use").c_str(),
        config::ConfigError);
}
