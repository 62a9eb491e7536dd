// SPDX-License-Identifier: PostgreSQL
#include "sql/shape.h"

#include <algorithm>
#include <cstring>

#include "sql/characters.h"
#include "sql/hints.h"
#include "sql/shape_writer.h"

namespace pgweir::sql {
namespace {

// One pass over one text.
class Lexer {
 public:
    Lexer(std::string_view text, char8_t* out, ShapeReader::Options options)
        : at_(text.data()), end_(text.data() + text.size()), out_(out), options_(options) {}

    Shape read() {
        read_leading_comments();
        while (at_ != end_ && !is_odd_) {
            if (*at_ == ' ') {
                ++at_;
            } else {
                read_token();
            }
        }
        out_.strip_semicolons();
        return {out_.bytes(), hints_, is_odd_, out_.tokens()};
    }

 private:
    char peek(std::size_t ahead = 0) const {
        return static_cast<std::size_t>(end_ - at_) > ahead ? at_[ahead] : '\0';
    }
    void odd() { is_odd_ = true; }
    static std::string_view between(const char* from, const char* to) {
        return {from, static_cast<std::size_t>(to - from)};
    }

    void read_leading_comments() {
        while (at_ != end_) {
            if (is_space(*at_)) {
                ++at_;
            } else if (*at_ == '/' && peek(1) == '*') {
                const char* inside = at_ + 2;
                skip_block_comment();
                if (is_odd_) return;
                const auto size = static_cast<std::size_t>(at_ - inside - 2);
                read_hints({inside, size}, hints_);
            } else if (*at_ == '-' && peek(1) == '-') {
                skip_line_comment();
            } else {
                return;
            }
        }
    }

    void read_token() {
        switch (class_of(*at_)) {
            case Class::Space:
                ++at_;
                return;
            case Class::Letter:
                return read_word();
            case Class::Self:
                return read_self();
            case Class::Operator:
                return read_operator();
            case Class::Digit:
                return read_number();
            case Class::Quote:
                return read_string(kString, at_);
            case Class::Dot:
                return read_dot();
            case Class::DoubleQuote:
                return read_quoted_name();
            case Class::Dollar:
                return read_dollar();
            case Class::Colon:
                return read_colon();
            case Class::Other:
                return odd();
        }
    }

    // scan.l: comments nest; an end is "*/", a beginning "/*", from left to right.
    void skip_block_comment() {
        std::size_t depth = 0;
        do {
            if (end_ - at_ < 2) return odd();
            if (at_[0] == '/' && at_[1] == '*') {
                ++depth;
                at_ += 2;
            } else if (at_[0] == '*' && at_[1] == '/') {
                --depth;
                at_ += 2;
            } else {
                ++at_;
            }
        } while (depth != 0);
    }

    void skip_line_comment() {
        while (at_ != end_ && *at_ != '\n' && *at_ != '\r') ++at_;
    }

    void read_word() {
        const char* const from = at_;
        char8_t* const written = out_.end();
        const char* p = from;
        const char* const text_end = end_;
        char8_t* end = written;
        std::uint8_t folded = kGoesOn[static_cast<std::uint8_t>(*p)];
        do {
            *end++ = folded;
            if (++p == text_end) break;
            folded = kGoesOn[static_cast<std::uint8_t>(*p)];
        } while (folded != 0);
        at_ = p;
        const std::string_view word = ShapeWriter::view(written, end);
        if (word.size() == 1 && at_ != end_ && is_prefix(word[0])) return read_prefixed(from);
        if (word.size() >= 4) {
            const std::uint16_t kind = kind_of_word(word);
            if (kind != 0 && out_.last_byte() != '.') return out_.put_literal(kind);
            keep_literals_behind(word);
        }
        out_.end_word(end);
    }

    // Whether a one-letter word and what comes next are the beginning of a literal.
    bool is_prefix(char letter) const {
        if (letter == 'u') {
            return *at_ == '&' && (peek(1) == '\'' || peek(1) == '"');
        }
        return *at_ == '\'' && (letter == 'e' || letter == 'b' || letter == 'x' || letter == 'n');
    }

