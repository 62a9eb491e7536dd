// SPDX-License-Identifier: PostgreSQL
// Clients, servers and the console together, event by event.
#include "pgweir/proxy/proxy.h"

#include <doctest/doctest.h>

#include "unit/proxy/ready.h"

namespace pgweir::proxy {

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

TEST_CASE(
    "who does not log in is told so once it has said what it speaks, and closed in any case") {
    ByHand world(R"(
[pgweir]
auth_type = "password"
[timeouts]
client_login_timeout = "10s"
[databases.app]
host = "127.0.0.1"
[users.alice]
password = "secret"
)");
    const ClientId silent = world.open();
    const ClientId undecided = world.open();
    Bytes ssl_request;
    wire::ssl_request(ssl_request);
    world.tell(ClientBytes{undecided, ssl_request});
    CHECK(world.heard_text(undecided) == "N");
    const ClientId alice = world.connect();
    CHECK(world.heard(alice) == "R");
    world.pass(Duration::seconds(11));
    CHECK(world.heard(silent).empty());
    CHECK(world.heard(undecided).empty());
    CHECK(world.heard(alice) == "E(FATAL,57014)");
    for (const ClientId id : {silent, undecided, alice}) CHECK(world.is_closed(id));
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

TEST_CASE("what was sent before a good-bye is done, and answered if there is somebody left") {
    Ready world;
    const auto closed = server::complete("INSERT 0 1") + server::ready();
    bool is_gone = false;
    SUBCASE("outside of a transaction") {}
    SUBCASE("and the connection is closed at once") {
        is_gone = true;
    }
    SUBCASE("in a transaction, which ends with it") {
        world.say(world.alice, client::query("BEGIN"));
        world.answer(world.one, server::complete("BEGIN") + server::ready('T'));
        world.heard(world.alice);
        world.asked(world.one);
        world.say(world.alice, client::query("INSERT") + client::query("COMMIT") +
                                   testing::message('X') + client::query("ignored"));
        CHECK(world.asked(world.one) == "Q(INSERT) Q(COMMIT)");
        world.answer(world.one, server::complete("INSERT 0 1") + server::ready('T'));
        CHECK_FALSE(world.is_closed(world.alice));
        world.answer(world.one, server::complete("COMMIT") + server::ready());
        CHECK(world.heard(world.alice) == "C(INSERT 0 1) Z(T) C(COMMIT) Z(I)");
        CHECK(world.is_closed(world.alice));
        CHECK(world.opened().size() == 1);
        return;
    }
    world.say(world.alice, client::query("INSERT") + testing::message('X'));
    CHECK(world.asked(world.one) == "Q(INSERT)");
    if (is_gone) world.tell(ClientClosed{world.alice, "end of file"});
    // No cancel request, no deadline of pgweir's own.
    world.pass(Duration::seconds(100));
    CHECK(world.opened().size() == 1);
    CHECK_FALSE(world.is_server_closed(world.one));
    world.answer(world.one, closed);
    if (!is_gone) {
        CHECK(world.heard(world.alice) == "C(INSERT 0 1) Z(I)");
        CHECK(world.is_closed(world.alice));
    }
    // The server is somebody else's now.
    const ClientId bob = world.connect();
    world.heard(bob);
    world.say(bob, client::query("SELECT 1"));
    CHECK(world.asked(world.one) == "Q(SELECT 1)");
}

namespace {

constexpr std::string_view kShortLived = R"(
[pgweir]
auth_type = "any"
[tls]
server_tls_sslmode = "disable"
[timeouts]
server_lifetime = "60s"
[databases.app]
host = "127.0.0.1"
pool_size = 1
)";

}  // namespace

TEST_CASE("a server that is never idle is closed all the same when its lifetime is over") {
    Ready world(kShortLived);
    const ClientId bob = world.connect();
    world.heard(bob);
    world.say(world.alice, client::query("BEGIN"));
    world.answer(world.one, server::complete("BEGIN") + server::ready('T'));
    // Not in the middle of a transaction.
    for (int i = 0; i < 30; ++i) {
        world.pass(Duration::seconds(2));
        world.say(world.alice, client::query("SELECT 1"));
        world.answer(world.one, server::columns() + server::row() + server::complete("SELECT 1") +
                                    server::ready('T'));
    }
    CHECK_FALSE(world.is_server_closed(world.one));
    world.say(bob, client::query("SELECT 2"));
    world.asked(world.one);
    world.say(world.alice, client::query("COMMIT"));
    world.answer(world.one, server::complete("COMMIT") + server::ready());
    CHECK(world.asked(world.one) == "Q(COMMIT) X");
    world.tell(ServerClosed{world.one, "closed"});
    REQUIRE(world.opened().size() == 2);
    world.log_in(world.opened()[1]);
    CHECK(world.asked(world.opened()[1]) == "Q(SELECT 2)");
}

TEST_CASE("half a batch of a client that has left is rolled back at once") {
    Ready world;
    world.say(world.alice, client::parse("", "INSERT") + client::bind("") + client::execute());
    world.asked(world.one);
    world.tell(ClientClosed{world.alice, "reset"});
    // A Sync alone would commit.
    CHECK(world.asked(world.one) == "B(,pgweir_0) S");
}

TEST_CASE("an idle server that speaks is closed, and no client hears it") {
    Ready world;
    world.answer(world.one, one_row());
    CHECK(world.is_server_closed(world.one));
    CHECK(world.heard(world.alice).empty());
    CHECK_FALSE(world.is_closed(world.alice));
}

}  // namespace pgweir::proxy
