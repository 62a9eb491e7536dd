// SPDX-License-Identifier: PostgreSQL
// Logins to servers: refused, tried again, tried another way.
#include <doctest/doctest.h>

#include "unit/proxy/ready.h"

namespace pgweir::proxy {

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

}  // namespace pgweir::proxy
