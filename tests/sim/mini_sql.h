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
#include "sim/registers.h"

namespace pgweir::sim {

enum class StatementKind : std::uint8_t {
    Empty,
    Select,
    Insert,
    Update,
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
    SetTransaction,
    Catalog,  // A question about functions and relations: see catalog_rows().
    Wrong,    // `value` is the SQLSTATE, `name` the message.
};

enum class Access : std::uint8_t { Unsaid, ReadOnly, ReadWrite };

struct Column {
    enum class Kind : std::uint8_t {
        Literal,
        Parameter,
        Sleep,
        SetConfig,
        CurrentSetting,
        Register,    // The value of the register that the statement names.
        SneakyWrite  // sneaky_write(id, 'value'): a function that writes a register.
    };
    Kind kind = Kind::Literal;
    std::string text;   // The literal, or the setting's name.
    std::string value;  // SetConfig: the new value.
    std::string heading = "?column?";
    bool local = false;        // SetConfig
    std::uint32_t number = 0;  // Parameter: from 1. SneakyWrite: the register.
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
    // FROM registers, UPDATE registers: which row, a literal or $n.
    std::uint32_t id = kNoRegister;
    std::uint32_t id_parameter = 0;
    bool locks_rows = false;  // FOR UPDATE
    // Of BEGIN and SET TRANSACTION.
    Access access = Access::Unsaid;
    bool is_serializable = false;

    bool reads_register() const { return id != kNoRegister || id_parameter != 0; }
    bool returns_rows() const {
        return kind == StatementKind::Select || kind == StatementKind::Show ||
               kind == StatementKind::Catalog;
    }
    // The greatest $n.
    std::uint32_t parameters() const;
};

using Script = std::vector<std::shared_ptr<const Statement>>;

// What the catalog question is answered with: kind, name, whether everything of that name is
// harmless. A catalog that lies calls sneaky_write harmless.
struct CatalogRow {
    std::string_view kind;
    std::string_view name;
    bool is_harmless;
};
std::vector<CatalogRow> catalog_rows(bool lies);

// The statements of one query string; an empty one has none. As in PostgreSQL, a string with a
// syntax error anywhere is one Wrong statement: nothing of it runs.
Script parse_script(std::string_view text);

}  // namespace pgweir::sim
