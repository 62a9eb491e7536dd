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

// Places in the output stand for what was written last. They are compared with the output's end,
// so that a token in between needs to undo nothing; where the end goes back, they are forgotten.
class ShapeWriter {
 public:
    // The caller has made room: ShapeReader::make_room().
    explicit ShapeWriter(char* out) : begin_(out), end_(out) {}

    bool is_empty() const { return end_ == begin_; }
    std::string_view bytes() const { return {begin_, static_cast<std::size_t>(end_ - begin_)}; }
    std::uint32_t tokens() const { return tokens_; }
    // The last byte tells the kind of the last token.
    char last_byte() const { return is_empty() ? '\0' : end_[-1]; }

    // A word's bytes are written by the caller, in lower case, to here.
    char* end() { return end_; }
    void end_word(char* end) { end_token(end, kEndOfWord); }
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
        *end_++ = kRaw;
        const auto size = static_cast<std::uint32_t>(literal.size());
        std::memcpy(end_, &size, sizeof(size));
        end_ += sizeof(size);
        put(literal);
    }

    // Bits of LiteralKind.
    void put_literal(unsigned kind) {
        // The upper bit is set, so that no other token ends like this one.
        const char kinds[2] = {static_cast<char>(0x80U | (kind >> 7)),
                               static_cast<char>(0x80U | (kind & 0x7FU))};
        if (comma_end_ == end_) {
            end_ = joinable_end_;
            comma_end_ = nullptr;
            --tokens_;
            return join_kinds(end_ - 2, kinds);
        }
        const bool is_operand = last_byte() == kEndOfOperator;
        *end_++ = kLiterals;
        put({kinds, 2});
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
    void end_token(char* end, char mark) {
        *end = mark;
        end_ = end + 1;
        ++tokens_;
    }

    // "(literals)" behind another, if there is only a comma between them.
    void join_row() {
        constexpr std::ptrdiff_t kSize = 5;
        if (joinable_end_ != end_ - 1 || end_ - begin_ < kSize) return;
        char* const open = end_ - kSize;
        if (*open != '(' || open[1] != kLiterals) return;
        if (open != begin_ && open[-1] == kEndOfOperator) return;
        if (open != begin_ && open[-1] == ',' && row_end_ == open - 1) {
            join_kinds(row_end_ - 3, open + 2);
            end_ = row_end_;
            tokens_ -= 4;
            joinable_end_ = nullptr;
            comma_end_ = nullptr;
        }
        row_end_ = end_;
    }

    static void join_kinds(char* kinds, const char* more) {
        kinds[0] = static_cast<char>(kinds[0] | more[0]);
        kinds[1] = static_cast<char>(kinds[1] | more[1]);
    }

    char* const begin_;
    char* end_;
    char* joinable_end_ = nullptr;  // Behind literals that others may join,
    char* comma_end_ = nullptr;     // the comma behind them,
    char* row_end_ = nullptr;       // "(literals)" that others may join.
    std::uint32_t tokens_ = 0;
};

}  // namespace pgweir::sql
