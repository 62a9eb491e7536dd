// SPDX-License-Identifier: PostgreSQL
#include "sql/shape.h"

#include <algorithm>
#include <cstring>

#include "sql/characters.h"
#include "sql/hints.h"

namespace pgweir::sql {
namespace {

constexpr std::uint16_t kLowBits = 0x7F;

// One pass over one text. Positions in the output stand for what was written last; they are
// compared with the end of the output, so nothing needs to be undone when another token comes.
class Lexer {
 public:
    Lexer(std::string_view text, char* out, ShapeReader::Options options)
        : at_(text.data()),
          end_(text.data() + text.size()),
          begin_(out),
          out_(out),
          options_(options) {}

    Shape read() {
        read_leading_comments();
        while (at_ != end_ && !is_odd_) read_token();
        while (out_ != begin_ && out_[-1] == ';') --out_;
        const auto size = static_cast<std::size_t>(out_ - begin_);
        return {{begin_, size}, hints_, is_odd_, tokens_};
    }

 private:
    char peek(std::size_t ahead = 0) const {
        return static_cast<std::size_t>(end_ - at_) > ahead ? at_[ahead] : '\0';
    }
    char last_byte() const { return out_ == begin_ ? '\0' : out_[-1]; }
    void odd() { is_odd_ = true; }
    void put(char c) { *out_++ = c; }
    void put(const char* from, const char* to) {
        const auto size = static_cast<std::size_t>(to - from);
        std::memcpy(out_, from, size);
        out_ += size;
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
        const char* const word = at_;
        char* const written = out_;
        do {
            *out_++ = static_cast<char>(kLower[static_cast<std::uint8_t>(*at_)]);
            ++at_;
        } while (at_ != end_ && goes_on(*at_));
        const auto size = static_cast<std::size_t>(at_ - word);
        if (size == 1 && at_ != end_ && is_prefix(*written)) {
            out_ = written;
            return read_prefixed(word);
        }
        if (size <= 7) {
            if (const std::uint16_t kind = kind_of_word({written, size})) {
                if (written == begin_ || written[-1] != '.') {
                    out_ = written;
                    return put_literal(kind);
                }
            }
        } else {
            keep_literals_behind({written, size});
        }
        put(kEndOfWord);
        ++tokens_;
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
        put('u');
        put('&');
        read_quoted_name();
    }

    static std::uint16_t kind_of_word(std::string_view word) {
        if (word.size() == 4 && word == "null") return kNull;
        if (word.size() == 4 && word == "true") return kTrue;
        if (word.size() == 5 && word == "false") return kFalse;
        if (word.size() == 7 && word == "default") return kDefault;
        return 0;
    }

    void keep_literals_behind(std::string_view word) {
        if (word.size() == 10 && word == "set_config") keeps_literals_ = true;
        if (word.size() == 15 && word == "current_setting") keeps_literals_ = true;
    }

    void read_self() {
        const char c = *at_++;
        ++tokens_;
        if (c == ';' && out_ == begin_) return;
        if (c == ',') return read_comma();
        put(c);
        if (c == ')') close_list();
    }

    void read_comma() {
        put(',');
        if (joinable_end_ == out_ - 1) comma_end_ = out_;
    }

    // "( literals )": like the one before, if there is only a comma between them.
    void close_list() {
        constexpr std::size_t kSize = 5;
        if (joinable_end_ != out_ - 1 || out_ - begin_ < static_cast<std::ptrdiff_t>(kSize)) return;
        char* const open = out_ - kSize;
        if (*open != '(' || open[1] != kLiterals) return;
        if (open != begin_ && open[-1] == kEndOfOperator) return;
        if (open != begin_ && open[-1] == ',' && row_end_ == open - 1) {
            join_kinds(row_end_ - 3, open + 2);
            out_ = row_end_;
            tokens_ -= 4;
            forget_list();
        }
        row_end_ = out_;
    }

