// SPDX-License-Identifier: PostgreSQL
// The tables of read/write splitting: SHOW NODES, SHOW LAG, SHOW ROUTES, EXPLAIN ROUTE.
#pragma once

#include <vector>

#include "pgweir/admin/show.h"

namespace pgweir::admin {

// REQUIRES: `table` is one of these.
std::vector<TableColumn> node_table_columns(ShowTable table);
std::vector<TableRow> node_table_rows(ShowTable table, const ShowData& data);

}  // namespace pgweir::admin
