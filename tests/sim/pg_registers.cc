// SPDX-License-Identifier: PostgreSQL
// Registers and the catalog: what the simulated session reads and writes of its node's data.
#include <utility>

#include "sim/pg_session.h"

namespace pgweir::sim {

// PreventCommandIfReadOnly() of PostgreSQL names the command. Of a function it knows only once it
// runs.
std::string_view PgSession::writing_command(const Statement& statement) {
    switch (statement.kind) {
        case StatementKind::Insert:
            return "INSERT";
        case StatementKind::Update:
            return "UPDATE";
        case StatementKind::CopyIn:
            return "COPY FROM";
        case StatementKind::Select:
            return statement.locks_rows ? "SELECT FOR UPDATE" : "";
        default:
            return "";
    }
}

PgSession::Progress PgSession::refuse_write(Bytes& out, std::string_view command) {
    if (!chose_read_only_) deeds_.misplaced = true;
    if (in_recovery_ && command == "COPY FROM") {
        return error(out, "25006", "cannot execute COPY during recovery");
    }
    return error(out, "25006",
                 "cannot execute " + std::string(command) + " in a read-only transaction");
}

std::optional<std::string> PgSession::shown(std::string_view name) const {
    if (name == "transaction_read_only") return is_read_only() ? "on" : "off";
    return settings_.show(name);
}

std::uint32_t PgSession::register_of(const Portal& portal) {
    const Statement& statement = *portal.prepared->statement;
    if (statement.id_parameter == 0) return statement.id;
    std::uint32_t id = 0;
    for (const char digit : portal.arguments[statement.id_parameter - 1]) {
        id = id * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    return id;
}

std::uint32_t PgSession::rows_of(const Portal& portal) {
    const Statement& statement = *portal.prepared->statement;
    if (!statement.reads_register()) return statement.rows;
    return register_of(portal) < kRegisters ? 1 : 0;
}

// A transaction sees its own writes before anybody else does.
std::string PgSession::read_register(const Portal& portal) const {
    const std::uint32_t id = register_of(portal);
    for (auto own = written_.rbegin(); own != written_.rend(); ++own) {
        if (own->id == id) return own->value;
    }
    return data_ == nullptr ? unknown_value(id) : data_->read(id, portal.snapshot);
}

void PgSession::write(std::uint32_t id, const std::string& value) {
    had_query_ = true;
    if (id >= kRegisters) return;
    const Token token = find_token(as_bytes(value)).value_or(Token{});
    written_.push_back({token, id, value});
}

PgSession::Progress PgSession::run_update(Bytes& out, const Portal& portal) {
    const Column& column = portal.prepared->statement->columns.front();
    const std::uint32_t id = register_of(portal);
    write(id, column.kind == Column::Kind::Parameter ? portal.arguments[column.number - 1]
                                                     : column.text);
    remember(portal);
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, id < kRegisters ? "UPDATE 1" : "UPDATE 0");
}

PgSession::Progress PgSession::run_catalog(Bytes& out) {
    const std::vector<CatalogRow> rows = catalog_rows(data_ != nullptr && data_->catalog_lies());
    for (const CatalogRow& row : rows) {
        MessageWriter(out, 'D').u16(3).field(row.kind).field(row.name).field(row.is_harmless ? "t"
                                                                                             : "f");
    }
    if (tag_ == 'Q' && next_statement_ + 1 >= script_.size() && implicit_) commit();
    return complete(out, "SELECT " + std::to_string(rows.size()));
}

}  // namespace pgweir::sim
