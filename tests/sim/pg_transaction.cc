// SPDX-License-Identifier: PostgreSQL
// Transactions of the simulated session: how they begin and end, and what they may do.
#include <algorithm>
#include <utility>

#include "sim/pg_session.h"

namespace pgweir::sim {

void PgSession::start_transaction() {
    if (block_ != Block::None || implicit_) return;
    implicit_ = true;
    settings_.begin_transaction();
    in_recovery_ = is_in_recovery();
    chose_read_only_ = settings_.defaults_to_read_only();
    had_query_ = false;
}

void PgSession::commit() {
    settings_.commit();
    for (Write& one : written_) deeds_.committed.push_back(std::move(one));
    written_.clear();
    savepoints_.clear();
    portals_.clear();
    block_ = Block::None;
    implicit_ = false;
}

void PgSession::abort() {
    portals_.clear();
    copy_in_ = false;
    if (block_ == Block::None) {
        if (implicit_) abort_all();
        return;
    }
    block_ = Block::Failed;
    // An error undoes the innermost savepoint's part; the rest waits for ROLLBACK TO.
    if (savepoints_.empty()) {
        settings_.roll_back();
        drop_written(0);
    } else {
        settings_.roll_back_to(savepoints_.back().settings);
        drop_written(savepoints_.back().written);
        chose_read_only_ = savepoints_.back().is_read_only;
    }
}

void PgSession::drop_written(std::size_t kept) {
    const auto from = written_.begin() + static_cast<std::ptrdiff_t>(kept);
    for (auto one = from; one != written_.end(); ++one) {
        if (one->token.client != 0) deeds_.dropped.push_back(one->token);
    }
    written_.erase(from, written_.end());
}

void PgSession::abort_all() {
    if (block_ != Block::None || implicit_) settings_.roll_back();
    drop_written(0);
    portals_.clear();
    savepoints_.clear();
    copy_in_ = false;
    implicit_ = false;
    block_ = Block::None;
}

void PgSession::lose_transaction(char status) {
    abort_all();
    if (status == 'I') return;
    block_ = Block::Failed;
    settings_.begin_transaction();
}

PgSession::Progress PgSession::run_begin(Bytes& out, const Statement& statement) {
    const bool is_open = block_ != Block::None;
    if (is_open) warn(out, "25001", "there is already a transaction in progress");
    // A block whose modes are refused has not begun.
    if (const auto hindrance = set_modes(statement)) {
        return error(out, hindrance->sqlstate, hindrance->message);
    }
    block_ = Block::Open;
    implicit_ = false;
    return complete(out, statement.name.empty() ? "BEGIN" : statement.name);
}

PgSession::Progress PgSession::run_commit(Bytes& out) {
    if (block_ == Block::Failed) {
        abort_all();
        return complete(out, "ROLLBACK");
    }
    if (block_ == Block::None) warn(out, "25P01", "there is no transaction in progress");
    commit();
    return complete(out, "COMMIT");
}

PgSession::Progress PgSession::run_rollback(Bytes& out) {
    if (block_ == Block::None) warn(out, "25P01", "there is no transaction in progress");
    abort_all();
    return complete(out, "ROLLBACK");
}

PgSession::Progress PgSession::run_savepoint(Bytes& out, const Statement& statement) {
    if (block_ == Block::None) {
        return error(out, "25P01", "SAVEPOINT can only be used in transaction blocks");
    }
    if (statement.kind == StatementKind::Savepoint) {
        savepoints_.push_back(
            {statement.name, settings_.savepoint(), written_.size(), chose_read_only_});
        return complete(out, "SAVEPOINT");
    }
    const auto found =
        std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                     [&](const Savepoint& one) { return one.name == statement.name; });
    if (found == savepoints_.rend()) {
        return error(out, "3B001", "savepoint \"" + statement.name + "\" does not exist");
    }
    if (statement.kind == StatementKind::Release) {
        savepoints_.erase(std::prev(found.base()), savepoints_.end());
        return complete(out, "RELEASE");
    }
    settings_.roll_back_to(found->settings);
    drop_written(found->written);
    chose_read_only_ = found->is_read_only;
    savepoints_.erase(found.base(), savepoints_.end());
    block_ = Block::Open;
    return complete(out, "ROLLBACK");
}

std::optional<PgSession::SqlError> PgSession::set_modes(const Statement& statement) {
    if (statement.is_serializable && in_recovery_) {
        return SqlError{"0A000", "cannot use serializable mode in a hot standby"};
    }
    if (statement.access == Access::ReadOnly) chose_read_only_ = true;
    if (statement.access != Access::ReadWrite) return std::nullopt;
    if (is_read_only()) {
        if (!savepoints_.empty() && savepoints_.back().is_read_only) {
            return SqlError{"25001",
                            "cannot set transaction read-write mode inside a read-only "
                            "transaction"};
        }
        if (had_query_) {
            return SqlError{"25001", "transaction read-write mode must be set before any query"};
        }
    }
    if (in_recovery_) {
        return SqlError{"0A000", "cannot set transaction read-write mode during recovery"};
    }
    chose_read_only_ = false;
    return std::nullopt;
}

PgSession::Progress PgSession::run_set_transaction(Bytes& out, const Statement& statement) {
    if (block_ == Block::None) {
        warn(out, "25P01", "SET TRANSACTION can only be used in transaction blocks");
    }
    if (const auto hindrance = set_modes(statement)) {
        return error(out, hindrance->sqlstate, hindrance->message);
    }
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, "SET");
}

}  // namespace pgweir::sim
