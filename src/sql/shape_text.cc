// SPDX-License-Identifier: PostgreSQL
#include "sql/shape_text.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "sql/characters.h"
#include "sql/shape.h"

namespace pgweir::sql {
namespace {

enum class Token : std::uint8_t { Word, Name, Operator, Self, Literals, Raw };

struct Piece {
    Token token = Token::Self;
    std::string_view text;
    unsigned kinds = 0;
};

// Takes one token off the front of a shape, as Lexer (shape.cc) has written it.
class Pieces {
 public:
    explicit Pieces(std::string_view shape) : rest_(shape) {}

    bool is_empty() const { return rest_.empty(); }

    Piece next() {
        const char c = rest_.front();
        if (c == kLiterals) return literals();
        if (c == kRaw) return raw();
        if (c == '"') return quoted(0);
        if (rest_.starts_with("u&\"")) return quoted(2);
        if (c == kCast) return instead("::");
        if (c == kAssign) return instead(":=");
        if (is_operator(c)) return until(Token::Operator, kEndOfOperator);
        if (is_letter(c)) return until(Token::Word, kEndOfWord);
        return {Token::Self, take(1)};
    }

 private:
    std::string_view take(std::size_t size) {
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    Piece until(Token token, char end) {
        const Piece piece{token, take(rest_.find(end))};
        take(1);
        return piece;
    }
    Piece literals() {
        const std::string_view bytes = take(3);
        const unsigned high = static_cast<unsigned char>(bytes[1]) & 0x7FU;
        const unsigned low = static_cast<unsigned char>(bytes[2]) & 0x7FU;
        return {Token::Literals, {}, (high << 7) | low};
    }
    Piece raw() {
        std::uint32_t size = 0;
        std::memcpy(&size, rest_.data() + 1, sizeof(size));
        take(1 + sizeof(size));
        return {Token::Raw, take(size)};
    }
    Piece instead(std::string_view text) {
        take(1);
        return {Token::Self, text};
    }
    Piece quoted(std::size_t open) {
        const Piece piece{Token::Name, take(quoted_size(open))};
        take(1);
        return piece;
    }
    std::size_t quoted_size(std::size_t open) const {
        std::size_t close = rest_.find('"', open + 1);
        while (close + 1 < rest_.size() && rest_[close + 1] == '"') {
            close = rest_.find('"', close + 2);
        }
        return close + 1;
    }

    std::string_view rest_;
};

bool is_tight(char c) {
    return c == '.' || c == '(' || c == '[' || c == ':';
}

// White space where a reader expects it; that between tokens which would grow together is the
// grammar's need.
class Writer {
 public:
    explicit Writer(std::string& out) : out_(out) {}

    void write(const Piece& piece, std::string_view text) {
        const bool is_list = piece.token == Token::Self && piece.text == "(";
        const bool is_behind = piece.token == Token::Self && piece.text != "(" && piece.text != ":";
        const bool is_call = is_list && (last_ == Token::Word || last_ == Token::Name) && !is_key_;
        if (!out_.empty() && !is_behind && !is_call && !is_tight(out_.back())) out_ += ' ';
        out_ += text;
        last_ = piece.token;
        is_key_ = piece.token == Token::Word && (text == "in" || text == "values" || text == "as");
    }

 private:
    std::string& out_;
    Token last_ = Token::Self;
    bool is_key_ = false;
};

std::string_view text_of_kinds(unsigned kinds) {
    if (kinds == kParameter) return "$";
    if (kinds == kNull) return "null";
    if (kinds == kTrue) return "true";
    if (kinds == kFalse) return "false";
    if (kinds == kDefault) return "default";
    return "?";
}

// Strings come first: they may stand behind a type's name, where nothing else may. A number with a
// minus is a literal only between commas and brackets, so it stands between two
// plain ones.
std::string sql_of_kinds(unsigned kinds) {
    struct Example {
        unsigned kind;
        const char* text;
        const char* negative;
    };
    static constexpr Example kExamples[] = {
        {kString, "'a'", ""},
        {kEscaped, "E'a'", ""},
        {kNational, "N'a'", ""},
        {kBits, "B'1'", ""},
        {kHexBits, "X'1'", ""},
        {kInteger, "1", "1, -1, 1"},
        {kDecimal, "1.5", "1.5, -1.5, 1.5"},
        {kParameter, "$1", ""},
        {kNull, "null", ""},
        {kTrue, "true", ""},
        {kFalse, "false", ""},
        {kDefault, "default", ""},
    };
    std::string sql;
    for (const Example& example : kExamples) {
        if ((kinds & example.kind) == 0) continue;
        if (!sql.empty()) sql += ", ";
        const bool is_number = (example.kind & (kInteger | kDecimal)) != 0;
        sql += is_number && (kinds & kNegative) != 0 ? example.negative : example.text;
    }
    return sql;
}

// Not in the middle of a character of UTF-8.
void shorten(std::string& text, std::size_t bytes_max) {
    constexpr std::string_view kMore = "…";
    if (text.size() <= bytes_max) return;
    std::size_t size = bytes_max > kMore.size() ? bytes_max - kMore.size() : 0;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
    text.resize(size);
    text += kMore;
}

}  // namespace

std::string text_of_shape(std::string_view shape, std::size_t bytes_max) {
    std::string text;
    Writer writer(text);
    for (Pieces pieces(shape); !pieces.is_empty() && text.size() <= bytes_max;) {
        const Piece piece = pieces.next();
        const bool is_literal = piece.token == Token::Literals;
        writer.write(piece, is_literal ? text_of_kinds(piece.kinds) : piece.text);
    }
    shorten(text, bytes_max);
    return text;
}

std::string sql_of_shape(std::string_view shape) {
    std::string sql;
    for (Pieces pieces(shape); !pieces.is_empty();) {
        const Piece piece = pieces.next();
        const bool is_literal = piece.token == Token::Literals;
        sql += is_literal ? sql_of_kinds(piece.kinds) : std::string(piece.text);
        sql += ' ';
    }
    return sql;
}

std::string own_set_of_shape(std::string_view shape) {
    std::vector<Piece> pieces;
    for (Pieces rest(shape); !rest.is_empty(); pieces.push_back(rest.next())) {
        if (pieces.size() == 7) return {};
    }
    const auto is_word = [&](std::size_t i, std::string_view word) {
        return i < pieces.size() && pieces[i].text == word;
    };
    if (!is_word(0, "set")) return {};
    const std::size_t own = is_word(1, "session") || is_word(1, "local") ? 2 : 1;
    if (!is_word(own, "pgweir") || !is_word(own + 1, ".") || pieces.size() != own + 5) return {};
    const Piece& value = pieces.back();
    if (value.token != Token::Word) return {};
    const std::string_view text = value.text;
    const std::size_t value_bytes = text.size() + 1;
    return sql_of_shape(shape.substr(0, shape.size() - value_bytes)) + "'" + std::string(text) +
           "'";
}

}  // namespace pgweir::sql
