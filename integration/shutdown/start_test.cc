// SPDX-License-Identifier: PostgreSQL
// How pgweir starts: with a file, without one, on Unix sockets, under a service manager; and what
// it says of a configuration that is wrong.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "shared.h"

using namespace pgweir::integration;

namespace {

struct Outcome {
    int status = -1;
    std::string output;
};

Outcome run_pgweir(std::vector<std::string> arguments) {
    TemporaryFolder folder("command");
    auto log = folder.path() / "log";
    arguments.insert(arguments.begin(), pgweir_binary());
    Process process({.words = std::move(arguments), .log = log});
    auto status = process.wait();
    return {status.value_or(-1), read_file(log)};
}

Outcome check_file(const std::string& toml) {
    TemporaryFolder folder("check");
    auto file = folder.path() / "pgweir.toml";
    write_file(file, toml);
    std::filesystem::permissions(file, std::filesystem::perms(0600));
    return run_pgweir({"--check", "-c", file.string()});
}

std::uint16_t port_in(const std::string& ready_line) {
    return static_cast<std::uint16_t>(std::stoi(ready_line.substr(ready_line.rfind(':') + 1)));
}

}  // namespace

TEST_CASE("a connection string is enough, and port 0 is said on the ready line") {
    TemporaryFolder folder("string");
    std::string url = "postgres://trusty@127.0.0.1:" + std::to_string(cluster().port()) + "/app";
    Process process({.words = {pgweir_binary(), url, "--listen", "127.0.0.1:0"},
                     .log = folder.path() / "log",
                     .capture_output = true});
    auto line = process.take_line();
    REQUIRE(line.has_value());
    CHECK(line->rfind("pgweir is ready: listening on 127.0.0.1:", 0) == 0);
    Target target{.port = port_in(*line)};
    CHECK(serves(target));
    Connection console(target.with_database("pgweir"));
    CHECK(console.query("show version").ok());
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
}

TEST_CASE("a connection string with a password logs in with it") {
    TemporaryFolder folder("string");
    std::string url = "postgres://scrammer:" + password_of("scrammer") +
                      "@127.0.0.1:" + std::to_string(cluster().port()) + "/app";
    Process process({.words = {pgweir_binary(), url, "--listen", "127.0.0.1:0"},
                     .log = folder.path() / "log",
                     .capture_output = true});
    auto line = process.take_line();
    REQUIRE(line.has_value());
    Connection connection(Target{.port = port_in(*line), .user = "scrammer"});
    CHECK(connection.value("select current_user") == "scrammer");
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
    CHECK(read_file(folder.path() / "log").find(password_of("scrammer")) == std::string::npos);
}

TEST_CASE("a node on a Unix socket, and clients on one") {
    TemporaryFolder folder("unix");
    PgweirConfig config(cluster().socket_folder(), cluster().port());
    config.general("listen", "[\"127.0.0.1:0\", \"" + folder.path().string() + ":6432\"]");
    PgweirProcess pgweir(config);
    Target target{.host = folder.path().string(), .port = 6432};
    CHECK(serves(target));
    CHECK(serves(pgweir.target()));
    RawClient client(target);
    client.login();
    client.ask(query("select inet_client_addr() is null"));
    CHECK(has_line(client.transcript(), "DataRow [t]"));
    CHECK(pgweir.stop() == 0);
    CHECK(!std::filesystem::exists(folder.path() / ".s.PGSQL.6432"));
}

TEST_CASE("a second pgweir on the same port says so and ends") {
    PgweirProcess pgweir{PgweirConfig(cluster())};
    PgweirConfig config(cluster());
    config.general("listen", "[\"127.0.0.1:" + std::to_string(pgweir.port()) + "\"]");
    TemporaryFolder folder("second");
    auto file = folder.path() / "pgweir.toml";
    write_file(file, config.text());
    std::filesystem::permissions(file, std::filesystem::perms(0600));
    Outcome outcome = run_pgweir({"-c", file.string()});
    CHECK(outcome.status > 0);
    CHECK(outcome.output.find(std::to_string(pgweir.port())) != std::string::npos);
    CHECK(serves(pgweir.target()));
}