    void read_prefixed(const char* prefix) {
        switch (lower(*prefix)) {
            case 'e':
                return read_escaped_string(prefix);
            case 'b':
                return read_string(kBits, prefix);
            case 'x':
                return read_string(kHexBits, prefix);
            case 'n':
                return read_string(kNational, prefix);
            default:
                break;
        }
        ++at_;
        if (*at_ == '\'') {
            return options_.standard_conforming_strings ? read_string(kString, prefix) : odd();
        }
        // Its UESCAPE '…' decides which name it is.
        keeps_literals_ = true;
        if (const std::string_view name = quoted_name(); !name.empty()) {
            out_.put_unicode_name(name);
        }
    }

    static std::uint16_t kind_of_word(std::string_view word) {
        switch (word.size()) {
            case 4:
                return word == "null" ? kNull : word == "true" ? kTrue : 0;
            case 5:
                return word == "false" ? kFalse : 0;
            case 7:
                return word == "default" ? kDefault : 0;
            default:
                return 0;
        }
    }

    void keep_literals_behind(std::string_view word) {
        if (word.size() < 10) return;
        if (word == "set_config" || word == "current_setting") keeps_literals_ = true;
    }

    void read_self() {
        const char c = *at_++;
        if (c == ',') return out_.put_comma();
        if (c == ')') return out_.put_close();
        if (c != ';' || !out_.is_empty()) out_.put_self(c);
    }

    void read_operator() {
        const char* const from = at_;
        while (at_ != end_ && is_operator(*at_) && !begins_comment()) ++at_;
        if (at_ == from) {
            *at_ == '/' ? skip_block_comment() : skip_line_comment();
            return;
        }
        if (at_ - from == 1 && *from == '-' && is_lone_number()) {
            sign_ = from;
            return read_number();
        }
        out_.put_operator(between(from, at_));
    }

    bool begins_comment() const {
        return (*at_ == '/' && peek(1) == '*') || (*at_ == '-' && peek(1) == '-');
    }

    // Whether the number that begins here stands alone between brackets or commas.
    bool is_lone_number() const {
        const char before = out_.last_byte();
        if (before != '(' && before != ',' && before != '[') return false;
        const char* p = at_;
        while (p != end_ && is_digit(*p)) ++p;
        if (p == at_) return false;
        if (p != end_ && *p == '.') {
            do ++p;
            while (p != end_ && is_digit(*p));
        }
        while (p != end_ && is_space(*p)) ++p;
        return p != end_ && (*p == ',' || *p == ')' || *p == ']');
    }

    // scan.l of PostgreSQL 15: no letter may follow at once ("trailing junk"); later versions read
    // 0x1F and 1_000 where this one sees such.
    void read_number() {
        const char* const from = sign_ ? sign_ : at_;
        unsigned kind = sign_ ? kInteger | kNegative : kInteger;
        sign_ = nullptr;
        while (at_ != end_ && is_digit(*at_)) ++at_;
        if (peek() == '.') {
            if (peek(1) == '.') return odd();
            kind = (kind & kNegative) | kDecimal;
            do ++at_;
            while (at_ != end_ && is_digit(*at_));
        }
        if (peek() == 'e' || peek() == 'E') {
            if (!skip_exponent()) return odd();
            kind = (kind & kNegative) | kDecimal;
        }
        if (at_ != end_ && (is_letter(*at_) || *at_ == '$')) return odd();
        // Beyond 31 bits the grammar takes it for a decimal.
        if (at_ - from > 9 && (kind & kInteger) != 0) kind = (kind & kNegative) | kDecimal;
        put_literal(kind, from, at_);
    }

    bool skip_exponent() {
        ++at_;
        if (peek() == '+' || peek() == '-') ++at_;
        if (!is_digit(peek())) return false;
        while (at_ != end_ && is_digit(*at_)) ++at_;
        return true;
    }

    void read_dot() {
        if (is_digit(peek(1))) return read_number();
        if (peek(1) == '.') return odd();
        out_.put_self('.');
        ++at_;
    }

    void read_colon() {
        ++at_;
        if (peek() != ':' && peek() != '=') return out_.put_self(':');
        out_.put_self(*at_++ == ':' ? kCast : kAssign);
    }

    // REQUIRES: a quote at at_; the literal begins at `from`. Two quotes in a row are one inside.
    void read_string(unsigned kind, const char* from) {
        const char* p = at_ + 1;
        while (true) {
            p = find(p, '\'');
            if (p == end_) return odd();
            ++p;
            if (p == end_ || *p != '\'') break;
            ++p;
        }
        at_ = p;
        if (!options_.standard_conforming_strings && has_backslash(from, p)) return odd();
        put_literal(kind, from, p);
    }

