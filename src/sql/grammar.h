// SPDX-License-Identifier: PostgreSQL
// PostgreSQL's own grammar, as libpg_query has taken it out of PostgreSQL 15. The only place that
// knows the library.
#pragma once

#include <string>

#include "sql/syntax_tree.h"

namespace pgweir::sql {

// False if the grammar refuses the text. Every thread may call this; what the library keeps, it
// keeps per thread.
// The library writes trees by recursion, about 150 bytes of stack for a token in the worst case
// (NOT NOT NOT …), and takes about a microsecond a token: the caller bounds the tokens.
bool parse(const std::string& text, SyntaxTree& tree);

}  // namespace pgweir::sql