TEST_CASE("the service manager hears when it is ready") {
    TemporaryFolder folder("notify");
    std::string path = (folder.path() / "notify").string();
    int receiver = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::bind(receiver, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    timeval limit{.tv_sec = 60, .tv_usec = 0};
    ::setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string url = "postgres://trusty@127.0.0.1:" + std::to_string(cluster().port()) + "/app";
    Process process({.words = {pgweir_binary(), url, "--listen", "127.0.0.1:0"},
                     .log = folder.path() / "log",
                     .capture_output = true,
                     .environment = {"NOTIFY_SOCKET=" + path}});
    char text[512] = "";
    CHECK(::recv(receiver, text, sizeof text - 1, 0) > 0);
    CHECK(std::string(text).find("READY=1") != std::string::npos);
    CHECK(process.take_line().has_value());
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
    ::close(receiver);
}

TEST_CASE("--check: the right one is right, a wrong one has file, line and the nearest name") {
    CHECK(check_file(PgweirConfig(cluster()).text()).status == 0);
    Outcome wrong = check_file("[limits]\n\ndefault_pool_sise = 3\n");
    CHECK(wrong.status > 0);
    CHECK(wrong.output.find("pgweir.toml:3") != std::string::npos);
    CHECK(wrong.output.find("default_pool_size") != std::string::npos);
    for (const char* text :
         {"[limits]\ndefault_pool_size = \"many\"\n", "[limits]\ndefault_pool_size = 0\n",
          "[no_such_section]\n", "[pgweir\n", "[pgweir]\npool_mode = \"queue\"\n",
          "[timeouts]\nquery_timeout = \"5 parsecs\"\n",
          "[tls]\nclient_tls_sslmode = \"require\"\n"}) {
        CAPTURE(std::string(text));
        Outcome outcome = check_file(text);
        CHECK(outcome.status > 0);
        CHECK(outcome.output.find("pgweir.toml") != std::string::npos);
    }
}

TEST_CASE("a command line that makes no sense is answered in a sentence") {
    CHECK(run_pgweir({"--version"}).status == 0);
    CHECK(run_pgweir({"--help"}).status == 0);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{},
          {"--no-such-option"},
          {"-c", "/nonexistent/pgweir.toml"},
          {"http://somewhere"},
          {"postgres://trusty@127.0.0.1/app", "--listen", "nonsense:x:y"}}) {
        Outcome outcome = run_pgweir(words);
        CHECK(outcome.status > 0);
        CHECK(outcome.status < 128);
        CHECK(outcome.output.size() > 10);
    }
}

TEST_CASE("the sample that it prints is a configuration that it takes") {
    Outcome sample = run_pgweir({"--sample"});
    CHECK(sample.status == 0);
    CHECK(check_file(sample.output).status == 0);
}

TEST_CASE("a full disk under the log holds up nobody, and is told once there is room") {
    PgweirConfig config(cluster());
    config.general("log_file", "\"/dev/full\"").general("log_level", "\"debug\"");
    PgweirProcess pgweir(config);
    for (int i = 0; i < 50; ++i) {
        Connection client(pgweir.target());
        CHECK(client.value("select 'fine'") == "fine");
        CHECK(client.query("select 1/0").sqlstate == "22012");
    }
    auto with_room = pgweir.folder() / "with_room.log";
    config.general("log_file", "\"" + with_room.string() + "\"");
    pgweir.rewrite(config);
    pgweir.process().signal(SIGHUP);
    wait_until("it says what was lost", [&] {
        CHECK(serves(pgweir.target()));
        return std::filesystem::exists(with_room) &&
               read_file(with_room).find("log lines could not be written") != std::string::npos;
    });
}

TEST_CASE("a reload applies what can be applied; a wrong file changes nothing") {
    PgweirConfig config(cluster());
    config.limit("default_pool_size", 1).timeout("query_wait_timeout", "300ms");
    PgweirProcess pgweir(config);
    Connection holder(pgweir.target());
    holder.must("begin");
    Connection other(pgweir.target());
    CHECK(other.query("select 1").sqlstate == "53300");
    config.limit("default_pool_size", 2);
    pgweir.rewrite(config);
    pgweir.process().signal(SIGHUP);
    wait_until("the larger pool serves", [&] { return other.query("select 1").ok(); });
    PgweirConfig wrong(cluster());
    wrong.general("pool_mode", "\"queue\"");
    pgweir.rewrite(wrong);
    pgweir.process().signal(SIGHUP);
    wait_until("it says so", [&] { return pgweir.log().find("pool_mode") != std::string::npos; });
    CHECK(other.query("select 2").ok());
    CHECK(holder.query("select 3").ok());
}
