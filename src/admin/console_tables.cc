// SPDX-License-Identifier: PostgreSQL
#include "admin/console_tables.h"

#include "pgweir/wire/backend_messages.h"

namespace pgweir::admin {
namespace {

std::int16_t length_of(std::uint32_t type_oid) {
    if (type_oid == wire::kInt4Oid) return 4;
    if (type_oid == wire::kInt8Oid) return 8;
    return -1;
}

}  // namespace

bool returns_rows(const Statement& statement) {
    return statement.spec->verb == Verb::Show || statement.spec->verb == Verb::Answer;
}

std::vector<TableColumn> columns_of(const Statement& statement) {
    if (statement.spec->verb == Verb::Answer) return answer_table(*statement.spec).columns;
    return columns_of(statement.spec->table);
}

TableText answer_table(const CommandSpec& spec) {
    return {{{spec.column, wire::kTextOid, ""}}, {{std::string(spec.value)}}};
}

void describe_columns(Bytes& out, const std::vector<TableColumn>& columns) {
    std::vector<wire::ColumnDescription> descriptions;
    descriptions.reserve(columns.size());
    for (const TableColumn& column : columns) {
        descriptions.push_back({column.name, column.type_oid, length_of(column.type_oid)});
    }
    wire::row_description(out, descriptions);
}

}  // namespace pgweir::admin