    bool has_backslash(const char* from, const char* to) const {
        return std::memchr(from, '\\', static_cast<std::size_t>(to - from)) != nullptr;
    }

    const char* find(const char* p, char c) const {
        if (p == end_) return end_;
        const void* found = std::memchr(p, c, static_cast<std::size_t>(end_ - p));
        return found ? static_cast<const char*>(found) : end_;
    }

    // REQUIRES: the quote of E'…' at at_.
    void read_escaped_string(const char* from) {
        ++at_;
        while (true) {
            if (at_ == end_) return odd();
            const char c = *at_++;
            if (c == '\\') {
                if (at_ == end_) return odd();
                ++at_;
            } else if (c == '\'') {
                if (at_ == end_ || *at_ != '\'') break;
                ++at_;
            }
        }
        const char* const to = at_;
        if (goes_on_behind_newline()) return odd();
        put_literal(kEscaped, from, to);
    }

    // A quote behind white space with a newline goes on with the string, escapes included. Nobody
    // writes that; it is not read.
    bool goes_on_behind_newline() {
        bool has_newline = false;
        while (at_ != end_) {
            if (is_space(*at_)) {
                has_newline |= *at_ == '\n' || *at_ == '\r';
                ++at_;
            } else if (*at_ == '-' && peek(1) == '-') {
                skip_line_comment();
            } else {
                return has_newline && *at_ == '\'';
            }
        }
        return false;
    }

    void put_literal(unsigned kind, const char* from, const char* to) {
        keeps_literals_ ? out_.put_raw(between(from, to)) : out_.put_literal(kind);
    }

    void read_quoted_name() {
        const std::string_view name = quoted_name();
        if (name.empty()) return;
        out_.put_name(name);
        keep_literals_behind(name.substr(1, name.size() - 2));
    }

    // With its quotes; empty and odd if it does not end. Two quotes in a row are one inside.
    std::string_view quoted_name() {
        const char* const from = at_;
        const char* p = at_ + 1;
        while (true) {
            p = find(p, '"');
            if (p == end_) {
                odd();
                return {};
            }
            ++p;
            if (p == end_ || *p != '"') break;
            ++p;
        }
        at_ = p;
        return between(from, p);
    }

    void read_dollar() {
        if (is_digit(peek(1))) return read_parameter();
        const char* p = at_ + 1;
        if (p != end_ && is_letter(*p)) {
            while (p != end_ && (is_letter(*p) || is_digit(*p))) ++p;
        }
        if (p == end_ || *p != '$') return odd();
        ++p;
        const char* const from = at_;
        const std::string_view mark(at_, static_cast<std::size_t>(p - at_));
        const std::string_view rest(p, static_cast<std::size_t>(end_ - p));
        const std::size_t found = rest.find(mark);
        if (found == std::string_view::npos) return odd();
        at_ = p + found + mark.size();
        put_literal(kString, from, at_);
    }

    void read_parameter() {
        ++at_;
        while (at_ != end_ && is_digit(*at_)) ++at_;
        if (at_ != end_ && is_letter(*at_)) return odd();
        out_.put_literal(kParameter);
    }

    const char* at_;
    const char* const end_;
    ShapeWriter out_;
    const ShapeReader::Options options_;
    Hints hints_;
    bool is_odd_ = false;
    bool keeps_literals_ = false;
    const char* sign_ = nullptr;  // Of the number that is read next.
};

bool has_high_bytes(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace

Shape ShapeReader::read(std::string_view text, Options options) {
    make_room(text.size());
    if (!options.is_ascii_transparent && has_high_bytes(text))
        return {.bytes = {}, .hints = {}, .is_odd = true};
    return Lexer(text, buffer_.get(), options).read();
}

// A token of one byte takes six at most, and there is a byte between two of these.
void ShapeReader::make_room(std::size_t text_bytes) {
    const std::size_t needed = 4 * text_bytes + 16;
    if (needed <= room_) return;
    buffer_ = std::make_unique_for_overwrite<char8_t[]>(needed);
    room_ = needed;
}

}  // namespace pgweir::sql
