// SPDX-License-Identifier: PostgreSQL
#include "sql/statement_walk.h"

#include <algorithm>

#include "sql/characters.h"
#include "sql/judgement.h"
#include "sql/known_names.h"
#include "sql/query_walk.h"
#include "sql/statement_rules.h"

namespace pgweir::sql {
namespace {

using Node = SyntaxTree::Node;

constexpr std::string_view kOwnPrefix = "pgweir.";

bool is_own(std::string_view parameter) {
    return parameter.starts_with(kOwnPrefix);
}

// A constant's words, whatever its kind: 'a', 1, -1.5, true.
std::string_view constant_text(Node wrapped) {
    const Node constant = wrapped["A_Const"];
    for (const char* kind : {"sval", "ival", "fval", "boolval", "bsval"}) {
        if (const Node value = constant[kind]; value.exists()) {
            // The grammar leaves out what is zero, or false.
            const std::string_view text = value[kind].text();
            if (!text.empty() || std::string_view(kind) == "sval") return text;
            return std::string_view(kind) == "boolval" ? "false" : "0";
        }
    }
    return {};
}

// Parameters that are the open transaction's, though they are SET like others.
bool is_of_transaction(std::string_view parameter) {
    return parameter == "transaction_isolation" || parameter == "transaction_read_only" ||
           parameter == "transaction_deferrable";
}

// Whether a statement makes something temporary, or names pg_temp. Trees of such statements are
// shallow; what lies deeper is an expression.
bool is_temporary(Node node, unsigned depth_left = 16) {
    if (node.name() == "relpersistence") return node.text() == "t";
    if (node.is_text()) return node.text().starts_with("pg_temp");
    if (depth_left == 0) return false;
    for (const Node child : node) {
        if (is_temporary(child, depth_left - 1)) return true;
    }
    return false;
}

class StatementWalk {
 public:
    StatementWalk(const Catalog* catalog, std::vector<std::string>* words)
        : judgement_(catalog, words), queries_(judgement_) {}

    Verdict judge(Node statements) {
        is_alone_ = !statements.first().next().exists();
        for (const Node it : statements) statement(it["stmt"]);
        return queries_.is_too_deep() ? not_parsed() : judgement_.finished();
    }

 private:
    Verdict& verdict() { return judgement_.verdict; }
    void because(Reason reason, std::string_view words, std::string_view name = {}) {
        judgement_.because(reason, words, name);
    }

    // {"SelectStmt": {…}}
    void statement(Node wrapped) {
        const Node inner = wrapped.first();
        const std::string_view kind = inner.name();
        if (is_query(kind)) return queries_.visit(wrapped);
        if (kind == "TransactionStmt") return transaction(inner);
        if (kind == "VariableSetStmt") return set(inner);
        if (kind == "VariableShowStmt") return show(inner);
        // EXPLAIN is judged by what it explains, whether it runs it or not: ANALYZE 'off' and
        // ANALYZE 'on' have one shape.
        if (kind == "ExplainStmt") return statement(inner["query"]);
        if (kind == "CopyStmt") return copy(inner);
        if (kind == "DeclareCursorStmt") return declare(inner);
        // They run where the cursor is: it lives in a transaction, which stays on its node, or it
        // is WITH HOLD, which pins its session.
        if (kind == "FetchStmt" || kind == "ClosePortalStmt") return;
        if (kind == "CreateTableAsStmt") return create_table_as(inner);
        if (kind == "DiscardStmt") return discard(inner);
        if (kind == "CallStmt") return opaque("calls a procedure");
        if (kind == "DoStmt") return opaque("runs a block of code");
        by_rule(inner);
    }

    static bool is_query(std::string_view kind) {
        return kind == "SelectStmt" || kind == "InsertStmt" || kind == "UpdateStmt" ||
               kind == "DeleteStmt" || kind == "MergeStmt";
    }

    void by_rule(Node inner) {
        const StatementRule& rule = rule_of(inner.name());
        because(rule.reason, rule.words);
        const bool is_lasting = rule.leaves_state || is_temporary(inner);
        verdict().leaves_state |= is_lasting;
        verdict().may_change_schema |= rule.changes_schema;
    }

    // --- Transactions -------------------------------------------------------------------------

    void transaction(Node inner) {
        because(Reason::TransactionControl, "controls the transaction");
        if (!is_alone_) {
            verdict().may_change_transaction = true;
            return;
        }
        verdict().transaction = step_of(inner);
        if (verdict().transaction == TransactionStep::Begin) read_modes(inner["options"]);
    }

    static TransactionStep step_of(Node inner) {
        const std::string_view kind = inner["kind"].text();
        const bool is_chained = inner["chain"].is_true();
        if (kind == "TRANS_STMT_BEGIN" || kind == "TRANS_STMT_START") return TransactionStep::Begin;
        if (kind == "TRANS_STMT_COMMIT" && !is_chained) return TransactionStep::Commit;
        if (kind == "TRANS_STMT_ROLLBACK" && !is_chained) return TransactionStep::Rollback;
        return TransactionStep::Other;
    }

