// SPDX-License-Identifier: PostgreSQL
#include "command_line.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "pgweir/config/describe.h"

using namespace pgweir;
using Action = CommandLine::Action;

namespace {

CommandLine parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "pgweir");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

std::string refusal_of(std::vector<const char*> arguments) {
    const CommandLine parsed = parse(std::move(arguments));
    CHECK(parsed.action == Action::Print);
    CHECK(parsed.exit_code == 2);
    return parsed.output;
}

std::string settings_error(const CommandLine& command_line, std::string_view text = "") {
    try {
        make_settings(command_line, text);
    } catch (const config::ConfigError& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("a start from a file") {
    const CommandLine parsed = parse({"-c", "pgweir.toml", "--workers", "4", "-q"});
    CHECK(parsed.action == Action::Run);
    CHECK(parsed.config_file == "pgweir.toml");
    CHECK(parsed.workers == 4);
    CHECK(parsed.log_level == LogLevel::Error);
    const auto settings = make_settings(parsed, "[pgweir]\nworkers = 2\nlog_level = \"debug\"\n");
    CHECK(settings->general.workers() == 4);
    CHECK(settings->general.log_level() == LogLevel::Error);
}

TEST_CASE("a start without a file") {
    CommandLine parsed = parse({"postgres://alice@h/app", "--listen", "127.0.0.1:0"});
    CHECK(parsed.action == Action::Run);
    CHECK(parsed.config_file.empty());
    parsed.password = "from PGPASSWORD";
    const auto settings = make_settings(parsed, "");
    CHECK(settings->listen_addresses() == std::vector<config::ListenAddress>{{"127.0.0.1", 0}});
    CHECK(settings->pool_for("app", "x").server_password == "from PGPASSWORD");
}

TEST_CASE("the password of the connection string goes before PGPASSWORD") {
    CommandLine parsed = parse({"postgres://alice:inside@h/app"});
    parsed.password = "outside";
    CHECK(make_settings(parsed, "")->pool_for("app", "x").server_password == "inside");
    parsed = parse({"postgres://h/app"});
    parsed.password = "outside";
    CHECK(make_settings(parsed, "")->pool_for("app", "x").server_password.empty());
}

TEST_CASE("--listen may be repeated and goes before the file") {
    const CommandLine parsed =
        parse({"--listen", "127.0.0.1:0", "-c", "f", "--listen", "/tmp:5433"});
    const auto settings = make_settings(parsed, "[pgweir]\nlisten = \"[::1]:1\"\n");
    CHECK(settings->listen_addresses() ==
          std::vector<config::ListenAddress>{{"127.0.0.1", 0}, {"/tmp", 5433}});
}

TEST_CASE("without a file nobody from outside gets in") {
    for (const char* address : {"0.0.0.0:6432", "[::]:6432", "*:6432", "10.0.0.1:6432", "h:6432"}) {
        CAPTURE(address);
        const std::string error = settings_error(parse({"postgres://a@h/d", "--listen", address}));
        CHECK(error.starts_with("--listen " + std::string(address) + " would let everybody in"));
    }
    for (const char* address : {"127.0.0.2:0", "[::1]:0", "localhost:0", "/tmp"}) {
        CAPTURE(address);
        CHECK(settings_error(parse({"postgres://a@h/d", "--listen", address})) == "no error");
    }
}

TEST_CASE("an overriding option is judged as the file's are") {
    CHECK(settings_error(parse({"-c", "f", "--listen", "h"})) ==
          "--listen \"h\" has no port; write host:port, e.g. 127.0.0.1:6432");
    CHECK(settings_error(parse({"-c", "f", "--workers", "256"})) ==
          "--workers can't be 256: it must be at most 255");
    CHECK(settings_error(parse({"-c", "f"}), "[pgwier]\n") ==
          "f:1: there is no section \"pgwier\"; did you mean \"pgweir\"?");
}

TEST_CASE("--check asks for no start") {
    CHECK(parse({"-c", "f", "--check"}).action == Action::Check);
}

TEST_CASE("help, version and sample end with success") {
    CHECK(parse({"--version"}).output == "pgweir " PGWEIR_VERSION "\n");
    CHECK(parse({"--version"}).exit_code == 0);
    CHECK(parse({"--help"}).output.find("--listen") != std::string::npos);
    CHECK(parse({"--help"}).exit_code == 0);
    CHECK(parse({"--sample"}).output == config::sample_file());
}

TEST_CASE("a command line that makes no sense is refused with what to do") {
    CHECK(refusal_of({}).starts_with("pgweir: give a configuration file (-c FILE) or"));
    CHECK(refusal_of({"-c", "f", "postgres://h/d"}) ==
          "pgweir: a connection string and -c FILE exclude each other\nTry pgweir --help.\n");
    CHECK(refusal_of({"pgweir.toml"}).find("a file is given with -c FILE") != std::string::npos);
    CHECK(refusal_of({"-c", "f", "--colour"}).find("--colour") != std::string::npos);
    CHECK(refusal_of({"-c"}).find("Try pgweir --help.") != std::string::npos);
    CHECK(refusal_of({"-c", "f", "--log-level", "debgu"}).find("did you mean \"debug\"?") !=
          std::string::npos);
    CHECK(refusal_of({"-c", "f", "--workers", "many"}).find("many") != std::string::npos);
}

TEST_CASE("no refusal repeats a password") {
    CHECK(refusal_of({"postgre://u:hunter2@h/d"}).find("hunter2") == std::string::npos);
    CHECK(settings_error(parse({"postgres://u:hunter2@/d"})).find("hunter2") == std::string::npos);
}
