// SPDX-License-Identifier: PostgreSQL
// Cancel requests, and statements of pgweir's own that they must not hit.
#include "pgweir/auth/cancel_keys.h"

#include <doctest/doctest.h>

#include "unit/proxy/ready.h"

namespace pgweir::proxy {

namespace {

// A CancelRequest for the client that was greeted so, with a key of so many bytes.
Bytes cancel_of(const std::string& greeting, std::size_t key_bytes = 4) {
    const std::size_t body = 4 + key_bytes;
    const std::string head{'K', 0, 0, 0, static_cast<char>(4 + body)};
    const std::size_t at = greeting.find(head);
    REQUIRE(at != std::string::npos);
    const ByteView key = as_bytes(std::string_view(greeting).substr(at + head.size(), body));
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

// --- Statements of pgweir's own ---------------------------------------------------------------

TEST_CASE("every byte of a long key counts, and so does its length") {
    ByHand world(kSettings);
    const ClientId alice = world.open();
    Bytes startup;
    wire::startup_message(startup, {{"user", "alice"}, {"database", "app"}}, 2);
    world.tell(ClientBytes{alice, startup});
    world.log_in(world.opened().at(0));
    const Bytes right = cancel_of(world.heard_text(alice), 32);
    world.say(alice, client::query("SELECT 1"));
    const auto servers_for = [&world](const Bytes& request) {
        const std::size_t before = world.opened().size();
        world.tell(ClientBytes{world.open(), request});
        return world.opened().size() - before;
    };
    const std::uint32_t process = load_u32(right.data() + 8);
    const ByteView secret = ByteView(right).subspan(12);
    for (std::size_t wrong = 0; wrong < secret.size(); ++wrong) {
        Bytes forged = right;
        forged[12 + wrong] ^= 1;
        CHECK(servers_for(forged) == 0);
    }
    for (const std::size_t length : {4, 31}) {
        Bytes shorter;
        wire::cancel_request(shorter, process, secret.first(length));
        CHECK(servers_for(shorter) == 0);
    }
    CHECK(servers_for(right) == 1);
}

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
