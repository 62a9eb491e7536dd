// SPDX-License-Identifier: PostgreSQL
// The startup parameter `options`: command-line arguments for the session, of which only settings
// mean something to a pooler.
#include <algorithm>

#include "pgweir/wire/startup.h"

namespace pgweir::wire {

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

// "Spaces within this string are considered to separate command-line arguments, unless escaped
// with a backslash (\); write \\ to represent a literal backslash." ("Message Formats")
std::vector<std::string> split(std::string_view options) {
    std::vector<std::string> arguments;
    std::size_t at = 0;
    for (;;) {
        while (at < options.size() && is_space(options[at])) ++at;
        if (at == options.size()) return arguments;
        std::string& argument = arguments.emplace_back();
        for (; at < options.size() && !is_space(options[at]); ++at) {
            // A backslash at the very end escapes nothing and is dropped.
            if (options[at] == '\\' && ++at == options.size()) return arguments;
            argument.push_back(options[at]);
        }
    }
}

// "name=value". A dash in a name means an underscore, as in postgres --name=value.
bool add_setting(Parameters& settings, std::string_view assignment) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string_view::npos || equals == 0) return false;
    std::string name(assignment.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    settings.emplace_back(std::move(name), assignment.substr(equals + 1));
    return true;
}

}  // namespace

Result<Parameters, std::string> read_options(std::string_view options) {
    Parameters settings;
    const std::vector<std::string> arguments = split(options);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string_view assignment = arguments[i];
        if (assignment == "-c" && i + 1 < arguments.size()) {
            assignment = arguments[++i];
        } else if (assignment.starts_with("--") || assignment.starts_with("-c")) {
            assignment.remove_prefix(2);
        } else {
            return failure(arguments[i]);
        }
        if (!add_setting(settings, assignment)) return failure(arguments[i]);
    }
    return settings;
}

}  // namespace pgweir::wire
