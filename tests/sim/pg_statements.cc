// SPDX-License-Identifier: PostgreSQL
// What the statements of the simulated session do.
#include <algorithm>

#include "sim/pg_session.h"

namespace pgweir::sim {
namespace {

constexpr std::uint32_t kRowsPerStep = 64;
constexpr std::uint32_t kText = 25;
constexpr std::uint32_t kVoid = 2278;

bool ends_failed_block(StatementKind kind) {
    return kind == StatementKind::Commit || kind == StatementKind::Rollback ||
           kind == StatementKind::RollbackTo || kind == StatementKind::Empty;
}

}  // namespace

bool PgSession::refused_in_failed(const Statement& statement) const {
    return block_ == Block::Failed && !ends_failed_block(statement.kind) &&
           !(statement.kind == StatementKind::Wrong && statement.value == "42601");
}

void PgSession::describe_rows(Bytes& out, const Statement& statement, bool binary) const {
    if (!statement.returns_rows()) {
        MessageWriter(out, 'n');
        return;
    }
    const auto describe = [binary](MessageWriter& to, std::string_view heading,
                                   std::uint32_t type) {
        to.text(heading).u32(0).u16(0).u32(type);
        to.u16(type == kVoid ? 4 : 0xffff).u32(0xffffffffU).u16(binary ? 1 : 0);
    };
    MessageWriter to(out, 'T');
    if (statement.kind == StatementKind::Show) {
        to.u16(1);
        describe(to, PgSettings::proper_name(statement.name), kText);
        return;
    }
    to.u16(statement.columns.size());
    for (const Column& column : statement.columns) {
        describe(to, column.heading, column.kind == Column::Kind::Sleep ? kVoid : kText);
    }
}

PgSession::Progress PgSession::complete(Bytes& out, std::string_view tag) {
    MessageWriter(out, 'C').text(tag);
    if (tag_ != 'Q') tag_ = 0;
    return Progress::Done;
}

PgSession::Progress PgSession::run(Bytes& out, Portal& portal, std::uint32_t most_rows) {
    const Statement& statement = *portal.prepared->statement;
    if (is_refused_write(statement)) return refuse_write(out, writing_command(statement));
    switch (statement.kind) {
        case StatementKind::Empty:
            MessageWriter(out, 'I');
            if (tag_ != 'Q') tag_ = 0;
            return Progress::Done;
        case StatementKind::Wrong:
            return error(out, statement.value, statement.name);
        case StatementKind::Select:
            return run_rows(out, portal, most_rows);
        case StatementKind::Show:
            return run_show(out, portal);
        case StatementKind::Insert:
            return run_insert(out, portal);
        case StatementKind::Update:
            return run_update(out, portal);
        case StatementKind::Begin:
            return run_begin(out, statement);
        case StatementKind::Commit:
            return run_commit(out);
        case StatementKind::Rollback:
            return run_rollback(out);
        case StatementKind::Savepoint:
        case StatementKind::RollbackTo:
        case StatementKind::Release:
            return run_savepoint(out, statement);
        case StatementKind::Set:
        case StatementKind::Reset:
        case StatementKind::ResetAll:
            return run_setting(out, statement);
        case StatementKind::CopyOut:
        case StatementKind::CopyIn:
            return run_copy(out, portal);
        case StatementKind::DiscardAll:
            return run_discard(out);
        case StatementKind::Deallocate:
            return run_deallocate(out, statement);
        case StatementKind::SetTransaction:
            return run_set_transaction(out, statement);
        case StatementKind::Catalog:
            return run_catalog(out);
        case StatementKind::Raise:
            write_error(out, 'N', "NOTICE", "00000", statement.value);
            return complete(out, "DO");
    }
    return Progress::Closed;
}

std::string PgSession::row_value(const Portal& portal, const Column& column, std::uint32_t row) {
    switch (column.kind) {
        case Column::Kind::Parameter:
            return portal.arguments[column.number - 1];
        case Column::Kind::Sleep:
            return {};
        case Column::Kind::SetConfig:
        case Column::Kind::CurrentSetting:
            return settings_.show(column.text).value_or("");
        case Column::Kind::Register:
            return read_register(portal);
        case Column::Kind::SneakyWrite:
        case Column::Kind::Literal:
            break;
    }
    // Every row names its place, so that a lost or doubled one is seen.
    return row == 0 ? column.text : column.text + "+" + std::to_string(row);
}

void PgSession::remember(const Portal& portal) {
    for (const std::string& argument : portal.arguments) {
        if (const auto token = find_token(as_bytes(argument))) deeds_.executed.push_back(*token);
    }
    for (const Column& column : portal.prepared->statement->columns) {
        if (const auto token = find_token(as_bytes(column.text))) {
            deeds_.executed.push_back(*token);
        }
    }
}

PgSession::Progress PgSession::run_rows(Bytes& out, Portal& portal, std::uint32_t most_rows) {
    const Statement& statement = *portal.prepared->statement;
    if (portal.done_rows == 0 && !portal.finished) {
        had_query_ = true;
        for (const Column& column : statement.columns) {
            if (column.kind == Column::Kind::Sleep && !slept_) {
                sleep_ = column.sleep;
                return Progress::Asleep;
            }
            if (column.kind == Column::Kind::SetConfig &&
                !apply_setting(out, column.text, column.value, column.local)) {
                return Progress::Done;
            }
            if (column.kind == Column::Kind::SneakyWrite) {
                if (is_read_only()) return refuse_write(out, "UPDATE");
                write(column.number, column.text);
            }
            if (column.kind == Column::Kind::CurrentSetting && !settings_.show(column.text)) {
                return error(out, "42704",
                             "unrecognized configuration parameter \"" + column.text + "\"");
            }
        }
    }
    if (from_row_ == kNotBegun) from_row_ = portal.done_rows;
    std::uint32_t sent = 0;
    const std::uint32_t rows = rows_of(portal);
    while (portal.done_rows < rows && (most_rows == 0 || sent < most_rows)) {
        if (sent == kRowsPerStep && most_rows == 0) return Progress::More;
        MessageWriter row(out, 'D');
        row.u16(statement.columns.size());
        for (const Column& column : statement.columns) {
            if (column.kind == Column::Kind::Parameter && portal.is_null[column.number - 1]) {
                row.u32(0xffffffffU);
            } else {
                row.field(row_value(portal, column, portal.done_rows));
            }
        }
        ++portal.done_rows;
        ++sent;
    }
    // A portal that gave as many rows as it was asked for does not know yet that it is at its end.
    if (most_rows != 0 && sent == most_rows) {
        MessageWriter(out, 's');
        return finished();
    }
    const bool again = std::exchange(portal.finished, true);
    if (!again) remember(portal);
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, "SELECT " + std::to_string(portal.done_rows - from_row_));
}

