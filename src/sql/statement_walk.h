// SPDX-License-Identifier: PostgreSQL
// Judges the statements of one text: every SQL command of PostgreSQL, by the tree of its grammar.
#pragma once

#include <string>
#include <vector>

#include "pgweir/sql/catalog.h"
#include "pgweir/sql/classifier.h"
#include "pgweir/sql/verdict.h"
#include "sql/syntax_tree.h"

namespace pgweir::sql {

// `catalog` and `words` may be null.
Verdict judge(const SyntaxTree& tree, const Catalog* catalog, std::vector<std::string>* words);

// The verdict on what can't be looked into: it may be anything. May it change the schema? A text
// that was refused is one that PostgreSQL most often refuses, too; not each is a reason to read
// the catalogs again.
Verdict not_parsed();

// What one statement says to pgweir; OwnCommand::None if it says nothing.
OwnSetting own_setting_of(const SyntaxTree& tree);

}  // namespace pgweir::sql
