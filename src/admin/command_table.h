// SPDX-License-Identifier: PostgreSQL
// The table of all console commands.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pgweir/admin/command.h"

namespace pgweir::admin {

// Has no default: a command whose author did not think about who may use it does not compile.
struct Needs {
    constexpr Needs(Role needed) : role(needed) {}
    Role role;
};

enum class Argument : std::uint8_t {
    None,
    OptionalDatabase,
    Node,       // host:port, or the host alone.
    Anything,   // Whatever follows is passed over.
    Statement,  // [ON database], then all the rest of the query, as it is.
};

struct CommandSpec {
    std::string_view words;  // In capitals, one space between.
    Needs needs;
    Verb verb;
    std::string_view tag;  // Of CommandComplete.
    Argument argument = Argument::None;
    ShowTable table = ShowTable::Help;
    ShutdownKind shutdown = ShutdownKind::Drain;
    std::string_view help = {};    // Empty: not listed by SHOW HELP.
    std::string_view column = {};  // Of Answer.
    std::string_view value = {};   // Of Answer; of Unsupported: what to do instead.
};

std::span<const CommandSpec> command_table();

// "PAUSE [database]"
std::string usage_of(const CommandSpec& spec);
// The option that lists the users of a role.
std::string_view option_of(Role role);

}  // namespace pgweir::admin
