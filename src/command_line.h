// SPDX-License-Identifier: PostgreSQL
// What was typed after "pgweir", and the settings that it asks for. Reads no file: main does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pgweir/config/settings.h"

namespace pgweir {

struct CommandLine {
    enum class Action {
        Run,
        Check,  // Validates the configuration and ends.
        Print,  // Nothing to run: `output` is the answer (help, version, sample, an error).
    };

    Action action = Action::Run;
    std::string output;
    int exit_code = 0;  // Of Print; an error goes to standard error.

    std::string config_file;        // One of these two is given.
    std::string connection_string;  // May hold a password.
    std::string password;           // For a connection string that has none (PGPASSWORD).

    // What goes before the file.
    config::TextList listen;
    std::optional<config::Count> workers;
    std::optional<LogLevel> log_level;
};

CommandLine parse_command_line(int argc, const char* const* argv);

// The settings of a start (or a reload: then with the file's new text). `file_text` is what
// config_file holds; unused with a connection string. Throws config::ConfigError.
std::unique_ptr<config::Settings> make_settings(const CommandLine& command_line,
                                                std::string_view file_text);

}  // namespace pgweir
