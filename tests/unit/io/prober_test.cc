// SPDX-License-Identifier: PostgreSQL
// Looking at nodes: what is asked, what is made of the answers, and how each look ends.
#include "io/prober.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "fake_postgresql.h"
#include "helpers.h"
#include "io/probe_login.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;
using cluster::Observation;
using cluster::ProbeOver;

namespace {

constexpr NodeId kNode{1};
constexpr NodeId kOther{2};

MonitorLogin watcher() {
    MonitorLogin login;
    login.user = "watcher";
    login.password = "secret";
    login.database = "postgres";
    login.tls_mode = TlsMode::Disable;
    login.timeout = Duration::seconds(5);
    return login;
}

std::map<std::string, std::string> said_to_libpq(const NodeAddress& node,
                                                 const std::vector<SocketAddress>& addresses,
                                                 const MonitorLogin& login) {
    std::map<std::string, std::string> said;
    for (const auto& [keyword, value] : probe_parameters(node, addresses, login)) {
        said[keyword] = value;
    }
    return said;
}

struct Observations final : ProberOwner {
    void on_observed(NodeId node, Observation observation) override {
        nodes.push_back(node);
        seen.push_back(std::move(observation));
        if (when_observed) when_observed();
    }
    void on_resolved(NodeResolved answer) override { resolved.push_back(std::move(answer)); }
    std::vector<NodeId> nodes;
    std::vector<Observation> seen;
    std::vector<NodeResolved> resolved;
    std::function<void()> when_observed;
};

struct Fixture {
    Loop loop;
    Observations told;
    FakePostgresql server;
    std::unique_ptr<Prober> prober = std::make_unique<Prober>(loop.get(), told);
    MonitorLogin login = watcher();

