// SPDX-License-Identifier: PostgreSQL
// Dialing: addresses in turn, names, what is given up.
#include "io/dialer.h"

#include <doctest/doctest.h>

#include <map>

#include "helpers.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

struct Outcomes final : DialerOwner {
    void on_dialed(ServerId server, UniqueFd socket) override {
        opened[server] = std::move(socket);
    }
    void on_dial_failed(ServerId server, std::string reason) override {
        failed[server] = std::move(reason);
    }
    std::map<ServerId, UniqueFd> opened;
    std::map<ServerId, std::string> failed;
};

struct Fixture {
    Loop loop;
    Outcomes outcomes;
    Dialer dialer{loop.get(), outcomes};
    UniqueFd listening;
    std::uint16_t port = 0;

    Fixture() {
        SocketAddress address;
        REQUIRE(SocketAddress::numeric("127.0.0.1", 0, address));
        listening = open_socket(AF_INET);
        REQUIRE(::bind(listening.get(), address.get(), address.length) == 0);
        REQUIRE(::listen(listening.get(), 10) == 0);
        address.length = sizeof(address.storage);
        REQUIRE(::getsockname(listening.get(), address.get(), &address.length) == 0);
        port = address.port();
    }
    bool until(const std::function<bool()>& done) { return run_until(loop, done); }
};

constexpr ServerId kFirst{1};
constexpr ServerId kSecond{2};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a numeric address is dialed without asking anybody") {
    dialer.open(kFirst, {"127.0.0.1", port});
    CHECK(until([&] { return outcomes.opened.count(kFirst) == 1; }));
    CHECK(dialer.open_count() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a name is resolved, and its addresses are tried in turn") {
    // "localhost" may be ::1 first, where nobody listens.
    dialer.open(kFirst, {"localhost", port});
    dialer.open(kSecond, {"localhost", port});
    CHECK(until([&] { return outcomes.opened.size() == 2; }));
}

TEST_CASE_FIXTURE(Fixture, "nobody listens: the reason names the address") {
    listening.reset();
    dialer.open(kFirst, {"127.0.0.1", port});
    CHECK(until([&] { return outcomes.failed.count(kFirst) == 1; }));
    CHECK(outcomes.failed[kFirst] == "127.0.0.1:" + std::to_string(port) + ": connection refused");
}

TEST_CASE_FIXTURE(Fixture, "a name that does not exist fails with a reason") {
    dialer.open(kFirst, {"no-such-host.invalid", port});
    CHECK(until([&] { return outcomes.failed.count(kFirst) == 1; }));
    CHECK(outcomes.failed[kFirst].starts_with("could not resolve \"no-such-host.invalid\": "));
}

TEST_CASE_FIXTURE(Fixture, "what is given up is not told") {
    SUBCASE("while connecting") {
        dialer.open(kFirst, {"127.0.0.1", port});
    }
    SUBCASE("while resolving") {
        dialer.open(kFirst, {"localhost", port});
    }
    dialer.forget(kFirst);
    run_for(loop, Duration::milliseconds(50));
    CHECK(outcomes.opened.empty());
    CHECK(outcomes.failed.empty());
    CHECK(dialer.open_count() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a directory is a Unix socket, as in libpq") {
    const TemporaryFolder folder;
    SocketAddress address;
    REQUIRE(SocketAddress::unix_path(folder.file(".s.PGSQL.6000"), address));
    const UniqueFd local = open_socket(AF_UNIX);
    REQUIRE(::bind(local.get(), address.get(), address.length) == 0);
    REQUIRE(::listen(local.get(), 10) == 0);
    dialer.open(kFirst, {folder.text(), 6000});
    CHECK(outcomes.opened.count(kFirst) == 1);
    dialer.open(kSecond, {folder.text(), 6001});
    CHECK(outcomes.failed[kSecond].find(".s.PGSQL.6001: no such file") != std::string::npos);
    dialer.open(kFirst, {"/" + std::string(200, 'x'), 6000});
    CHECK(outcomes.failed[kFirst].find("too long") != std::string::npos);
}

TEST_CASE("answers of the resolver are used again while they are fresh") {
    Loop loop;
    Resolver resolver(loop.get(), {.answer_lifetime = Duration::seconds(100)});
    int answers = 0;
    const auto count = [&](const std::vector<SocketAddress>& addresses, const std::string&) {
        CHECK_FALSE(addresses.empty());
        ++answers;
    };
    resolver.resolve(1, "localhost", count);
    CHECK(answers == 0);
    CHECK(run_until(loop, [&] { return answers == 1; }));
    resolver.resolve(2, "localhost", count);
    CHECK(answers == 2);
}

TEST_CASE("a resolver that goes leaves nobody waiting and nothing behind") {
    Loop loop;
    {
        Resolver resolver(loop.get());
        resolver.resolve(1, "localhost", [](const auto&, const std::string&) { FAIL("told"); });
    }
    run_for(loop, Duration::milliseconds(20));
}
