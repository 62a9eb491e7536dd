// SPDX-License-Identifier: PostgreSQL
// The files behind the settings, and what else the process keeps in files and sockets.
#include "io/config_files.h"

#include <doctest/doctest.h>
#include <sys/un.h>

#include "certificates.h"
#include "helpers.h"
#include "io/pid_file.h"
#include "io/service_manager.h"
#include "io/socket.h"
#include "io/system_entropy.h"
#include "pgweir/config/toml_reader.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

struct Fixture {
    TemporaryFolder folder;
    ConfigFiles files{folder.file("pgweir.toml"), [this](std::string_view text) {
                          return config::read_toml(text, folder.file("pgweir.toml"));
                      }};

    std::string failure() const {
        try {
            files.load();
            return "";
        } catch (const config::ConfigError& error) {
            return error.what();
        }
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "paths are meant from where the file lies, and users are read") {
    folder.write("users.txt", "\"alice\" \"secret\"\n");
    folder.write("pgweir.toml", "[pgweir]\nauth_file = \"users.txt\"\nlog_file = \"/var/x.log\"\n");
    const LoadedConfiguration loaded = files.load();
    CHECK(loaded.settings->general.auth_file() == folder.file("users.txt"));
    CHECK(loaded.settings->general.log_file() == "/var/x.log");
    CHECK(loaded.settings->auth_file_text == "\"alice\" \"secret\"\n");
    CHECK(loaded.tls != nullptr);
    CHECK(loaded.warnings.empty());
}

TEST_CASE_FIXTURE(Fixture, "secrets that everybody can read are warned of") {
    folder.write("users.txt", "\"alice\" \"secret\"\n", 0644);
    folder.write("pgweir.toml",
                 "[pgweir]\nauth_file = \"users.txt\"\n[users.bob]\npassword = \"x\"\n", 0644);
    const LoadedConfiguration loaded = files.load();
    REQUIRE(loaded.warnings.size() == 2);
    CHECK(loaded.warnings[0].starts_with(folder.file("pgweir.toml")));
    CHECK(loaded.warnings[1].starts_with(folder.file("users.txt")));
}

TEST_CASE_FIXTURE(Fixture, "what can't be read is refused by file and line") {
    SUBCASE("no configuration") {
        CHECK(failure().find("pgweir.toml\": no such file") != std::string::npos);
    }
    SUBCASE("no list of users") {
        folder.write("pgweir.toml", "[pgweir]\n\nauth_file = \"users.txt\"\n");
        CHECK(failure().find("pgweir.toml:3: can't read") != std::string::npos);
    }
    SUBCASE("a list of users that makes no sense") {
        folder.write("users.txt", "\"alice\" \"secret\"\nnonsense\n");
        folder.write("pgweir.toml", "[pgweir]\nauth_file = \"users.txt\"\n");
        CHECK(failure().starts_with(folder.file("users.txt") + ":2: "));
    }
    SUBCASE("a certificate that is not there") {
        folder.write("pgweir.toml",
                     "[tls]\nclient_tls_sslmode = \"require\"\nclient_tls_cert_file = \"a.crt\"\n"
                     "client_tls_key_file = \"a.key\"\n");
        CHECK(failure().find("pgweir.toml:3: client_tls_cert_file") != std::string::npos);
    }
    SUBCASE("a folder") {
        std::filesystem::create_directory(folder.file("pgweir.toml"));
        CHECK(failure().find("on a directory") != std::string::npos);
    }
}

TEST_CASE("a pid file names the process, goes with it, and keeps a second one out") {
    const TemporaryFolder folder;
    const std::string path = folder.file("pid");
    {
        const PidFile file(path);
        CHECK(folder.read("pid") == std::to_string(::getpid()) + "\n");
        folder.write("pid", std::to_string(::getppid()));
        CHECK_THROWS_AS(PidFile{path}, config::ConfigError);
        folder.write("pid", "999999999");
        CHECK_NOTHROW(PidFile{path});
    }
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK_THROWS_AS(PidFile{"/nonexistent/pid"}, config::ConfigError);
}

TEST_CASE("the service manager is told in sd_notify's words") {
    const TemporaryFolder folder;
    SocketAddress address;
    REQUIRE(SocketAddress::unix_path(folder.file("notify"), address));
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    REQUIRE(::bind(socket.get(), address.get(), address.length) == 0);
    const auto next = [&] {
        std::array<char, 256> text{};
        const ssize_t n = ::recv(socket.get(), text.data(), text.size(), 0);
        return n < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(n));
    };
    const ServiceManager manager(folder.file("notify"));
    manager.ready();
    CHECK(next() == "READY=1");
    manager.reloading();
    CHECK(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    manager.stopping();
    CHECK(next() == "STOPPING=1");
    ServiceManager("").ready();
    ServiceManager("/nonexistent").ready();
    CHECK(next().empty());
}

TEST_CASE("the system's random bytes differ, in small pieces and large ones") {
    SystemEntropy entropy;
    std::array<std::uint8_t, 32> first{};
    std::array<std::uint8_t, 32> second{};
    for (int i = 0; i < 20; ++i) {
        entropy.fill(first);
        CHECK(first != second);
        second = first;
    }
    std::vector<std::uint8_t> large(5000);
    entropy.fill(large);
    CHECK(std::count(large.begin(), large.end(), 0) < 100);
}
