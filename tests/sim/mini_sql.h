// SPDX-License-Identifier: PostgreSQL
// The few statements that the simulated PostgreSQL understands. All of them are real SQL, so that
// the same script runs on a real server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/instant.h"

namespace pgweir::sim {

enum class StatementKind : std::uint8_t {
    Empty,
    Select,
    Insert,
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    Release,
    Set,
    Reset,
    ResetAll,
    Show,
    CopyOut,
    CopyIn,
    DiscardAll,
    Deallocate,
    Raise,
    Wrong,  // `value` is the SQLSTATE, `name` the message.
};

struct Column {
    enum class Kind : std::uint8_t { Literal, Parameter, Sleep, SetConfig, CurrentSetting };
    Kind kind = Kind::Literal;
    std::string text;   // The literal, or the setting's name.
    std::string value;  // SetConfig: the new value.
    std::string heading = "?column?";
    bool local = false;        // SetConfig
    std::uint32_t number = 0;  // Parameter: from 1.
    Duration sleep{};
};

struct Statement {
    StatementKind kind = StatementKind::Empty;
    std::string name{};   // Of a setting, savepoint or prepared statement.
    std::string value{};  // A setting's new value, a literal.
    bool local = false;
    bool all = false;  // DEALLOCATE ALL
    std::vector<Column> columns{};
    std::uint32_t rows = 1;

    bool returns_rows() const {
        return kind == StatementKind::Select || kind == StatementKind::Show;
    }
    // The greatest $n.
    std::uint32_t parameters() const;
};

using Script = std::vector<std::shared_ptr<const Statement>>;

// The statements of one query string; an empty one has none. As in PostgreSQL, a string with a
// syntax error anywhere is one Wrong statement: nothing of it runs.
Script parse_script(std::string_view text);

}  // namespace pgweir::sim
