// SPDX-License-Identifier: PostgreSQL
// Writes a shape, token by token, and joins lists of literals as they come; shape.h says how and
// why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sql/shape.h"

namespace pgweir::sql {

// The output is of char8_t, which unlike char may not be anything else's bytes: so the compiler
// needs not to read the lexer's members again after each byte that is written.
//
// Places in the output stand for what was written last. They are compared with the output's end,
// so that a token in between needs to undo nothing; where the end goes back, they are forgotten.
class ShapeWriter {
 public:
    // The caller has made room: ShapeReader::make_room().
    explicit ShapeWriter(char8_t* out) : begin_(out), end_(out) {}

    bool is_empty() const { return end_ == begin_; }
    std::string_view bytes() const { return view(begin_, end_); }
    std::uint32_t tokens() const { return tokens_; }
    // The last byte tells the kind of the last token.
    char last_byte() const { return is_empty() ? '\0' : static_cast<char>(end_[-1]); }

    static std::string_view view(const char8_t* from, const char8_t* to) {
        return {reinterpret_cast<const char*>(from), static_cast<std::size_t>(to - from)};
    }

    // A word's bytes are written by the caller, in lower case, to here.
    char8_t* end() { return end_; }
    void end_word(char8_t* end) { end_token(end, kEndOfWord); }
    void put_name(std::string_view quoted) {
        put(quoted);
        end_token(end_, kEndOfWord);
    }
    // U&"…".
    void put_unicode_name(std::string_view quoted) {
        put("u&");
        put_name(quoted);
    }
    void put_operator(std::string_view characters) {
        put(characters);
        end_token(end_, kEndOfOperator);
    }
    void put_self(char c) { end_token(end_, c); }
    void put_comma() {
        put_self(',');
        if (joinable_end_ == end_ - 1) comma_end_ = end_;
    }
    void put_close() {
        put_self(')');
        join_row();
    }
    void put_raw(std::string_view literal) {
        ++tokens_;
        *end_++ = static_cast<char8_t>(kRaw);
        const auto size = static_cast<std::uint32_t>(literal.size());
        std::memcpy(end_, &size, sizeof(size));
        end_ += sizeof(size);
        put(literal);
    }

    // Bits of LiteralKind.
    void put_literal(unsigned kind) {
        // The upper bit is set, so that no other token ends like this one.
        const auto high = static_cast<char8_t>(0x80U | (kind >> 7));
        const auto low = static_cast<char8_t>(0x80U | (kind & 0x7FU));
        if (comma_end_ == end_) {
            end_ = joinable_end_;
            comma_end_ = nullptr;
            --tokens_;
            return join_kinds(end_ - 2, high, low);
        }
        const bool is_operand = last_byte() == kEndOfOperator;
        *end_++ = static_cast<char8_t>(kLiterals);
        *end_++ = high;
        *end_++ = low;
        ++tokens_;
        if (!is_operand) joinable_end_ = end_;
    }

    void strip_semicolons() {
        while (last_byte() == ';') --end_;
    }

 private:
    void put(std::string_view text) {
        std::memcpy(end_, text.data(), text.size());
        end_ += text.size();
    }
    void end_token(char8_t* end, char mark) {
        *end = static_cast<char8_t>(mark);
        end_ = end + 1;
        ++tokens_;
    }

    // "(literals)" behind another, if there is only a comma between them.
    void join_row() {
        constexpr std::ptrdiff_t kSize = 5;
        if (joinable_end_ != end_ - 1 || end_ - begin_ < kSize) return;
        char8_t* const open = end_ - kSize;
        if (*open != u8'(' || open[1] != static_cast<char8_t>(kLiterals)) return;
        if (open != begin_ && open[-1] == static_cast<char8_t>(kEndOfOperator)) return;
        if (open != begin_ && open[-1] == u8',' && row_end_ == open - 1) {
            join_kinds(row_end_ - 3, open[2], open[3]);
            end_ = row_end_;
            tokens_ -= 4;
            joinable_end_ = nullptr;
            comma_end_ = nullptr;
        }
        row_end_ = end_;
    }

    static void join_kinds(char8_t* kinds, char8_t high, char8_t low) {
        kinds[0] = static_cast<char8_t>(kinds[0] | high);
        kinds[1] = static_cast<char8_t>(kinds[1] | low);
    }

    char8_t* const begin_;
    char8_t* end_;
    char8_t* joinable_end_ = nullptr;  // Behind literals that others may join,
    char8_t* comma_end_ = nullptr;     // the comma behind them,
    char8_t* row_end_ = nullptr;       // "(literals)" that others may join.
    std::uint32_t tokens_ = 0;
};

}  // namespace pgweir::sql
