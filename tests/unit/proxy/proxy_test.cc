// SPDX-License-Identifier: PostgreSQL
// Clients, servers and the console together, event by event.
#include "pgweir/proxy/proxy.h"

#include <doctest/doctest.h>

#include "pgweir/auth/cancel_keys.h"
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

// A CancelRequest for the client that was greeted so.
Bytes cancel_of(const std::string& greeting) {
    const std::size_t at = greeting.find(std::string_view("K\0\0\0\x0c", 5));
    REQUIRE(at != std::string::npos);
    const ByteView key = as_bytes(std::string_view(greeting).substr(at + 5, 8));
    Bytes request;
    wire::cancel_request(request, load_u32(key.data()), key.subspan(4));
    return request;
}

// Alice has set a parameter on the one server; a query of bob's comes behind its restoration.
struct Restoring : Ready {
    Restoring() : bob(connect()) {
        bobs_greeting = heard_text(bob);
        say(alice, client::query("SET client_encoding TO LATIN1"));
        asked(one);
        answer(one, server::status("client_encoding", "LATIN1") + server::complete("SET") +
                        server::ready());
        heard(alice);
        say(bob, client::query("INSERT"));
        CHECK(asked(one) ==
              "Q(SELECT pg_catalog.set_config(E'client_encoding',E'UTF8',false);) Q(INSERT)");
    }
    void restored() {
        answer(one, server::columns() + server::row() + server::status("client_encoding", "UTF8") +
                        server::complete("SELECT 1") + server::ready());
    }
    ClientId bob;
    std::string bobs_greeting;
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
    const Bytes request = cancel_of(world.heard_text(bob));

