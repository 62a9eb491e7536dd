// SPDX-License-Identifier: PostgreSQL
// A verdict in the making: what is found in a tree is added to it, and looked up in the catalog.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgweir/sql/catalog.h"
#include "pgweir/sql/verdict.h"
#include "sql/syntax_tree.h"

namespace pgweir::sql {

class Judgement {
 public:
    // Both may be null. `words`: the reasons, for people.
    Judgement(const Catalog* catalog, std::vector<std::string>* words)
        : catalog_(catalog), words_(words) {
        verdict.reason = Reason::None;
    }

    // Of several reasons the first by enum Reason is told.
    void because(Reason reason, std::string_view verb, std::string_view name = {},
                 std::string_view why = {});

    // What a query uses.
    void function(std::string_view name, SyntaxTree::Node arguments);
    // (row).name and relation.name call a function of that name if the row has no such column.
    void attribute(std::string_view name);
    void op(std::string_view name);
    void type(std::string_view name);
    void relation(std::string_view name);

    Verdict finished() const {
        Verdict it = verdict;
        it.is_read = it.reason == Reason::None;
        return it;
    }

    Verdict verdict;

 private:
    void set_config(SyntaxTree::Node arguments);
    void current_setting(SyntaxTree::Node arguments);
    void judge_function(std::string_view name, std::string_view call);
    void unsafe_function(std::string_view name, std::string_view call);
    void unknown_function(std::string_view name, std::string_view call);

    const Catalog* catalog_;
    std::vector<std::string>* words_;
};

}  // namespace pgweir::sql
