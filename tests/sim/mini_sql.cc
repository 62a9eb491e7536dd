// SPDX-License-Identifier: PostgreSQL
// A recursive descent over the statements of mini_sql.h.
#include "sim/mini_sql.h"

#include <algorithm>
#include <cstdlib>

#include "sim/mini_lexer.h"

namespace pgweir::sim {
namespace {

class Parser {
 public:
    explicit Parser(std::string_view text) : lexer_(text) { advance(); }

    Script script() {
        Script all;
        while (here_.kind != Lexeme::Kind::End) {
            if (take_sign(";")) continue;
            Statement one = statement();
            if (!failed_ && here_.kind != Lexeme::Kind::End && !is_sign(";")) failed_ = true;
            if (failed_) return {std::make_shared<Statement>(syntax_error())};
            all.push_back(std::make_shared<Statement>(std::move(one)));
        }
        return all;
    }

 private:
    void advance() { here_ = lexer_.next(); }
    bool is_sign(std::string_view sign) const {
        return here_.kind == Lexeme::Kind::Sign && here_.text == sign;
    }
    bool take_sign(std::string_view sign) {
        if (!is_sign(sign)) return false;
        advance();
        return true;
    }
    bool take_word(std::string_view word) {
        if (here_.kind != Lexeme::Kind::Word || here_.text != word) return false;
        advance();
        return true;
    }
    void need_word(std::string_view word) { failed_ = !take_word(word) || failed_; }
    void need_sign(std::string_view sign) { failed_ = !take_sign(sign) || failed_; }
    std::string need(Lexeme::Kind kind) {
        std::string text = here_.text;
        if (here_.kind != kind)
            failed_ = true;
        else
            advance();
        return text;
    }
    Statement syntax_error() const {
        Statement wrong{.kind = StatementKind::Wrong};
        wrong.value = "42601";
        wrong.name = "syntax error at or near \"" + here_.text + "\"";
        return wrong;
    }

