// SPDX-License-Identifier: PostgreSQL
// Clients, servers and the console together, event by event.
#include "pgweir/proxy/proxy.h"

#include <doctest/doctest.h>

#include "unit/proxy/by_hand.h"

namespace pgweir::proxy {

namespace {

using testing::ByHand;
namespace client = testing::client;
namespace server = testing::server;

constexpr std::string_view kSettings = R"(
[pgweir]
auth_type = "any"
admin_users = ["operator"]
[tls]
server_tls_sslmode = "disable"
[timeouts]
query_wait_timeout = "5s"
[databases.app]
host = "127.0.0.1"
pool_size = 1
)";

testing::Said one_row() {
    return server::columns() + server::row() + server::complete("SELECT 1") + server::ready();
}

// A client whose server is logged in, both with nothing to do.
struct Ready : ByHand {
    explicit Ready(std::string_view toml = kSettings) : ByHand(toml), alice(connect()) {
        REQUIRE(opened().size() == 1);
        one = opened()[0];
        log_in(one);
        CHECK(heard(alice) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
    }
    ClientId alice;
    ServerId one;
};

}  // namespace

TEST_CASE("the first client of a database opens a server and is greeted as the server greets") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    CHECK(world.heard(alice).empty());
    REQUIRE(world.opened().size() == 1);
    world.log_in(world.opened()[0]);
    CHECK(world.heard(alice) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
}

TEST_CASE("the second client is greeted without a server") {
    Ready world;
    const ClientId bob = world.connect();
    CHECK(world.heard(bob) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
    CHECK(world.opened().size() == 1);
}

TEST_CASE("an unknown database is refused with 3D000 and the connection ends") {
    ByHand world(kSettings);
    const ClientId alice = world.connect("alice", "nothing");
    // After authentication, as PostgreSQL.
    CHECK(world.heard(alice) == "R E(FATAL,3D000)");
    CHECK(world.is_closed(alice));
    CHECK(world.opened().empty());
}

TEST_CASE("a query goes to the server and its answer to the client, byte for byte") {
    Ready world;
    const auto query = client::query("SELECT 1");
    world.say(world.alice, query);
    CHECK(world.asked_bytes(world.one) == query);
    world.answer(world.one, one_row());
    CHECK(world.heard(world.alice) == "T D C(SELECT 1) Z(I)");
}

TEST_CASE("two clients take turns on one server") {
    Ready world;
    const ClientId bob = world.connect();
    world.heard(bob);
    world.say(world.alice, client::query("SELECT 'alice'"));
    world.say(bob, client::query("SELECT 'bob'"));
    CHECK(world.asked(world.one) == "Q(SELECT 'alice')");
    world.answer(world.one, one_row());
    CHECK(world.heard(world.alice) == "T D C(SELECT 1) Z(I)");
    CHECK(world.heard(bob).empty());
    CHECK(world.asked(world.one) == "Q(SELECT 'bob')");
    world.answer(world.one, one_row());
    CHECK(world.heard(bob) == "T D C(SELECT 1) Z(I)");
    CHECK(world.heard(world.alice).empty());
    CHECK(world.opened().size() == 1);
}

TEST_CASE("a transaction keeps its server to itself until it ends") {
    Ready world;
    const ClientId bob = world.connect();
    world.heard(bob);
    world.say(world.alice, client::query("BEGIN"));
    world.answer(world.one, server::complete("BEGIN") + server::ready('T'));
    world.say(bob, client::query("SELECT 2"));
    world.say(world.alice, client::query("COMMIT"));
    CHECK(world.asked(world.one) == "Q(BEGIN) Q(COMMIT)");
    world.answer(world.one, server::complete("COMMIT") + server::ready());
    CHECK(world.asked(world.one) == "Q(SELECT 2)");
}

TEST_CASE("whoever waits longer than query_wait_timeout is told which limit is full") {
    Ready world;
    const ClientId bob = world.connect();
    world.heard(bob);
    world.say(world.alice, client::query("SELECT 1"));
    world.say(bob, client::query("SELECT 2"));
    world.pass(Duration::milliseconds(4900));
    CHECK(world.heard(bob).empty());
    world.pass(Duration::milliseconds(200));
    const std::string told = world.heard_text(bob);
    CHECK(told.find("53300") != std::string::npos);
    CHECK(told.find("pool_size = 1") != std::string::npos);
    CHECK(told.find("query_wait_timeout = 5s") != std::string::npos);
    CHECK_FALSE(world.is_closed(bob));
    // Its place in line is gone with the query: the server is not asked for it.
    world.asked(world.one);
    world.answer(world.one, one_row());
    CHECK(world.asked(world.one).empty());
    world.say(bob, client::query("SELECT 3"));
    CHECK(world.asked(world.one) == "Q(SELECT 3)");
}

TEST_CASE("a cancel request for a client in line takes it out, and no server hears of it") {
    Ready world;
    const ClientId bob = world.open();
    Bytes startup;
    wire::startup_message(startup, {{"user", "alice"}, {"database", "app"}});
    world.tell(ClientBytes{bob, startup});
    const std::string greeting = world.heard_text(bob);
    const std::size_t key_at = greeting.find(std::string_view("K\0\0\0\x0c", 5));
    REQUIRE(key_at != std::string::npos);
    const ByteView key = as_bytes(std::string_view(greeting).substr(key_at + 5, 8));

    world.say(world.alice, client::query("SELECT 1"));
    world.say(bob, client::query("SELECT 2"));
    const ClientId canceller = world.open();
    Bytes request;
    wire::cancel_request(request, load_u32(key.data()), key.subspan(4));
    world.tell(ClientBytes{canceller, request});
    CHECK(world.is_closed(canceller));
    CHECK(world.heard(canceller).empty());
    CHECK(world.heard(bob) == "E(ERROR,57014) Z(I)");
    CHECK(world.opened().size() == 1);
    world.asked(world.one);
    world.answer(world.one, one_row());
    CHECK(world.asked(world.one).empty());
}

TEST_CASE("a cancel request with a wrong key does nothing and is told nothing") {
    Ready world;
    world.say(world.alice, client::query("SELECT 1"));
    const ClientId canceller = world.open();
    Bytes request;
    wire::cancel_request(request, 7, as_bytes("abcd"));
    world.tell(ClientBytes{canceller, request});
    CHECK(world.is_closed(canceller));
    CHECK(world.heard(canceller).empty());
    CHECK(world.opened().size() == 1);
    world.answer(world.one, one_row());
    CHECK(world.heard(world.alice) == "T D C(SELECT 1) Z(I)");
}

TEST_CASE("a paused database keeps its clients waiting until it is resumed") {
    Ready world;
    const ClientId operator_id = world.connect("operator", "pgweir");
    world.heard(operator_id);
    world.say(operator_id, client::query("PAUSE app"));
    CHECK(world.heard(operator_id) == "C(PAUSE) Z(I)");
    world.say(world.alice, client::query("SELECT 1"));
    world.pass(Duration::seconds(1));
    CHECK(world.heard(world.alice).empty());
    world.say(operator_id, client::query("RESUME app"));
    CHECK(world.heard(operator_id) == "C(RESUME) Z(I)");
    // A pause closes the idle servers; the pool is full until they have gone.
    CHECK(world.asked(world.one) == "X");
    CHECK(world.opened().size() == 1);
    world.tell(ServerClosed{world.one, "closed"});
    REQUIRE(world.opened().size() == 2);
    const ServerId next = world.opened()[1];
    world.log_in(next);
    CHECK(world.asked(next) == "Q(SELECT 1)");
    world.answer(next, one_row());
    CHECK(world.heard(world.alice) == "T D C(SELECT 1) Z(I)");
}

TEST_CASE("PAUSE is answered when the last transaction has ended") {
    Ready world;
    const ClientId operator_id = world.connect("operator", "pgweir");
    world.heard(operator_id);
    world.say(world.alice, client::query("SELECT 1"));
    world.say(operator_id, client::query("PAUSE app"));
    CHECK(world.heard(operator_id).empty());
    world.answer(world.one, one_row());
    CHECK(world.heard(world.alice) == "T D C(SELECT 1) Z(I)");
    CHECK(world.heard(operator_id) == "C(PAUSE) Z(I)");
}

TEST_CASE("a server that is lost with a query outstanding costs the query, not the client") {
    Ready world;
    world.say(world.alice, client::query("INSERT INTO t VALUES (1)"));
    world.tell(ServerClosed{world.one, "reset"});
    CHECK(world.heard(world.alice) == "E(ERROR,08007) Z(I)");
    CHECK_FALSE(world.is_closed(world.alice));
    world.say(world.alice, client::query("SELECT 1"));
    REQUIRE(world.opened().size() == 2);
    world.log_in(world.opened()[1]);
    CHECK(world.asked(world.opened()[1]) == "Q(SELECT 1)");
}

TEST_CASE("a client that leaves in a transaction has it rolled back before anybody else comes") {
    Ready world;
    const ClientId bob = world.connect();
    world.heard(bob);
    world.say(world.alice, client::query("BEGIN"));
    world.answer(world.one, server::complete("BEGIN") + server::ready('T'));
    world.asked(world.one);
    world.say(bob, client::query("SELECT 2"));
    world.tell(ClientClosed{world.alice, "reset"});
    CHECK(world.asked(world.one) == "Q(ROLLBACK)");
    CHECK(world.heard(bob).empty());
    world.answer(world.one, server::complete("ROLLBACK") + server::ready());
    CHECK(world.asked(world.one) == "Q(SELECT 2)");
    world.answer(world.one, one_row());
    CHECK(world.heard(bob) == "T D C(SELECT 1) Z(I)");
}

TEST_CASE("an idle server that speaks is closed, and no client hears it") {
    Ready world;
    world.answer(world.one, one_row());
    CHECK(world.is_server_closed(world.one));
    CHECK(world.heard(world.alice).empty());
    CHECK_FALSE(world.is_closed(world.alice));
}

TEST_CASE("a server that refuses the tenant fails those who wait, with its SQLSTATE") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    const ServerId one = world.opened().at(0);
    world.tell(ServerOpened{one});
    world.answer(one, server::error("3D000", "FATAL"));
    CHECK(world.heard(alice) == "E(FATAL,3D000)");
    CHECK(world.is_closed(alice));
    CHECK(world.is_server_closed(one));
}

TEST_CASE("a server that is starting up is tried again, and the client waits") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    world.tell(ServerOpened{world.opened().at(0)});
    world.answer(world.opened()[0], server::error("57P03", "FATAL"));
    CHECK(world.heard(alice).empty());
    world.pass(Duration::seconds(2));
    REQUIRE(world.opened().size() >= 2);
    world.log_in(world.opened().back());
    CHECK(world.heard(alice) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
}

}  // namespace pgweir::proxy