    // Of several words on one mode the last counts.
    void read_modes(Node modes) {
        for (const Node mode : modes) {
            const Node element = mode["DefElem"];
            const std::string_view name = element["defname"].text();
            const std::string_view value = constant_text(element["arg"]);
            if (name == "transaction_read_only") {
                const bool is_read_only = value == "1";
                verdict().access =
                    is_read_only ? TransactionAccess::ReadOnly : TransactionAccess::ReadWrite;
            }
            if (name == "transaction_isolation") {
                verdict().is_serializable = value == "serializable";
            }
        }
    }

    // --- SET, RESET, SHOW, DISCARD ------------------------------------------------------------

    void set(Node inner) {
        const std::string_view kind = inner["kind"].text();
        const std::string_view name = inner["name"].text();
        if (kind == "VAR_SET_MULTI" && name.starts_with("TRANSACTION")) {
            return set_of_transaction(inner);
        }
        if (is_of_transaction(name)) return set_of_transaction(inner);
        if (is_own(name) && is_alone_) return set_own(own_command_of(kind));
        because(Reason::SessionState, "sets", name);
        if (inner["is_local"].is_true()) return;
        verdict().leaves_state = true;
        verdict().is_plain_set = is_alone_ && kind != "VAR_SET_MULTI" && kind != "VAR_RESET_ALL";
    }

    static OwnCommand own_command_of(std::string_view kind) {
        return kind == "VAR_RESET" || kind == "VAR_SET_DEFAULT" ? OwnCommand::Reset
                                                                : OwnCommand::Set;
    }

    void set_own(OwnCommand command) {
        because(Reason::SessionState, "is for pgweir itself");
        verdict().own = command;
    }

    void set_of_transaction(Node inner) {
        because(Reason::TransactionControl, "sets modes of the transaction");
        if (!is_alone_) {
            verdict().may_change_transaction = true;
        } else if (inner["name"].text() == "TRANSACTION") {
            verdict().transaction = TransactionStep::SetModes;
            read_modes(inner["args"]);
        } else {
            verdict().transaction = TransactionStep::Other;
        }
    }

    void show(Node inner) {
        const std::string_view name = inner["name"].text();
        if (is_own(name) && is_alone_) return set_own(OwnCommand::Show);
        if (!is_shared_parameter(name)) because(Reason::LocalFunction, "shows", name);
    }

    void discard(Node inner) {
        because(Reason::SessionState, "discards state");
        if (inner["target"].text() == "DISCARD_ALL") verdict().discards_state = is_alone_;
    }

    // --- The others ---------------------------------------------------------------------------

    void copy(Node inner) {
        if (inner["is_program"].is_true()) because(Reason::OutsideEffect, "runs a program");
        if (inner["filename"].exists()) because(Reason::OutsideEffect, "reads or writes a file");
        if (inner["is_from"].is_true()) because(Reason::Utility, "copies into", table_of(inner));
        if (inner["relation"].exists()) queries_.relation(inner["relation"]);
        queries_.visit(inner["query"]);
    }
    static std::string_view table_of(Node inner) { return inner["relation"]["relname"].text(); }

    // CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h.
    void declare(Node inner) {
        constexpr std::int64_t kHold = 0x20;
        if ((inner["options"].number() & kHold) != 0) {
            because(Reason::SessionState, "declares a cursor that outlives its transaction");
            verdict().leaves_state = true;
        }
        statement(inner["query"]);
    }

    void create_table_as(Node inner) {
        if (inner["objtype"].text() == "OBJECT_MATVIEW") {
            because(Reason::SchemaChange, "creates a materialized view");
            verdict().may_change_schema = true;
        } else {
            queries_.into(inner["into"]);
        }
        statement(inner["query"]);
    }

    // What it runs can't be seen.
    void opaque(std::string_view words) {
        because(Reason::Utility, words);
        verdict().leaves_state = true;
        verdict().may_change_transaction = true;
        verdict().may_change_schema = true;
    }

    Judgement judgement_;
    QueryWalk queries_;
    bool is_alone_ = true;
};

// "a, b" of SET x TO a, b.
std::string value_of(Node arguments) {
    std::string value;
    for (const Node argument : arguments) {
        if (!value.empty()) value += ", ";
        value += constant_text(argument);
    }
    return value;
}

}  // namespace

Verdict judge(const SyntaxTree& tree, const Catalog* catalog, std::vector<std::string>* words) {
    return StatementWalk(catalog, words).judge(tree.root()["stmts"]);
}

Verdict not_parsed() {
    Verdict verdict;
    verdict.reason = Reason::NotParsed;
    verdict.may_change_transaction = true;
    verdict.leaves_state = true;
    verdict.may_change_schema = true;
    return verdict;
}

OwnSetting own_setting_of(const SyntaxTree& tree) {
    OwnSetting setting;
    setting.command = judge(tree, nullptr, nullptr).own;
    if (setting.command == OwnCommand::None) return setting;
    const Node inner = tree.root()["stmts"].first()["stmt"].first();
    setting.name = inner["name"].text().substr(kOwnPrefix.size());
    std::transform(setting.name.begin(), setting.name.end(), setting.name.begin(), lower);
    if (setting.command == OwnCommand::Set) setting.value = value_of(inner["args"]);
    setting.is_local = inner["is_local"].is_true();
    return setting;
}

}  // namespace pgweir::sql