    Statement statement() {
        if (take_word("select")) return select();
        if (take_word("insert")) return insert();
        if (take_word("update")) return update();
        if (take_word("begin")) return transaction(StatementKind::Begin);
        if (take_word("start")) return start_transaction();
        if (take_word("commit") || take_word("end")) return transaction(StatementKind::Commit);
        if (take_word("abort")) return transaction(StatementKind::Rollback);
        if (take_word("rollback")) return rollback();
        if (take_word("savepoint")) return named(StatementKind::Savepoint);
        if (take_word("release")) return release();
        if (take_word("set")) return set();
        if (take_word("reset")) return reset();
        if (take_word("show")) return named(StatementKind::Show);
        if (take_word("copy")) return copy();
        if (take_word("discard")) return discard();
        if (take_word("deallocate")) return deallocate();
        if (take_word("do")) return raise();
        failed_ = true;
        return {};
    }
    Statement transaction(StatementKind kind) {
        take_word("transaction");
        take_word("work");
        Statement one{.kind = kind};
        if (kind == StatementKind::Begin) modes(one);
        return one;
    }
    Statement start_transaction() {
        Statement one = transaction(StatementKind::Begin);
        one.name = "START TRANSACTION";
        return one;
    }
    void modes(Statement& one) {
        while (here_.kind == Lexeme::Kind::Word && !failed_) {
            if (take_word("isolation")) {
                need_word("level");
                isolation_level(one);
            } else if (take_word("read")) {
                one.access = take_word("only") ? Access::ReadOnly : Access::ReadWrite;
                if (one.access == Access::ReadWrite) need_word("write");
            } else {
                failed_ = true;
            }
            take_sign(",");
        }
    }
    void isolation_level(Statement& one) {
        one.is_serializable = take_word("serializable");
        if (one.is_serializable) return;
        if (take_word("repeatable")) return need_word("read");
        need_word("read");
        need_word("committed");
    }
    Statement named(StatementKind kind) {
        Statement one{.kind = kind};
        one.name = need(Lexeme::Kind::Word);
        return one;
    }
    Statement rollback() {
        if (!take_word("to")) return transaction(StatementKind::Rollback);
        take_word("savepoint");
        return named(StatementKind::RollbackTo);
    }
    Statement release() {
        take_word("savepoint");
        return named(StatementKind::Release);
    }
    Statement set() {
        Statement one{.kind = StatementKind::Set};
        one.local = take_word("local");
        if (take_word("transaction")) {
            one.kind = StatementKind::SetTransaction;
            modes(one);
            return one;
        }
        if (take_word("session") && take_word("characteristics")) return characteristics();
        one.name = need(Lexeme::Kind::Word);
        if (!take_sign("=") && !take_word("to")) failed_ = true;
        if (take_word("default")) {
            one.kind = StatementKind::Reset;
            return one;
        }
        one.value = here_.text;
        advance();
        while (take_sign(",")) {
            one.value += ", " + here_.text;
            advance();
        }
        return one;
    }
    Statement characteristics() {
        need_word("as");
        need_word("transaction");
        Statement modes_said;
        modes(modes_said);
        Statement one{.kind = StatementKind::Set};
        one.name = "default_transaction_read_only";
        one.value = modes_said.access == Access::ReadOnly ? "on" : "off";
        return one;
    }
    Statement reset() {
        if (take_word("all")) return {.kind = StatementKind::ResetAll};
        return named(StatementKind::Reset);
    }
    Statement discard() {
        need_word("all");
        return {.kind = StatementKind::DiscardAll};
    }
    Statement deallocate() {
        Statement one{.kind = StatementKind::Deallocate};
        take_word("prepare");
        if (take_word("all"))
            one.all = true;
        else
            one.name = need(Lexeme::Kind::Word);
        return one;
    }
    Statement raise() {
        Statement one{.kind = StatementKind::Raise};
        const std::string body = need(Lexeme::Kind::String);
        const std::size_t from = body.find('\'');
        const std::size_t to = body.rfind('\'');
        if (from < to) one.value = body.substr(from + 1, to - from - 1);
        return one;
    }
    Statement insert() {
        Statement one{.kind = StatementKind::Insert};
        need_word("into");
        one.name = need(Lexeme::Kind::Word);
        need_word("values");
        need_sign("(");
        one.columns.push_back(column());
        need_sign(")");
        return one;
    }
    Statement update() {
        Statement one{.kind = StatementKind::Update};
        one.name = need(Lexeme::Kind::Word);
        need_word("set");
        need_word("value");
        need_sign("=");
        one.columns.push_back(column());
        where(one);
        return one;
    }
    void where(Statement& one) {
        need_word("where");
        need_word("id");
        need_sign("=");
        if (here_.kind == Lexeme::Kind::Parameter) {
            one.id_parameter =
                static_cast<std::uint32_t>(std::strtoul(here_.text.c_str(), nullptr, 10));
            advance();
        } else {
            one.id = number();
        }
    }
    void from(Statement& one) {
        if (take_word("registers")) {
            where(one);
            one.locks_rows = take_word("for");
            if (one.locks_rows) need_word("update");
            return;
        }
        need_word("generate_series");
        need_sign("(");
        need(Lexeme::Kind::Number);
        need_sign(",");
        one.rows = number();
        need_sign(")");
    }
    Statement copy() {
        if (take_sign("(")) {
            need_word("select");
            Statement one = select();
            one.kind = StatementKind::CopyOut;
            need_sign(")");
            need_word("to");
            need_word("stdout");
            return one;
        }
        Statement one = named(StatementKind::CopyIn);
        need_word("from");
        need_word("stdin");
        return one;
    }
    Statement select() {
        Statement one{.kind = StatementKind::Select};
        do {
            one.columns.push_back(column());
            if (take_word("as")) one.columns.back().heading = need(Lexeme::Kind::Word);
        } while (take_sign(","));
        if (take_word("from")) from(one);
        const bool wants_register =
            std::any_of(one.columns.begin(), one.columns.end(),
                        [](const Column& column) { return column.kind == Column::Kind::Register; });
        failed_ = failed_ || (wants_register && !one.reads_register());
        if (!wrong_.name.empty()) {
            Statement wrong = std::move(wrong_);
            wrong_ = {};
            return wrong;
        }
        return one;
    }
    std::uint32_t number() {
        return static_cast<std::uint32_t>(
            std::strtoul(need(Lexeme::Kind::Number).c_str(), nullptr, 10));
    }
    Column column() {
        Column made;
        if (here_.kind == Lexeme::Kind::Parameter) {
            made.kind = Column::Kind::Parameter;
            made.number = static_cast<std::uint32_t>(std::strtoul(here_.text.c_str(), nullptr, 10));
            advance();
            cast(made);
        } else if (here_.kind == Lexeme::Kind::Word) {
            function(made);
        } else if (here_.kind == Lexeme::Kind::String || here_.kind == Lexeme::Kind::Number) {
            made.text = here_.text;
            advance();
            cast(made);
        } else {
            failed_ = true;
        }
        return made;
    }
    void cast(Column& made) {
        if (!take_sign(":")) return;
        need_sign(":");
        const std::string type = need(Lexeme::Kind::Word);
        if (made.kind == Column::Kind::Parameter) {
            made.heading = type;
        } else if (type == "int") {
            wrong_.kind = StatementKind::Wrong;
            wrong_.value = "22P02";
            wrong_.name = "invalid input syntax for type integer: \"" + made.text + "\"";
        } else {
            made.heading = type;
        }
    }
    void function(Column& made) {
        std::string name = need(Lexeme::Kind::Word);
        if (name.starts_with("pg_catalog.")) name.erase(0, 11);
        made.heading = name;
        if (name == "value") {
            made.kind = Column::Kind::Register;
            return;
        }
        need_sign("(");
        if (name == "pg_sleep") {
            made.kind = Column::Kind::Sleep;
            const double seconds = std::strtod(need(Lexeme::Kind::Number).c_str(), nullptr);
            made.sleep = Duration::microseconds(static_cast<std::int64_t>(seconds * 1e6));
        } else if (name == "repeat") {
            const std::string unit = need(Lexeme::Kind::String);
            need_sign(",");
            for (std::uint32_t left = number(); left > 0; --left) made.text += unit;
        } else if (name == "sneaky_write") {
            made.kind = Column::Kind::SneakyWrite;
            made.number = number();
            need_sign(",");
            made.text = need(Lexeme::Kind::String);
        } else if (name == "current_setting") {
            made.kind = Column::Kind::CurrentSetting;
            made.text = need(Lexeme::Kind::String);
        } else if (name == "set_config") {
            made.kind = Column::Kind::SetConfig;
            made.text = need(Lexeme::Kind::String);
            need_sign(",");
            made.value = need(Lexeme::Kind::String);
            need_sign(",");
            made.local = need(Lexeme::Kind::Word) == "true";
        } else {
            failed_ = true;
        }
        need_sign(")");
    }

