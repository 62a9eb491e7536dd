// SPDX-License-Identifier: PostgreSQL
// Listening: addresses, Unix sockets and their permissions, running out of descriptors.
#include "io/listener.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "helpers.h"
#include "pgweir/config/config_error.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

struct CountingLog final : Log {
    void write(LogLevel, std::string_view text) override { lines.emplace_back(text); }
    bool wants(LogLevel) const override { return true; }
    std::vector<std::string> lines;
};

struct Fixture {
    TemporaryFolder folder;
    Loop loop;
    CountingLog log;
    config::Settings settings;
    std::vector<UniqueFd> accepted;
    std::vector<ClientAddress> from;
    Listener listener{loop.get(), log, [this](UniqueFd socket, ClientAddress address) {
                          accepted.push_back(std::move(socket));
                          from.push_back(std::move(address));
                      }};

    void listen(config::TextList addresses) {
        settings.general.listen.assign(std::move(addresses));
        listener.bind(settings);
        listener.start();
    }
    std::uint16_t port(std::size_t i = 0) const {
        const std::string text = listener.addresses().at(i);
        return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
    }
    // Speaks at once, as PostgreSQL's clients do.
    UniqueFd connect_tcp(std::uint16_t to, std::string_view first_words = "hello") {
        SocketAddress address;
        REQUIRE(SocketAddress::numeric("127.0.0.1", to, address));
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(fd.get(), address.get(), address.length) == 0);
        if (!first_words.empty()) say(fd, first_words);
        return fd;
    }
    UniqueFd connect_unix(const std::string& path) {
        SocketAddress address;
        REQUIRE(SocketAddress::unix_path(path, address));
        UniqueFd fd = open_socket(AF_UNIX);
        REQUIRE(::connect(fd.get(), address.get(), address.length) == 0);
        return fd;
    }
    bool until(const std::function<bool()>& done) { return run_until(loop, done); }
};

int number_option(int fd, int level, int option) {
    int value = 0;
    socklen_t length = sizeof(value);
    REQUIRE(::getsockopt(fd, level, option, &value, &length) == 0);
    return value;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "port 0 becomes a real one, and clients come with their address") {
    listen({"127.0.0.1:0"});
    CHECK(port() != 0);
    const UniqueFd client = connect_tcp(port());
    CHECK(until([&] { return accepted.size() == 1; }));
    CHECK(from[0].host == "127.0.0.1");
    CHECK(from[0].port != 0);
    CHECK_FALSE(from[0].is_unix);
}

TEST_CASE_FIXTURE(Fixture, "accepted sockets inherit the options for TCP") {
    settings.tcp.tcp_keepidle.assign(Duration::seconds(17));
    settings.tcp.tcp_user_timeout.assign(Duration::seconds(9));
    listen({"127.0.0.1:0"});
    const UniqueFd client = connect_tcp(port());
    CHECK(until([&] { return accepted.size() == 1; }));
    const int fd = accepted[0].get();
    CHECK(number_option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    CHECK(number_option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
    CHECK(number_option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 17);
    CHECK(number_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 9000);
}

TEST_CASE_FIXTURE(Fixture, "a storm is accepted in one go") {
    listen({"127.0.0.1:0"});
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 200; ++i) clients.push_back(connect_tcp(port()));
    CHECK(until([&] { return accepted.size() == 200; }));
}

TEST_CASE_FIXTURE(Fixture, "an address in use is refused by its name") {
    listen({"127.0.0.1:0"});
    config::Settings same;
    same.general.listen.assign({listener.addresses()[0]}, 3);
    Listener second(loop.get(), log, [](UniqueFd, ClientAddress) {});
    CHECK_THROWS_WITH_AS(
        second.bind(same),
        ("can't listen on " + listener.addresses()[0] + ": address already in use").c_str(),
        config::ConfigError);
}

TEST_CASE_FIXTURE(Fixture,
                  "a Unix socket has its mode, names its user and goes with its listener") {
    settings.general.unix_socket_mode.assign({0640});
    listen({folder.text() + ":6432"});
    const std::string path = folder.file(".s.PGSQL.6432");
    CHECK(listener.addresses() == std::vector<std::string>{path});
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0640);
    const UniqueFd client = connect_unix(path);
    CHECK(until([&] { return accepted.size() == 1; }));
    CHECK(from[0].is_unix);
    CHECK(from[0].peer_user == ::getpwuid(::geteuid())->pw_name);
    listener.stop();
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE_FIXTURE(Fixture,
                  "a Unix socket that a dead process left is replaced, a living one's not") {
    const std::string path = folder.file(".s.PGSQL.6432");
    SocketAddress address;
    REQUIRE(SocketAddress::unix_path(path, address));
    UniqueFd other = open_socket(AF_UNIX);
    REQUIRE(::bind(other.get(), address.get(), address.length) == 0);
    REQUIRE(::listen(other.get(), 1) == 0);
    CHECK_THROWS_AS(listen({folder.text() + ":6432"}), config::ConfigError);
    CHECK(std::filesystem::exists(path));
    other.reset();
    listen({folder.text() + ":6432"});
    const UniqueFd client = connect_unix(path);
    CHECK(until([&] { return accepted.size() == 1; }));
}

TEST_CASE_FIXTURE(Fixture, "a file that is no socket is left alone") {
    folder.write(".s.PGSQL.6432", "precious");
    CHECK_THROWS_AS(listen({folder.text() + ":6432"}), config::ConfigError);
    CHECK(folder.read(".s.PGSQL.6432") == "precious");
}

TEST_CASE_FIXTURE(Fixture, "out of descriptors, clients are turned away with one line in the log") {
    listen({"127.0.0.1:0"});
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 8; ++i) clients.push_back(connect_tcp(port()));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit tight = before;
    tight.rlim_cur = 100;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
    std::vector<UniqueFd> fillers;
    while (fillers.empty() || fillers.back()) fillers.emplace_back(::dup(clients.back().get()));
    run_for(loop, Duration::milliseconds(50));
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(accepted.empty());
    CHECK(log.lines.size() == 1);
    for (const UniqueFd& client : clients) {
        char byte = 0;
        // An end or, since nobody read what the client said, a reset.
        const ssize_t n = ::recv(client.get(), &byte, 1, MSG_DONTWAIT);
        CHECK((n == 0 || (n < 0 && errno == ECONNRESET)));
    }
    fillers.clear();
    const UniqueFd late = connect_tcp(port());
    CHECK(until([&] { return accepted.size() == 1; }));
}
