// SPDX-License-Identifier: PostgreSQL
#include "sql/grammar.h"

#include <pg_query.h>

namespace pgweir::sql {

bool parse(const std::string& text, SyntaxTree& tree) {
    const PgQueryParseResult result = pg_query_parse(text.c_str());
    const bool is_parsed = !result.error && result.parse_tree && tree.read(result.parse_tree);
    pg_query_free_parse_result(result);
    return is_parsed;
}

}  // namespace pgweir::sql