    Lexer lexer_;
    Lexeme here_;
    Statement wrong_;
    bool failed_ = false;
};

}  // namespace

std::uint32_t Statement::parameters() const {
    std::uint32_t most = id_parameter;
    for (const Column& column : columns) {
        if (column.kind == Column::Kind::Parameter) most = std::max(most, column.number);
    }
    return most;
}

// Everything that the simulation's clients call and read.
std::vector<CatalogRow> catalog_rows(bool lies) {
    return {
        {"f", "sneaky_write", lies},
        {"f", "pg_sleep", true},
        {"f", "set_config", false},
        {"f", "generate_series", true},
        {"f", "repeat", true},
        {"f", "textcat", true},
        {"f", "current_setting", true},
        {"r", "registers", true},
        {"r", "t", true},
        {"o", "=", true},
        {"o", "||", true},
        {"t", "text", true},
        {"t", "int4", true},
        {"t", "varchar", true},
    };
}

Script parse_script(std::string_view text) {
    // Only pgweir asks for the catalog: whatever it wants to know of it, there is one answer.
    if (text.find("pg_catalog.pg_proc") != std::string_view::npos) {
        Statement question{.kind = StatementKind::Catalog};
        for (const char* heading : {"kind", "name", "is_harmless"}) {
            question.columns.emplace_back().heading = heading;
        }
        return {std::make_shared<Statement>(std::move(question))};
    }
    return Parser(text).script();
}

}  // namespace pgweir::sim
