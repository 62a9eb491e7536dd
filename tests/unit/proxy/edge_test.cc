// SPDX-License-Identifier: PostgreSQL
// What the edge and the core owe one another: who is read and who is not, and whose ids are gone.
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
[tls]
server_tls_sslmode = "disable"
[databases.app]
host = "127.0.0.1"
pool_size = 1
)";

}  // namespace

TEST_CASE("a client whose COPY failed before the server had read it is read again") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    const ServerId one = world.opened().at(0);
    world.log_in(one);
    world.say(alice, client::query("COPY t FROM STDIN"));
    world.answer(one, server::copy_in());
    world.tell(ServerBlocked{one});
    world.say(alice, client::copy_data("not a number"));
    CHECK(world.is_paused(alice));
    world.answer(one, server::error("22P02") + server::ready());
    CHECK(!world.is_paused(alice));
    world.tell(ServerDrained{one});
    CHECK(!world.is_paused(alice));
}

TEST_CASE("a client is read again when the server that was to greet it is lost") {
    ByHand world(kSettings);
    world.connect();
    const ServerId one = world.opened().at(0);
    world.log_in(one);
    const ClientId bob = world.open();
    Bytes startup;
    wire::startup_message(startup,
                          {{"user", "alice"}, {"database", "app"}, {"application_name", "bob"}});
    world.tell(ClientBytes{bob, startup});
    world.tell(ServerBlocked{one});
    CHECK(world.is_paused(bob));
    world.tell(ServerClosed{one, "connection reset"});
    CHECK(!world.is_paused(bob));
}

TEST_CASE("a server is nobody's until it has read what the last client sent") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    const ServerId one = world.opened().at(0);
    world.log_in(one);
    const ClientId bob = world.connect();
    world.say(alice, client::query("COPY t FROM STDIN"));
    world.answer(one, server::copy_in());
    world.tell(ServerBlocked{one});
    world.say(alice, client::copy_data("not a number"));
    world.answer(one, server::error("22P02") + server::ready());
    world.asked(one);
    world.say(bob, client::query("SELECT 1"));
    CHECK(world.asked(one).empty());
    world.tell(ServerDrained{one});
    CHECK(world.asked(one) == "Q(SELECT 1)");
}

TEST_CASE("a server that does not read what the last client sent is closed after a while") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    const ServerId one = world.opened().at(0);
    world.log_in(one);
    world.say(alice, client::query("COPY t FROM STDIN"));
    world.answer(one, server::copy_in());
    world.tell(ServerBlocked{one});
    world.answer(one, server::error("22P02") + server::ready());
    CHECK(!world.is_server_closed(one));
    world.pass(Duration::seconds(60));
    CHECK(world.is_server_closed(one));
}

TEST_CASE("a lease does not end in the middle of a message to the server") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    const ServerId one = world.opened().at(0);
    world.log_in(one);
    const ClientId bob = world.connect();
    world.say(alice, client::query("COPY t FROM STDIN"));
    world.answer(one, server::copy_in());
    const auto data = client::copy_data(std::string(100'000, 'x'));
    testing::Said head;
    testing::Said rest;
    head.assign(data.begin(), data.begin() + 40'000);
    rest.assign(data.begin() + 40'000, data.end());
    world.say(alice, head);
    world.asked(one);
    world.answer(one, server::error("22P02") + server::ready());
    world.say(bob, client::query("SELECT 1"));
    CHECK(world.asked(one).empty());
    world.say(alice, rest + client::query("SELECT 2"));
    const Bytes asked = world.asked_bytes(one);
    REQUIRE(asked.size() > rest.size());
    const ByteView behind = ByteView(asked).subspan(rest.size());
    CHECK(testing::told(testing::Speaker::Client, behind) == "Q(SELECT 2)");
    world.answer(one, server::complete("SELECT 1") + server::ready());
    CHECK(world.asked(one) == "Q(SELECT 1)");
}

TEST_CASE("a lease ends with the message that was on its way when the server was ready") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    const ServerId one = world.opened().at(0);
    world.log_in(one);
    const ClientId bob = world.connect();
    world.say(alice, client::query("COPY t FROM STDIN"));
    world.answer(one, server::copy_in());
    const auto data = client::copy_data(std::string(100'000, 'x'));
    for (std::size_t at = 0; at < data.size(); at += 10'000) {
        testing::Said piece;
        const std::size_t end = std::min(at + 10'000, data.size());
        piece.assign(data.begin() + static_cast<std::ptrdiff_t>(at),
                     data.begin() + static_cast<std::ptrdiff_t>(end));
        world.say(alice, piece);
        if (at == 50'000) world.answer(one, server::error("22P02") + server::ready());
    }
    world.asked(one);
    world.say(bob, client::query("SELECT 1"));
    CHECK(world.asked(one) == "Q(SELECT 1)");
    CHECK(world.heard_text(alice).find("22P02") != std::string::npos);
}

TEST_CASE("who waits for a server when shutdown begins gets the first that logs in") {
    ByHand world(kSettings);
    const ClientId alice = world.connect();
    world.log_in(world.opened().at(0));
    world.heard(alice);
    world.say(alice, client::query("BEGIN"));
    world.answer(world.opened()[0], server::complete("BEGIN") + server::ready('T'));
    world.heard(alice);
    const ClientId bob = world.connect();
    world.say(bob, client::query("SELECT 1"));
    world.tell(ShutdownRequested{ShutdownMode::Drain});
    world.tell(ServerClosed{world.opened()[0], "connection reset"});
    REQUIRE(world.opened().size() == 2);
    const ServerId two = world.opened()[1];
    world.log_in(two);
    CHECK(world.asked(two) == "Q(SELECT 1)");
    CHECK(world.opened().size() == 2);
    world.answer(two, server::row() + server::complete("SELECT 1") + server::ready());
    CHECK(world.heard_text(bob).find("SELECT 1") != std::string::npos);
    CHECK(world.is_closed(bob));
    CHECK(world.asked(two) == "X");
}

TEST_CASE("a server that the edge has closed is not closed again") {
    ByHand world(kSettings);
    world.connect();
    const ServerId one = world.opened().at(0);
    world.tell(ServerOpenFailed{one, "connection refused"});
    CHECK(!world.is_server_closed(one));
    world.pass(Duration::seconds(3));
    const ServerId two = world.opened().at(1);
    world.log_in(two);
    world.tell(ServerClosed{two, "connection reset"});
    CHECK(!world.is_server_closed(two));
}

}  // namespace pgweir::proxy
