// SPDX-License-Identifier: PostgreSQL
// Console text → tokens. Comments and blanks are passed over as PostgreSQL does
// ("Lexical Structure").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgweir::admin {

struct Token {
    enum class Kind : unsigned char {
        Word,          // A name or a number, as typed. Database names may hold '-' and '.'.
        Quoted,        // The inside of "…" or '…', doubled quotes undone.
        Symbol,        // One character.
        Unterminated,  // A quote or a comment that does not end.
    };
    Kind kind = Kind::Word;
    std::string text;

    bool is(char symbol) const { return kind == Kind::Symbol && text[0] == symbol; }
};

class Scanner {
 public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    // Nothing at the end.
    std::optional<Token> next();
    // What has not been read yet, as it is.
    std::string_view rest() const { return rest_; }

 private:
    // False if a comment does not end.
    bool skip_blanks();
    bool skip_block_comment();
    Token quoted(char quote);

    std::string_view rest_;
};

}  // namespace pgweir::admin