    world.say(world.alice, client::query("SELECT 1"));
    world.say(bob, client::query("SELECT 2"));
    const ClientId canceller = world.open();
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

// --- Statements of pgweir's own ---------------------------------------------------------------

TEST_CASE("a cancel request waits while pgweir's own statement runs") {
    Restoring world;
    const ClientId canceller = world.open();
    world.tell(ClientBytes{canceller, cancel_of(world.bobs_greeting)});
    REQUIRE(world.opened().size() == 2);
    const ServerId link = world.opened()[1];
    world.tell(ServerOpened{link});
    CHECK(world.asked_bytes(link).empty());
    CHECK_FALSE(world.is_closed(canceller));

    SUBCASE("and goes when the client's query is what runs") {
        world.restored();
        CHECK_FALSE(world.asked_bytes(link).empty());
        world.tell(ServerClosed{link, "closed"});
        CHECK(world.is_closed(canceller));
        world.answer(world.one, server::error("57014") + server::ready());
        CHECK(world.heard(world.bob) == "E(ERROR,57014) Z(I)");
    }
    SUBCASE("and is over when the query has ended with it") {
        const testing::Said all = server::columns() + server::row() +
                                  server::status("client_encoding", "UTF8") +
                                  server::complete("SELECT 1") + server::ready() +
                                  server::complete("INSERT 0 1") + server::ready();
        world.answer(world.one, all);
        CHECK(world.asked_bytes(link).empty());
        CHECK(world.is_closed(canceller));
        CHECK(world.is_server_closed(link));
        CHECK(world.heard(world.bob) == "C(INSERT 0 1) Z(I)");
        world.say(world.bob, client::query("SELECT 1"));
        CHECK(world.asked(world.one) == "Q(SELECT 1)");
    }
    SUBCASE("and is over when the server is lost") {
        world.tell(ServerClosed{world.one, "reset"});
        CHECK(world.is_closed(canceller));
        CHECK(world.is_server_closed(link));
    }
}

TEST_CASE("what is pipelined behind settings that could not be restored may have run") {
    Restoring world;
    world.answer(world.one, server::error("57014") + server::ready());
    CHECK(world.heard(world.bob) == "E(ERROR,08007) Z(I)");
    CHECK(world.log().back().find("settings could not be set or reset: no") != std::string::npos);
    CHECK(world.is_server_closed(world.one));
    CHECK_FALSE(world.is_closed(world.bob));
    // The session goes on elsewhere.
    world.say(world.bob, client::query("SELECT 1"));
    REQUIRE(world.opened().size() == 2);
    world.log_in(world.opened()[1]);
    CHECK(world.asked(world.opened()[1]) == "Q(SELECT 1)");
}

TEST_CASE("what ran with settings that are not its own is no success") {
    Restoring world;
    world.answer(world.one, server::error("57014") + server::ready() +
                                server::complete("INSERT 0 1") + server::ready());
    CHECK(world.heard(world.bob) == "E(ERROR,08007) Z(I)");
    CHECK(world.is_server_closed(world.one));
    CHECK_FALSE(world.is_closed(world.bob));
}

// --- Logins -----------------------------------------------------------------------------------

TEST_CASE("a node without a connection to spare gets one from another pool's idle server") {
    Ready world;
    const ClientId bob = world.connect("bob");
    REQUIRE(world.opened().size() == 2);
    world.tell(ServerOpened{world.opened()[1]});
    world.answer(world.opened()[1], server::error("53300", "FATAL"));
    CHECK(world.heard(bob).empty());
    CHECK(world.asked(world.one) == "X");
    CHECK(world.opened().size() == 2);
    world.tell(ServerClosed{world.one, "closed"});
    // Room was made: nobody waits for the end of the pause.
    REQUIRE(world.opened().size() == 3);
    world.log_in(world.opened()[2]);
    CHECK(world.heard(bob) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
}

TEST_CASE("room that does not help is not made again before the next pause is over") {
    Ready world(R"(
[pgweir]
auth_type = "any"
[tls]
server_tls_sslmode = "disable"
[limits]
default_pool_size = 5
[databases.app]
host = "127.0.0.1"
)");
    // Alice's pool has two idle servers.
    const ClientId second = world.connect();
    world.heard(second);
    world.say(world.alice, client::query("SELECT 1"));
    world.say(second, client::query("SELECT 2"));
    const ServerId two = world.opened().at(1);
    world.log_in(two);
    world.answer(world.one, one_row());
    world.answer(two, one_row());
    world.asked(world.one);
    world.asked(two);

    const ClientId bob = world.connect("bob");
    const auto refuse_last = [&] {
        world.tell(ServerOpened{world.opened().back()});
        world.answer(world.opened().back(), server::error("53300", "FATAL"));
    };
    refuse_last();
    CHECK(world.asked(world.one) == "X");
    world.tell(ServerClosed{world.one, "closed"});
    REQUIRE(world.opened().size() == 4);
    refuse_last();  // It is bob's own limit, say.
    CHECK(world.asked(two).empty());
    CHECK(world.opened().size() == 4);
    CHECK(world.heard(bob).empty());
    world.pass(Duration::seconds(1));
    CHECK(world.opened().size() == 5);
    refuse_last();
    CHECK(world.asked(two) == "X");
}

TEST_CASE("allow: a login that is refused in clear is tried with TLS, and nobody hears of it") {
    ByHand world(R"(
[pgweir]
auth_type = "any"
[tls]
server_tls_sslmode = "allow"
[databases.app]
host = "127.0.0.1"
)");
    const std::string ssl_request("\0\0\0\x08\x04\xd2\x16\x2f", 8);
    const ClientId alice = world.connect();
    const ServerId clear = world.opened().at(0);
    world.tell(ServerOpened{clear});
    CHECK(to_string(world.asked_bytes(clear)).find("alice") != std::string::npos);
    world.answer(clear, server::error("28000", "FATAL"));
    CHECK(world.is_server_closed(clear));
    CHECK(world.heard(alice).empty());

    REQUIRE(world.opened().size() == 2);
    const ServerId secure = world.opened()[1];
    world.tell(ServerOpened{secure});
    CHECK(to_string(world.asked_bytes(secure)) == ssl_request);

    SUBCASE("where TLS works, later logins begin with it") {
        world.answer(secure, testing::Said{{'S'}});
        world.tell(ServerSecured{secure, {}});
        world.answer(secure, server::greeting());
        CHECK(world.heard(alice) == "R S(client_encoding,UTF8) S(server_version,15.4) K Z(I)");
        world.tell(ServerClosed{secure, "reset"});
        world.say(alice, client::query("SELECT 1"));
        REQUIRE(world.opened().size() == 3);
        world.tell(ServerOpened{world.opened()[2]});
        CHECK(to_string(world.asked_bytes(world.opened()[2])) == ssl_request);
    }
    SUBCASE("a refusal with TLS, too, is a refusal") {
        world.answer(secure, testing::Said{{'S'}});
        world.tell(ServerSecured{secure, {}});
        world.answer(secure, server::error("28000", "FATAL"));
        CHECK(world.heard(alice) == "E(FATAL,28000)");
        CHECK(world.is_closed(alice));
        CHECK(world.opened().size() == 2);
    }
}

TEST_CASE("a cleartext password crosses no network in clear") {
    for (const std::string more : {"", "server_cleartext_password = \"anywhere\"\n"}) {
        ByHand world("[pgweir]\nauth_type = \"any\"\n[tls]\nserver_tls_sslmode = \"disable\"\n" +
                     more +
                     "[databases.app]\nhost = \"10.0.0.1\"\nuser = \"app\"\n"
                     "password = \"secret\"\n");
        const ClientId alice = world.connect();
        const ServerId one = world.opened().at(0);
        world.tell(ServerOpened{one});
        world.asked_bytes(one);
        world.answer(one, testing::message('R', std::string_view("\0\0\0\3", 4)));
        const bool was_sent = to_string(world.asked_bytes(one)).find("secret") != std::string::npos;
        CHECK(was_sent == !more.empty());
        CHECK(world.heard(alice) == (more.empty() ? "E(FATAL,57P03)" : ""));
    }
}

// --- Cancel requests among several instances --------------------------------------------------

namespace {

constexpr std::string_view kFirstOfTwo = R"(
[pgweir]
auth_type = "any"
peers = ["10.0.0.1:6432", "10.0.0.2:6432"]
peer_id = 1
cancel_secret = "0123456789abcdef"
[tls]
server_tls_sslmode = "disable"
[databases.app]
host = "127.0.0.1"
pool_size = 1
)";
constexpr std::uint32_t kProcess = 4711;

// A key that the instance at that place has made.
Bytes key_of(std::size_t own) {
    Bytes secret{1, 2, 3, 4};
    auth::CancelKeys("0123456789abcdef", 2, own).mark(kProcess, secret);
    return secret;
}
Bytes request_with(const Bytes& secret) {
    Bytes request;
    wire::cancel_request(request, kProcess, secret);
    return request;
}
Bytes handed_on(const Bytes& secret) {
    return request_with(auth::CancelKeys("0123456789abcdef", 2, 1).wrap(kProcess, secret));
}

}  // namespace

TEST_CASE("a cancel request of one's own client stays here, handed on or not") {
    for (const bool is_handed_on : {false, true}) {
        ByHand world(kFirstOfTwo);
        const ClientId alice = world.connect();
        world.log_in(world.opened().at(0));
        Bytes request = cancel_of(world.heard_text(alice));
        if (is_handed_on) {
            const std::uint32_t process = load_u32(request.data() + 8);
            const Bytes secret(request.begin() + 12, request.end());
            request.clear();
            wire::cancel_request(request, process,
                                 auth::CancelKeys("0123456789abcdef", 2, 1).wrap(process, secret));
        }
        world.say(alice, client::query("SELECT 1"));
        const ClientId canceller = world.open();
        world.tell(ClientBytes{canceller, request});
        REQUIRE(world.opened().size() == 2);
        world.tell(ServerOpened{world.opened()[1]});
        Bytes to_server;
        wire::cancel_request(to_server, 7, Bytes{1, 2, 3, 4});
        CHECK(world.asked_bytes(world.opened()[1]) == to_server);
    }
}

TEST_CASE("a cancel request of another instance's client is handed on, once") {
    ByHand world(kFirstOfTwo);
    const ClientId canceller = world.open();
    world.tell(ClientBytes{canceller, request_with(key_of(1))});
    REQUIRE(world.opened().size() == 1);
    const ServerId link = world.opened()[0];
    CHECK_FALSE(world.is_closed(canceller));
    world.tell(ServerOpened{link});
    CHECK(world.asked_bytes(link) == handed_on(key_of(1)));
    // It has had its effect.
    world.tell(ServerClosed{link, "closed"});
    CHECK(world.is_closed(canceller));
    CHECK(world.heard(canceller).empty());
}

TEST_CASE("what was handed on goes no further, whoever it is for") {
    ByHand world(kFirstOfTwo);
    for (const std::size_t owner : {0, 1}) {
        const ClientId canceller = world.open();
        world.tell(ClientBytes{canceller, handed_on(key_of(owner))});
        CHECK(world.opened().empty());
        CHECK(world.is_closed(canceller));
    }
}

TEST_CASE("a storm of made-up keys is not handed on as a storm") {
    ByHand world(kFirstOfTwo);
    std::vector<ClientId> cancellers;
    for (int i = 0; i < 200; ++i) {
        cancellers.push_back(world.open());
        world.tell(ClientBytes{cancellers.back(), request_with(key_of(1))});
    }
    CHECK(world.opened().size() == 32);
    for (const ServerId link : std::vector<ServerId>(world.opened())) {
        world.tell(ServerOpenFailed{link, "refused"});
    }
    for (const ClientId id : cancellers) CHECK(world.is_closed(id));
    // There is room again.
    world.tell(ClientBytes{world.open(), request_with(key_of(1))});
    CHECK(world.opened().size() == 33);
}

TEST_CASE("another instance that does not answer keeps nobody for ever") {
    ByHand world(kFirstOfTwo);
    const ClientId canceller = world.open();
    world.tell(ClientBytes{canceller, request_with(key_of(1))});
    world.tell(ServerOpened{world.opened().at(0)});
    world.pass(Duration::seconds(11));
    CHECK(world.is_closed(canceller));
    CHECK(world.is_server_closed(world.opened()[0]));
}

}  // namespace pgweir::proxy