PgSession::Progress PgSession::run_show(Bytes& out, Portal& portal) {
    const Statement& statement = *portal.prepared->statement;
    const auto value = shown(statement.name);
    if (!value) {
        return error(out, "42704",
                     "unrecognized configuration parameter \"" + statement.name + "\"");
    }
    MessageWriter(out, 'D').u16(1).field(*value);
    return complete(out, "SHOW");
}

PgSession::Progress PgSession::run_insert(Bytes& out, const Portal& portal) {
    const Column& column = portal.prepared->statement->columns.front();
    const std::string& value =
        column.kind == Column::Kind::Parameter ? portal.arguments[column.number - 1] : column.text;
    had_query_ = true;
    if (const auto token = find_token(as_bytes(value))) {
        written_.push_back({.token = *token});
        deeds_.executed.push_back(*token);
    }
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, "INSERT 0 1");
}

bool PgSession::apply_setting(Bytes& out, const std::string& name, const std::string& value,
                              bool local) {
    const SettingVerdict verdict =
        local ? settings_.set_local(name, value) : settings_.set(name, value);
    switch (verdict) {
        case SettingVerdict::Ok:
            return true;
        case SettingVerdict::Unknown:
            error(out, "42704", "unrecognized configuration parameter \"" + name + "\"");
            return false;
        case SettingVerdict::Invalid:
            error(out, "22023", "invalid value for parameter \"" + name + "\": \"" + value + "\"");
            return false;
        case SettingVerdict::ReadOnly:
            error(out, "55P02", "parameter \"" + name + "\" cannot be changed");
            return false;
    }
    return false;
}

PgSession::Progress PgSession::run_setting(Bytes& out, const Statement& statement) {
    if (statement.kind == StatementKind::ResetAll) {
        settings_.reset_all();
    } else if (statement.kind == StatementKind::Reset) {
        if (settings_.reset(statement.name) != SettingVerdict::Ok) {
            return error(out, "42704",
                         "unrecognized configuration parameter \"" + statement.name + "\"");
        }
        return complete(out, "RESET");
    } else {
        if (statement.local && block_ == Block::None) {
            warn(out, "25P01", "SET LOCAL can only be used in transaction blocks");
        }
        if (!apply_setting(out, statement.name, statement.value, statement.local)) {
            return Progress::Done;
        }
    }
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, statement.kind == StatementKind::Set ? "SET" : "RESET");
}

PgSession::Progress PgSession::run_copy(Bytes& out, Portal& portal) {
    const Statement& statement = *portal.prepared->statement;
    if (statement.kind == StatementKind::CopyIn) {
        MessageWriter(out, 'G').u8(0).u16(1).u16(0);
        copy_in_ = true;
        copied_rows_ = 0;
        copy_token_ = {};
        tag_ = tag_ == 'Q' ? 'Q' : '\0';
        return Progress::Done;
    }
    if (portal.done_rows == 0) MessageWriter(out, 'H').u8(0).u16(1).u16(0);
    for (std::uint32_t sent = 0; portal.done_rows < statement.rows; ++sent) {
        if (sent == kRowsPerStep) return Progress::More;
        MessageWriter(out, 'd')
            .raw(row_value(portal, statement.columns.front(), portal.done_rows))
            .raw("\n");
        ++portal.done_rows;
    }
    MessageWriter(out, 'c');
    remember(portal);
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, "COPY " + std::to_string(statement.rows));
}

PgSession::Progress PgSession::run_discard(Bytes& out) {
    if (block_ != Block::None || (tag_ == 'Q' && script_.size() > 1)) {
        return error(out, "25001", "DISCARD ALL cannot run inside a transaction block");
    }
    settings_.reset_all();
    prepared_.clear();
    if (implicit_) commit();
    return complete(out, "DISCARD ALL");
}

PgSession::Progress PgSession::run_deallocate(Bytes& out, const Statement& statement) {
    if (statement.all) {
        prepared_.clear();
        return complete(out, "DEALLOCATE ALL");
    }
    if (prepared_.erase(statement.name) == 0) {
        return error(out, "26000", "prepared statement \"" + statement.name + "\" does not exist");
    }
    return complete(out, "DEALLOCATE");
}

}  // namespace pgweir::sim
