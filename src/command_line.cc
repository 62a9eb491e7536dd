// SPDX-License-Identifier: PostgreSQL
// What was typed after "pgweir", and the settings that it asks for.
#include "command_line.h"

#include <CLI/CLI.hpp>

#include "pgweir/config/connection_string.h"
#include "pgweir/config/describe.h"
#include "pgweir/config/toml_reader.h"

namespace pgweir {
namespace {

using config::ConfigError;

constexpr const char* kAbout =
    "A connection pooler for PostgreSQL.\n\n"
    "  pgweir -c pgweir.toml                      start from a file\n"
    "  pgweir postgres://user@host:5432/app       start without one: loopback only, for one "
    "database\n"
    "  pgweir --sample > pgweir.toml              every option, with its default\n";

struct Flags {
    bool check = false;
    bool sample = false;
    bool version = false;
    bool quiet = false;
    std::string log_level;
};

void declare(CLI::App& app, CommandLine& out, Flags& flags) {
    app.add_option("connection-string", out.connection_string,
                   "postgres://user:password@host:port/database; PGPASSWORD may hold the password");
    app.add_option("-c,--config", out.config_file, "The configuration file (TOML)")
        ->type_name("FILE");
    app.add_option("--listen", out.listen,
                   "host:port or the directory of a Unix socket, instead of the file's; may be "
                   "repeated; port 0 lets the system choose")
        ->type_name("ADDRESS")
        ->allow_extra_args(false);
    app.add_option("--workers", out.workers, "Threads that serve clients; 0: one for each core")
        ->type_name("N");
    app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
        ->type_name("LEVEL");
    app.add_flag("-q,--quiet", flags.quiet, "Logs errors only");
    app.add_flag("--check", flags.check, "Says whether the configuration is right, and ends");
    app.add_flag("--sample", flags.sample, "Prints a file with every option, and ends");
    app.add_flag("-V,--version", flags.version, "Prints the version, and ends");
}

CommandLine print(std::string text, int exit_code) {
    CommandLine out;
    out.action = CommandLine::Action::Print;
    out.output = std::move(text);
    if (out.output.empty() || out.output.back() != '\n') out.output += '\n';
    out.exit_code = exit_code;
    return out;
}

CommandLine refuse(const std::string& sentence) {
    return print("pgweir: " + sentence + "\nTry pgweir --help.", 2);
}

// Empty if the command line makes sense.
std::string objection(const CommandLine& out) {
    const bool has_file = !out.config_file.empty();
    const bool has_string = !out.connection_string.empty();
    if (has_file && has_string) return "a connection string and -c FILE exclude each other";
    if (has_string && !config::is_connection_string(out.connection_string)) {
        // Whoever mistypes a connection string has a password in it: it is not repeated.
        return "what is given is no connection string (postgres://…); a file is given with -c FILE";
    }
    if (!has_file && !has_string) {
        return "give a configuration file (-c FILE) or a connection string (postgres://…)";
    }
    return {};
}

bool is_local(const config::ListenAddress& address) {
    return address.is_unix() || address.host == "localhost" || address.host == "::1" ||
           address.host.starts_with("127.");
}

// Without a file there are no rules for who may connect.
void require_local(const config::Settings& settings) {
    for (const std::string& text : settings.general.listen()) {
        const auto address = config::parse_listen_address(text);
        if (address && is_local(*address)) continue;
        throw ConfigError("", 0,
                          "--listen " + text +
                              " would let everybody in without a password: with a connection "
                              "string pgweir listens on loopback and Unix sockets only; write a "
                              "file (pgweir --sample) to open it to others");
    }
}

void override_options(const CommandLine& from, config::Settings& settings) {
    for (const std::string& text : from.listen) {
        const auto address = config::parse_listen_address(text);
        if (!address) throw ConfigError("", 0, "--listen \"" + text + "\" " + address.error());
    }
    try {
        if (!from.listen.empty()) settings.general.listen.assign(from.listen);
        if (from.workers) settings.general.workers.assign(*from.workers);
        if (from.log_level) settings.general.log_level.assign(*from.log_level);
    } catch (const config::ValueError& error) {
        throw ConfigError("", 0, std::string("--workers ") + error.what());
    }
}

std::unique_ptr<config::Settings> settings_without_file(const CommandLine& command_line) {
    auto settings = config::settings_from_connection_string(command_line.connection_string);
    for (const auto& [name, given] : settings->databases()) {
        if (command_line.password.empty() || given.password.is_set() || !given.user.is_set()) {
            continue;
        }
        settings->add_database(name).password.assign(command_line.password);
    }
    return settings;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
    CLI::App app(kAbout, "pgweir");
    CommandLine out;
    Flags flags;
    declare(app, out, flags);
    try {
        app.parse(argc, argv);
        if (!flags.log_level.empty()) {
            out.log_level = config::read_value<LogLevel>(config::RawValue(flags.log_level));
        }
    } catch (const CLI::CallForHelp&) {
        return print(app.help(), 0);
    } catch (const CLI::ParseError& error) {
        return refuse(error.what());
    } catch (const config::ValueError& error) {
        return refuse(std::string("--log-level ") + error.what());
    }
    if (flags.version) return print("pgweir " PGWEIR_VERSION, 0);
    if (flags.sample) return print(config::sample_file(), 0);
    if (const std::string wrong = objection(out); !wrong.empty()) return refuse(wrong);
    if (flags.quiet && !out.log_level) out.log_level = LogLevel::Error;
    if (flags.check) out.action = CommandLine::Action::Check;
    return out;
}

std::unique_ptr<config::Settings> make_settings(const CommandLine& command_line,
                                                std::string_view file_text) {
    const bool has_file = !command_line.config_file.empty();
    auto settings = has_file ? config::read_toml(file_text, command_line.config_file)
                             : settings_without_file(command_line);
    override_options(command_line, *settings);
    if (!has_file) require_local(*settings);
    return settings;
}

}  // namespace pgweir
