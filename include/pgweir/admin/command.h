// SPDX-License-Identifier: PostgreSQL
// The text of a console query → commands. Every command stands in one table (command_table.cc) with
// the role that it needs; what is not in the table does not exist, and there is no way to a command
// around the check of the role.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/admin/show.h"
#include "pgweir/base/result.h"
#include "pgweir/wire/refusal.h"

namespace pgweir::admin {

// What a user of the console may do; each may also do what those before it may.
enum class Role : std::uint8_t {
    None,
    Stats,  // Look (stats_users).
    Admin,  // Act (admin_users).
};

enum class Verb : std::uint8_t {
    // For the proxy.
    Show,
    Pause,
    Resume,
    Reconnect,
    Kill,
    Switchover,
    Drain,
    Undrain,
    Reload,
    Shutdown,
    // The console answers these itself: what drivers send on their own.
    Answer,  // One row with one value.
    Accept,  // Done, and nothing happened.
    Begin,
    Commit,
    Rollback,
    Unsupported,  // Known from PgBouncer or PostgreSQL, but not here.
};

enum class ShutdownKind : std::uint8_t { Drain, Now };

// What the console asks the proxy for.
struct AdminCommand {
    Verb verb = Verb::Show;
    ShowTable table = ShowTable::Help;            // Of Show.
    ShutdownKind shutdown = ShutdownKind::Drain;  // Of Shutdown.
    std::string database = {};   // Of Pause … Kill (empty: all of them), and of EXPLAIN ROUTE.
    std::string statement = {};  // Of EXPLAIN ROUTE.
    std::string node = {};       // Of Drain and Undrain: host:port.
    bool operator==(const AdminCommand&) const = default;
};

struct CommandSpec;

// One statement of a query: a row of the table and what the user added.
struct Statement {
    const CommandSpec* spec = nullptr;
    std::string argument;
    std::string statement = {};  // Of Argument::Statement, as it was typed.

    AdminCommand command() const;
};

// The statements of a query, without the empty ones. One that is wrong or not allowed refuses the
// whole query, before anything of it is done.
Result<std::vector<Statement>, wire::Refusal> parse_console(std::string_view text, Role role);

}  // namespace pgweir::admin
