// SPDX-License-Identifier: PostgreSQL
// A small lexer and a recursive descent over the statements of mini_sql.h.
#include "sim/mini_sql.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace pgweir::sim {
namespace {

struct Lexeme {
    enum class Kind : std::uint8_t { End, Word, Number, String, Parameter, Sign };
    Kind kind = Kind::End;
    std::string text;  // Words are folded to lower case.
};

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

class Lexer {
 public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Lexeme next() {
        skip_space();
        if (at_ >= text_.size()) return {};
        const char c = text_[at_];
        if ((c == 'E' || c == 'e') && at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
            ++at_;
            return string(Escapes::Backslash);
        }
        if (c == '\'') return string(Escapes::None);
        if (c == '"') return quoted_word();
        if (text_.substr(at_, 2) == "$$") return dollar_string();
        if (c == '$') return {Lexeme::Kind::Parameter, digits(at_ + 1)};
        if (std::isdigit(static_cast<unsigned char>(c)) != 0) return number();
        if (is_word(c)) return word();
        ++at_;
        return {Lexeme::Kind::Sign, std::string(1, c)};
    }

 private:
    enum class Escapes : std::uint8_t { None, Backslash };

    void skip_space() {
        while (at_ < text_.size()) {
            if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
                ++at_;
            } else if (text_.substr(at_, 2) == "/*") {
                const std::size_t end = text_.find("*/", at_ + 2);
                at_ = end == std::string_view::npos ? text_.size() : end + 2;
            } else if (text_.substr(at_, 2) == "--") {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else {
                return;
            }
        }
    }
    Lexeme string(Escapes escapes) {
        std::string value;
        for (++at_; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\\' && escapes == Escapes::Backslash && at_ + 1 < text_.size()) {
                value += text_[++at_];
            } else if (c == '\'') {
                if (at_ + 1 >= text_.size() || text_[at_ + 1] != '\'') {
                    ++at_;
                    return {Lexeme::Kind::String, value};
                }
                value += text_[++at_];
            } else {
                value += c;
            }
        }
        return {Lexeme::Kind::Sign, "'"};
    }
    Lexeme quoted_word() {
        const std::size_t end = text_.find('"', at_ + 1);
        if (end == std::string_view::npos) {
            ++at_;
            return {Lexeme::Kind::Sign, "\""};
        }
        const std::string value(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return {Lexeme::Kind::Word, value};
    }
    Lexeme dollar_string() {
        const std::size_t end = text_.find("$$", at_ + 2);
        const std::size_t stop = end == std::string_view::npos ? text_.size() : end;
        std::string value(text_.substr(at_ + 2, stop - at_ - 2));
        at_ = std::min(stop + 2, text_.size());
        return {Lexeme::Kind::String, value};
    }
    std::string digits(std::size_t from) {
        at_ = from;
        while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
            ++at_;
        }
        return std::string(text_.substr(from, at_ - from));
    }
    Lexeme number() {
        const std::size_t from = at_;
        while (at_ < text_.size() &&
               (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.')) {
            ++at_;
        }
        return {Lexeme::Kind::Number, std::string(text_.substr(from, at_ - from))};
    }
    Lexeme word() {
        std::string value;
        while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) {
            value += static_cast<char>(std::tolower(static_cast<unsigned char>(text_[at_++])));
        }
        return {Lexeme::Kind::Word, value};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

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
        if (take_word("begin")) return transaction(StatementKind::Begin);
        if (take_word("start")) return transaction(StatementKind::Begin);
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
        return {.kind = kind};
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
        take_word("session");
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
        if (take_word("from")) {
            need_word("generate_series");
            need_sign("(");
            need(Lexeme::Kind::Number);
            need_sign(",");
            one.rows = number();
            need_sign(")");
        }
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
        need_sign("(");
        if (name == "pg_sleep") {
            made.kind = Column::Kind::Sleep;
            const double seconds = std::strtod(need(Lexeme::Kind::Number).c_str(), nullptr);
            made.sleep = Duration::microseconds(static_cast<std::int64_t>(seconds * 1e6));
        } else if (name == "repeat") {
            const std::string unit = need(Lexeme::Kind::String);
            need_sign(",");
            for (std::uint32_t left = number(); left > 0; --left) made.text += unit;
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
    std::uint32_t most = 0;
    for (const Column& column : columns) most = std::max(most, column.number);
    return most;
}

Script parse_script(std::string_view text) {
    return Parser(text).script();
}

}  // namespace pgweir::sim
