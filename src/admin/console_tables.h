// SPDX-License-Identifier: PostgreSQL
// What a statement of the console returns, as messages.
#pragma once

#include <vector>

#include "admin/command_table.h"
#include "pgweir/admin/command.h"
#include "pgweir/admin/show.h"
#include "pgweir/base/bytes.h"

namespace pgweir::admin {

bool returns_rows(const Statement& statement);
// REQUIRES: returns_rows().
std::vector<TableColumn> columns_of(const Statement& statement);
// The table of an Answer.
TableText answer_table(const CommandSpec& spec);

// Appends the RowDescription.
void describe_columns(Bytes& out, const std::vector<TableColumn>& columns);

}  // namespace pgweir::admin
