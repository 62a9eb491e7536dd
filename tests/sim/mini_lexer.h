// SPDX-License-Identifier: PostgreSQL
// Words, numbers, strings and signs of the SQL in mini_sql.h; for its parser only.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::sim {

struct Lexeme {
    enum class Kind : std::uint8_t { End, Word, Number, String, Parameter, Sign };
    Kind kind = Kind::End;
    std::string text;  // Words are folded to lower case.
};

inline bool is_word(char c) {
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

}  // namespace pgweir::sim
