// SPDX-License-Identifier: PostgreSQL
// The statements that are judged by their kind alone.
#pragma once

#include <string_view>

#include "pgweir/sql/verdict.h"

namespace pgweir::sql {

struct StatementRule {
    std::string_view node;  // PostgreSQL's name of the parse node.
    Reason reason = Reason::Utility;
    std::string_view words;  // For people.
    bool changes_schema = false;
    bool leaves_state = false;
};

// Of a statement that has none: whatever is not known is a utility that may change anything.
const StatementRule& rule_of(std::string_view node);

}  // namespace pgweir::sql