    // Where the output grows again, these places mean something else.
    void forget_list() {
        joinable_end_ = nullptr;
        comma_end_ = nullptr;
    }

    static void join_kinds(char* kinds, const char* more) {
        kinds[0] = static_cast<char>(kinds[0] | more[0]);
        kinds[1] = static_cast<char>(kinds[1] | more[1]);
    }

    // The upper bit is set in both bytes of the kinds, so that no other token ends like them.
    void put_literal(unsigned kind) {
        ++tokens_;
        const char kinds[2] = {static_cast<char>(0x80U | (kind >> 7)),
                               static_cast<char>(0x80U | (kind & kLowBits))};
        if (comma_end_ == out_) {
            out_ = joinable_end_;
            comma_end_ = nullptr;
            tokens_ -= 2;
            return join_kinds(out_ - 2, kinds);
        }
        const bool is_operand = last_byte() == kEndOfOperator;
        put(kLiterals);
        put(kinds, kinds + 2);
        if (!is_operand) joinable_end_ = out_;
    }

    void put_raw(const char* from, const char* to) {
        ++tokens_;
        put(kRaw);
        const auto size = static_cast<std::uint32_t>(to - from);
        std::memcpy(out_, &size, sizeof(size));
        out_ += sizeof(size);
        put(from, to);
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
        put(from, at_);
        put(kEndOfOperator);
        ++tokens_;
    }

    bool begins_comment() const {
        return (*at_ == '/' && peek(1) == '*') || (*at_ == '-' && peek(1) == '-');
    }

    // Whether the number that begins here stands alone between brackets or commas.
    bool is_lone_number() const {
        const char before = last_byte();
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
        keeps_literals_ ? put_raw(from, at_) : put_literal(kind);
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
        put('.');
        ++at_;
        ++tokens_;
    }

    void read_colon() {
        ++at_;
        put(':');
        ++tokens_;
        if (peek() == ':' || peek() == '=') put(*at_++);
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
        put_string(kind, from, p);
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
        put_string(kEscaped, from, to);
    }

    // A quote behind white space with a newline goes on with the string, escapes included. Nobody
    // writes that; it is not read.
    bool goes_on_behind_newline() {
        while (at_ != end_) {
            if (is_space(*at_)) {
                ++at_;
            } else if (*at_ == '-' && peek(1) == '-') {
                skip_line_comment();
            } else {
                return *at_ == '\'';
            }
        }
        return false;
    }

    void put_string(unsigned kind, const char* from, const char* to) {
        keeps_literals_ ? put_raw(from, to) : put_literal(kind);
    }

    void read_quoted_name() {
        const char* const from = at_;
        const char* p = at_ + 1;
        while (true) {
            p = find(p, '"');
            if (p == end_) return odd();
            ++p;
            if (p == end_ || *p != '"') break;
            ++p;
        }
        at_ = p;
        put(from, p);
        ++tokens_;
        keep_literals_behind({from + 1, static_cast<std::size_t>(p - from - 2)});
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
        put_string(kString, from, at_);
    }

    void read_parameter() {
        ++at_;
        while (at_ != end_ && is_digit(*at_)) ++at_;
        if (at_ != end_ && is_letter(*at_)) return odd();
        put_literal(kParameter);
    }

    const char* at_;
    const char* const end_;
    char* const begin_;
    char* out_;
    const ShapeReader::Options options_;
    Hints hints_;
    std::uint32_t tokens_ = 0;
    bool is_odd_ = false;
    bool keeps_literals_ = false;
    const char* sign_ = nullptr;    // Of the number that is read next.
    char* joinable_end_ = nullptr;  // Behind literals that others may join,
    char* comma_end_ = nullptr;     // the comma behind them,
    char* row_end_ = nullptr;       // "(literals)" that others may join.
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
    buffer_ = std::make_unique_for_overwrite<char[]>(needed);
    room_ = needed;
}

}  // namespace pgweir::sql
