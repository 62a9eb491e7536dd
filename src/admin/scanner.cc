// SPDX-License-Identifier: PostgreSQL
#include "admin/scanner.h"

#include <algorithm>

namespace pgweir::admin {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$' || c == '-' || c == '.' || (static_cast<unsigned char>(c) & 0x80) != 0;
}

}  // namespace

bool Scanner::skip_block_comment() {
    // Block comments nest.
    int depth = 0;
    do {
        if (rest_.starts_with("/*")) {
            ++depth;
            rest_.remove_prefix(2);
        } else if (rest_.starts_with("*/")) {
            --depth;
            rest_.remove_prefix(2);
        } else if (rest_.empty()) {
            return false;
        } else {
            rest_.remove_prefix(1);
        }
    } while (depth > 0);
    return true;
}

bool Scanner::skip_blanks() {
    while (!rest_.empty()) {
        if (is_blank(rest_.front())) {
            rest_.remove_prefix(1);
        } else if (rest_.starts_with("--")) {
            rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
        } else if (rest_.starts_with("/*")) {
            if (!skip_block_comment()) return false;
        } else {
            return true;
        }
    }
    return true;
}

Token Scanner::quoted(char quote) {
    Token token{Token::Kind::Quoted, {}};
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (c == quote) {
            if (rest_.empty() || rest_.front() != quote) return token;
            rest_.remove_prefix(1);
        }
        token.text += c;
    }
    token.kind = Token::Kind::Unterminated;
    return token;
}

std::optional<Token> Scanner::next() {
    if (!skip_blanks()) return Token{Token::Kind::Unterminated, "/*"};
    if (rest_.empty()) return {};
    const char first = rest_.front();
    if (first == '"' || first == '\'') return quoted(first);
    if (!is_word(first)) {
        rest_.remove_prefix(1);
        return Token{Token::Kind::Symbol, std::string(1, first)};
    }
    std::size_t length = 1;
    // Inside a word, too, two hyphens begin a comment.
    while (length < rest_.size() && is_word(rest_[length]) &&
           !rest_.substr(length).starts_with("--")) {
        ++length;
    }
    Token token{Token::Kind::Word, std::string(rest_.substr(0, length))};
    rest_.remove_prefix(length);
    return token;
}

}  // namespace pgweir::admin
