// SPDX-License-Identifier: PostgreSQL
#include "sql/query_walk.h"

#include <algorithm>

namespace pgweir::sql {

enum class NodeType : std::uint8_t {
    Unknown,
    Leaf,   // Nothing in it could be unsafe.
    Plain,  // Nothing but what is in it.
    Select,
    Modification,
    ColumnRef,
    Indirection,
    Expression,
    Call,
    TypeName,
    SubLink,
    Case,
    Cycle,
    SortBy,
    Relation,
    Sample,
    Join,
    Lock,
    Into,
};

namespace {

using Node = SyntaxTree::Node;

struct NamedType {
    std::string_view name;
    NodeType type;
};

NodeType find(const NamedType* first, const NamedType* last, std::string_view name) {
    const auto* found = std::find_if(first, last, [&](const auto& it) { return it.name == name; });
    return found == last ? NodeType::Unknown : found->type;
}

// By PostgreSQL's names of parse nodes; in the order in which they are met most.
NodeType type_of_node(std::string_view name) {
    static constexpr NamedType kTypes[] = {
        {"ColumnRef", NodeType::ColumnRef},
        {"String", NodeType::Leaf},
        {"A_Const", NodeType::Leaf},
        {"ParamRef", NodeType::Leaf},
        {"A_Star", NodeType::Leaf},
        {"ResTarget", NodeType::Plain},
        {"A_Expr", NodeType::Expression},
        {"FuncCall", NodeType::Call},
        {"RangeVar", NodeType::Relation},
        {"BoolExpr", NodeType::Plain},
        {"SelectStmt", NodeType::Select},
        {"List", NodeType::Plain},
        {"JoinExpr", NodeType::Join},
        {"SortBy", NodeType::SortBy},
        {"TypeCast", NodeType::Plain},
        {"TypeName", NodeType::TypeName},
        {"NullTest", NodeType::Plain},
        {"SubLink", NodeType::SubLink},
        {"RangeSubselect", NodeType::Plain},
        {"CaseExpr", NodeType::Case},
        {"CaseWhen", NodeType::Plain},
        {"CoalesceExpr", NodeType::Plain},
        {"CommonTableExpr", NodeType::Plain},
        {"InsertStmt", NodeType::Modification},
        {"UpdateStmt", NodeType::Modification},
        {"DeleteStmt", NodeType::Modification},
        {"MergeStmt", NodeType::Modification},
        {"LockingClause", NodeType::Lock},
        {"BooleanTest", NodeType::Plain},
        {"SQLValueFunction", NodeType::Leaf},
        {"SetToDefault", NodeType::Leaf},
        {"Integer", NodeType::Leaf},
        {"Float", NodeType::Leaf},
        {"Boolean", NodeType::Leaf},
        {"BitString", NodeType::Leaf},
        {"A_ArrayExpr", NodeType::Plain},
        {"A_Indirection", NodeType::Indirection},
        {"A_Indices", NodeType::Plain},
        {"RowExpr", NodeType::Plain},
        {"MinMaxExpr", NodeType::Plain},
        {"GroupingFunc", NodeType::Plain},
        {"GroupingSet", NodeType::Plain},
        {"WindowDef", NodeType::Plain},
        {"NamedArgExpr", NodeType::Plain},
        {"CollateClause", NodeType::Plain},
        {"RangeFunction", NodeType::Plain},
        {"RangeTableSample", NodeType::Sample},
        {"RangeTableFunc", NodeType::Plain},
        {"RangeTableFuncCol", NodeType::Plain},
        {"ColumnDef", NodeType::Plain},
        {"XmlExpr", NodeType::Plain},
        {"XmlSerialize", NodeType::Plain},
        {"MultiAssignRef", NodeType::Plain},
        {"MergeWhenClause", NodeType::Plain},
        {"CurrentOfExpr", NodeType::Leaf},
        {"IndexElem", NodeType::Plain},
    };
    return find(std::begin(kTypes), std::end(kTypes), name);
}

// Members that hold the inside of a node of one certain type.
NodeType type_of_member(std::string_view name) {
    static constexpr NamedType kTypes[] = {
        {"alias", NodeType::Leaf},
        {"typeName", NodeType::TypeName},
        {"relation", NodeType::Relation},
        {"larg", NodeType::Select},
        {"rarg", NodeType::Select},
        {"over", NodeType::Plain},
        {"withClause", NodeType::Leaf},  // Has been walked: query().
        {"intoClause", NodeType::Into},
        {"onConflictClause", NodeType::Plain},
        {"infer", NodeType::Plain},
        {"collClause", NodeType::Plain},
        {"join_using_alias", NodeType::Leaf},
        {"search_clause", NodeType::Leaf},
        {"cycle_clause", NodeType::Cycle},
    };
    return find(std::begin(kTypes), std::end(kTypes), name);
}

bool is_type_name(std::string_view name) {
    return !name.empty() && name.front() >= 'A' && name.front() <= 'Z';
}

std::string_view string_of(Node wrapped) {
    return wrapped["String"]["sval"].text();
}

bool is_temporary(Node range_var) {
    return range_var["relpersistence"].text() == "t" ||
           range_var["schemaname"].text().starts_with("pg_temp");
}

}  // namespace

std::string_view last_name(Node names) {
    std::string_view name;
    for (const Node part : names) name = string_of(part);
    return name;
}

void QueryWalk::visit(Node node) {
    if (is_too_deep_) return;
    if (node.is_array()) {
        for (const Node child : node) visit(child);
        return;
    }
    const Node inner = node.first();
    if (!node.is_object() || !inner.exists()) return;
    const NodeType type = type_of_node(inner.name());
    if (type == NodeType::Unknown) {
        judgement_.because(Reason::Utility, "contains", inner.name());
    }
    visit_as(type, inner);
}

void QueryWalk::visit_as(NodeType type, Node inner) {
    if (type == NodeType::Leaf) return;
    if (++depth_ > kDepthMax) is_too_deep_ = true;
    if (!is_too_deep_) {
        const bool is_plain = type == NodeType::Plain || type == NodeType::Unknown;
        is_plain ? members(inner) : visit_special(type, inner);
    }
    --depth_;
}

void QueryWalk::visit_special(NodeType type, Node inner) {
    switch (type) {
        case NodeType::Unknown:
        case NodeType::Leaf:
        case NodeType::Plain:
            return;
        case NodeType::Select:
            return query(inner);
        case NodeType::Modification:
            judgement_.because(Reason::DataModification, "modifies data");
            return query(inner);
        case NodeType::ColumnRef:
            return column(inner);
        case NodeType::Indirection:
            return indirection(inner);
        case NodeType::Expression:
            return expression(inner);
        case NodeType::Call:
            return call(inner);
        case NodeType::TypeName:
            return judgement_.type(last_name(inner["names"]));
        case NodeType::SubLink:
            return sub_link(inner);
        case NodeType::Case:
            if (inner["arg"].exists()) judgement_.op("=");
            return members(inner);
        case NodeType::Cycle:
            judgement_.op("=");
            judgement_.op("<>");
            return members(inner);
        case NodeType::SortBy:
            if (inner["useOp"].exists()) judgement_.op(last_name(inner["useOp"]));
            return members(inner);
        case NodeType::Relation:
            return relation(inner);
        case NodeType::Sample:
            judgement_.function(last_name(inner["method"]), {});
            return members(inner);
        case NodeType::Join:
            return join(inner);
        case NodeType::Lock:
            return judgement_.because(Reason::RowLock, "locks rows");
        case NodeType::Into:
            return into(inner);
    }
}

void QueryWalk::members(Node inner) {
    for (const Node child : inner) {
        if (child.is_array()) {
            visit(child);
        } else if (child.is_object()) {
            member(child);
        }
    }
}

void QueryWalk::member(Node child) {
    const Node first = child.first();
    if (!first.exists()) return;
    if (is_type_name(first.name())) return visit(child);
    const NodeType type = type_of_member(child.name());
    if (type == NodeType::Unknown) {
        judgement_.because(Reason::Utility, "contains", child.name());
    }
    visit_as(type, child);
}

void QueryWalk::query(Node inner) {
    const std::size_t outer = with_names_.size();
    if (const Node clause = inner["withClause"]; clause.exists()) with(clause);
    members(inner);
    with_names_.resize(outer);
}

// WITH RECURSIVE: each query sees all names; else only those in front of it.
void QueryWalk::with(Node with_clause) {
    const bool is_recursive = with_clause["recursive"].is_true();
    const auto name_of = [](Node wrapped) { return wrapped["CommonTableExpr"]["ctename"].text(); };
    const Node queries = with_clause["ctes"];
    if (is_recursive) {
        for (const Node it : queries) with_names_.push_back(name_of(it));
    }
    for (const Node it : queries) {
        visit(it);
        if (!is_recursive) with_names_.push_back(name_of(it));
    }
}

void QueryWalk::relation(Node range_var) {
    const std::string_view name = range_var["relname"].text();
    const bool has_schema = range_var["schemaname"].exists();
    if (!has_schema &&
        std::find(with_names_.begin(), with_names_.end(), name) != with_names_.end()) {
        return;
    }
    if (is_temporary(range_var)) {
        return judgement_.because(Reason::UnsafeRelation, "reads the temporary relation", name);
    }
    judgement_.relation(name);
}

void QueryWalk::into(Node into_clause) {
    judgement_.because(Reason::SelectInto, "makes the table", into_clause["rel"]["relname"].text());
    if (is_temporary(into_clause["rel"])) {
        judgement_.verdict.leaves_state = true;
    } else {
        judgement_.verdict.may_change_schema = true;
    }
}

void QueryWalk::column(Node inner) {
    const Node fields = inner["fields"];
    if (fields.first().next().exists()) judgement_.attribute(last_name(fields));
}

void QueryWalk::indirection(Node inner) {
    for (const Node it : inner["indirection"]) judgement_.attribute(string_of(it));
    members(inner);
}

void QueryWalk::expression(Node inner) {
    const std::string_view kind = inner["kind"].text();
    if (kind.find("BETWEEN") != std::string_view::npos) {
        for (const char* op : {"<", "<=", ">", ">="}) judgement_.op(op);
    } else {
        judgement_.op(last_name(inner["name"]));
    }
    visit(inner["lexpr"]);
    visit(inner["rexpr"]);
}

void QueryWalk::call(Node inner) {
    judgement_.function(last_name(inner["funcname"]), inner["args"]);
    for (const Node child : inner) {
        if (child.name() == "funcname") continue;
        if (child.is_array()) visit(child);
        if (child.is_object()) member(child);
    }
}

// x IN (SELECT …) has no operName.
void QueryWalk::sub_link(Node inner) {
    if (const Node op = inner["operName"]; op.exists()) {
        judgement_.op(last_name(op));
    } else if (inner["testexpr"].exists()) {
        judgement_.op("=");
    }
    members(inner);
}

void QueryWalk::join(Node inner) {
    if (inner["isNatural"].is_true() || inner["usingClause"].exists()) judgement_.op("=");
    members(inner);
}

}  // namespace pgweir::sql
