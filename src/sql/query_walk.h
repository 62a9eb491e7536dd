// SPDX-License-Identifier: PostgreSQL
// Walks queries and expressions: SELECT, INSERT, UPDATE, DELETE, MERGE and everything in them.
// What it does not know is no read. For the other statements see statement_walk.h.
#pragma once

#include <string_view>
#include <vector>

#include "sql/judgement.h"
#include "sql/syntax_tree.h"

namespace pgweir::sql {

enum class NodeType : std::uint8_t;

class QueryWalk {
 public:
    explicit QueryWalk(Judgement& judgement) : judgement_(judgement) {}

    // {"SelectStmt": {…}}, or a list of such, or nothing.
    void visit(SyntaxTree::Node node);
    // The inside of a RangeVar, an IntoClause.
    void relation(SyntaxTree::Node range_var);
    void into(SyntaxTree::Node into_clause);

    // The tree is deeper than the stack may have to carry; the walk has not seen all of it.
    bool is_too_deep() const { return is_too_deep_; }

 private:
    using Node = SyntaxTree::Node;

    void visit_as(NodeType type, Node inner);
    void visit_special(NodeType type, Node inner);
    void members(Node inner);
    void member(Node child);
    void query(Node inner);
    void with(Node with_clause);
    void column(Node inner);
    void indirection(Node inner);
    void expression(Node inner);
    void call(Node inner);
    void sub_link(Node inner);
    void join(Node inner);

    static constexpr unsigned kDepthMax = 1000;

    Judgement& judgement_;
    std::vector<std::string_view> with_names_;  // Those in scope.
    unsigned depth_ = 0;
    bool is_too_deep_ = false;
};

// The last of a list of names: {"String": {"sval": "f"}} of pg_catalog.f.
std::string_view last_name(SyntaxTree::Node names);

}  // namespace pgweir::sql