    LookAtNode order(ProbeOver over = ProbeOver::Open) {
        return {.node = kNode,
                .address = {"127.0.0.1", server.port()},
                .over_new_connection = over == ProbeOver::New,
                .timeout = login.timeout,
                .login = std::make_shared<MonitorLogin>(login)};
    }
    bool until(const std::function<bool()>& done) {
        return run_until(loop, [&] {
            server.turn();
            return done();
        });
    }
    // The observation that comes next, without an order.
    Observation next() {
        const std::size_t before = told.seen.size();
        REQUIRE(until([&] { return told.seen.size() > before; }));
        return told.seen[before];
    }
    Observation look(const LookAtNode& order) {
        const std::size_t before = told.seen.size();
        prober->look(order);
        REQUIRE(until([&] { return told.seen.size() > before; }));
        CHECK(told.seen.size() == before + 1);
        return told.seen[before];
    }
    Observation look() { return look(order()); }
    // Until the server has read the question, which it will not answer.
    void ask_in_vain(ProbeOver over = ProbeOver::Open) {
        server.answers = false;
        prober->look(order(over));
        REQUIRE(until(
            [&] { return !server.connections.empty() && !server.latest().questions.empty(); }));
    }
    bool is_ended(const FakePostgresql::Connection& connection) {
        return until([&] { return is_closed(connection.socket); });
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a primary's answer is read, and the times enclose the question") {
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

TEST_CASE_FIXTURE(Fixture, "the control file is read once, and the statement prepared once") {
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

TEST_CASE_FIXTURE(Fixture, "a look starts when its question leaves, not when it connects") {
    server.logs_in = false;
    prober->look(order());
    REQUIRE(until([&] { return !server.connections.empty() && server.latest().has_started; }));
    run_for(loop, Duration::milliseconds(5));
    const Instant logged_in = clock_now();
    say(server.latest().socket, login_answer());
    CHECK(next().started_at >= logged_in);
}

TEST_CASE_FIXTURE(Fixture,
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

TEST_CASE_FIXTURE(Fixture, "a promotion is seen by the next look, with the new timeline") {
    server.row = {.in_recovery = true, .file_name = std::nullopt, .received = 3, .checkpoint = 3};
    CHECK(look().timeline == 3);
    CHECK(look().in_recovery);
    server.row = {.file_name = "000000040000001600000002"};
    const Observation seen = look();
    CHECK_FALSE(seen.in_recovery);
    CHECK(seen.timeline == 4);
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "where the control file may not be read, the rest is asked") {
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

TEST_CASE_FIXTURE(Fixture, "an error is a failed look, and the connection goes on") {
    CHECK(look().answered());
    server.instead = error_response("ERROR", "57014", "canceling statement") + ready_for_query();
    const Observation seen = look();
    CHECK(seen.failure == "canceling statement");
    CHECK(seen.sqlstate == "57014");
    server.instead.clear();
    CHECK(look().answered());
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "an answer to something else is a failure, and ends the connection") {
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
        server.instead = answer_with({"1", "2", "3", "4", "5", "6", "7"}) + ready_for_query();
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

TEST_CASE_FIXTURE(Fixture, "nobody listens: the look fails with libpq's words, in one line") {
    server.stop_listening();
    const Observation seen = look();
    CHECK(seen.failure.find("Connection refused") != std::string::npos);
    CHECK(seen.failure.find('\n') == std::string::npos);
    CHECK(seen.failure.find("secret") == std::string::npos);
    CHECK(seen.started_at <= seen.ended_at);
    // The next look tries again.
    CHECK_FALSE(look().answered());
}

TEST_CASE_FIXTURE(Fixture, "a login that is refused fails the look with the server's words") {
    server.logs_in = false;
    prober->look(order());
    REQUIRE(until([&] { return !server.connections.empty() && server.latest().has_started; }));
    say(server.latest().socket, error_response("FATAL", "28P01", "password authentication failed"));
    server.latest().socket.reset();
    const Observation seen = next();
    CHECK(seen.failure.find("password authentication failed") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a name is resolved by the loop, and all its addresses are tried") {
    // "localhost" may be ::1 first, where nobody listens.
    LookAtNode named = order();
    named.address.host = "localhost";
    CHECK(look(named).answered());
    named.address.host = "no-such-host.invalid";
    const Observation seen = look(named);
    CHECK(seen.failure.starts_with("could not resolve \"no-such-host.invalid\": "));
}

TEST_CASE("libpq is given each address of a name with the name") {
    std::vector<SocketAddress> addresses(2);
    REQUIRE(SocketAddress::numeric("::1", 0, addresses[0]));
    REQUIRE(SocketAddress::numeric("127.0.0.1", 0, addresses[1]));
    const auto said = said_to_libpq({"db.example", 6000}, addresses, watcher());
    CHECK(said.at("host") == "db.example,db.example");
    CHECK(said.at("hostaddr") == "::1,127.0.0.1");
    CHECK(said.at("port") == "6000");
    CHECK_FALSE(said_to_libpq({"/tmp", 6000}, {}, watcher()).contains("hostaddr"));
}

TEST_CASE("libpq is given the files of TLS, or files that can't exist") {
    MonitorLogin login = watcher();
    login.tls_mode = TlsMode::Require;
    auto said = said_to_libpq({"db.example", 6000}, {}, login);
    CHECK(said.at("sslmode") == "require");
    for (const char* file : {"sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile"}) {
        CHECK(said.at(file) == "/dev/null/none");
    }
    login.tls_mode = TlsMode::VerifyFull;
    // The system's authorities.
    CHECK(said_to_libpq({"db.example", 6000}, {}, login).at("sslrootcert") != "/dev/null/none");
    login.tls_ca_file = "ca.crt";
    login.tls_cert_file = "me.crt";
    login.tls_key_file = "me.key";
    said = said_to_libpq({"db.example", 6000}, {}, login);
    CHECK(said.at("sslmode") == "verify-full");
    CHECK(said.at("sslrootcert") == "ca.crt");
    CHECK(said.at("sslcert") == "me.crt");
    CHECK(said.at("sslkey") == "me.key");
}

TEST_CASE_FIXTURE(Fixture, "a directory is a Unix socket, as in libpq") {
    const TemporaryFolder folder;
    FakePostgresql local(folder.file(".s.PGSQL.6000"));
    LookAtNode there = order();
    there.address = {folder.text(), 6000};
    prober->look(there);
    REQUIRE(run_until(loop, [&] {
        local.turn();
        return !told.seen.empty();
    }));
    CHECK(told.seen[0].answered());
    there.address.port = 6001;
    CHECK(look(there).failure.find("No such file") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
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

TEST_CASE_FIXTURE(Fixture, "a connection that ends while nobody looks is told at once") {
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

TEST_CASE_FIXTURE(Fixture, "what the server says between looks and is no farewell is not told") {
    CHECK(look().answered());
    say(server.latest().socket, notice_response("the weather is fine"));
    say(server.latest().socket, error_response("ERROR", "57014", "canceling nothing"));
    run_for(loop, Duration::milliseconds(5));
    CHECK(told.seen.size() == 1);
    CHECK(look().failure == "");
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a connection that ends under a question is that look's failure") {
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

TEST_CASE_FIXTURE(Fixture, "a look over a new connection leaves the kept one alone") {
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

TEST_CASE_FIXTURE(Fixture, "where no connection is kept, a new one that worked becomes it") {
    CHECK(look(order(ProbeOver::New)).answered());
    CHECK(look().answered());
    CHECK(server.connections.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "the kept connection may end while a new one is asked") {
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

TEST_CASE_FIXTURE(Fixture, "another address or another login is another connection") {
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

TEST_CASE_FIXTURE(Fixture, "a look that was ordered over another one fails that one") {
    ask_in_vain();
    server.answers = true;
    prober->look(order());
    REQUIRE(told.seen.size() == 1);
    CHECK(told.seen[0].failure == "another look was ordered before this one had ended");
    CHECK(next().answered());
    CHECK(is_ended(*server.connections[0]));
    CHECK(told.seen.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "a node that is forgotten is not told any more") {
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

TEST_CASE_FIXTURE(Fixture, "a node may be forgotten, or looked at again, as soon as it is told") {
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

TEST_CASE_FIXTURE(Fixture,
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

TEST_CASE_FIXTURE(Fixture, "a prober that goes in the middle of a look leaves nothing open") {
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

TEST_CASE_FIXTURE(Fixture, "neither the environment nor files of the user have a say") {
    const std::vector<const char*> names = {"PGOPTIONS", "PGSERVICE", "PGTZ",   "PGPASSWORD",
                                            "PGSSLMODE", "PGAPPNAME", "PGHOST", "PGUSER",
                                            "PGGEQO",    "PGHOSTADDR"};
    for (const char* name : names) ::setenv(name, "nonsense", 1);
    ::setenv("PGWEIR_KEPT", "yes", 1);
    forget_libpq_environment();
    for (const char* name : names) CHECK(::getenv(name) == nullptr);
    CHECK(::getenv("PGWEIR_KEPT") != nullptr);
    ::unsetenv("PGWEIR_KEPT");
    CHECK(look().answered());
    const std::map<std::string, std::string> expected = {{"user", "watcher"},
                                                         {"database", "postgres"},
                                                         {"application_name", "pgweir monitor"},
                                                         {"client_encoding", "UTF8"}};
    CHECK(server.latest().parameters == expected);
}

TEST_CASE_FIXTURE(Fixture, "TLS that is only preferred does without") {
    login.tls_mode = TlsMode::Prefer;
    CHECK(look().answered());
    login.tls_mode = TlsMode::Require;
    CHECK(look().failure.find("SSL") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a node's name is resolved; what is no name stands for itself") {
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

TEST_CASE_FIXTURE(Fixture, "a prober that goes leaves no name to be told") {
    prober->resolve({"localhost", 6000});
    prober.reset();
    run_for(loop, Duration::milliseconds(20));
    CHECK(told.resolved.empty());
}
