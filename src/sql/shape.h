// SPDX-License-Identifier: PostgreSQL
// The shape of a text: its tokens, with literals folded to their kinds, white space and comments
// dropped, unquoted words in lower case. Texts of one shape have one verdict.
//
// The bytes of a shape can be read back token by token; shape_text.h writes them for people and
// for the grammar:
//   word            letters, kEndOfWord         (unquoted identifier or key word)
//   operator        characters, kEndOfOperator  (a run of them, as it stands)
//   ( ) [ ] , ; . : themselves
//   ::  :=          kCast, kAssign
//   quoted name     as it stands, with its quotes, kEndOfWord
//   literals        kLiterals, kinds:2          (one, or a list of them between commas)
//   literal as it is  kRaw, size:4, characters (only where it may decide about a verdict, below)
//
// What folds, and why it can't change a verdict. The grammar walk asks for the names of functions,
// types, operators and relations, and for the kinds of statements and clauses; a literal is none of
// these. A list of literals is as good as its first with the kinds of the others, and ROW-like
// lists as good as the first. Three exceptions, which don't fold:
//   - A minus in front of a number is part of it, in front of anything else an operator. So it is
//     part of the literal only where the number stands alone between brackets or commas, and what
//     an operator stands in front of joins no list.
//   - set_config() and current_setting() are judged by their arguments: from these words on
//     literals stay as they are. So it is behind U&"…", whose UESCAPE is a literal.
//   - A national string is a cast to a type, so it is a kind of its own; NULL, TRUE, FALSE and
//     DEFAULT are key words of the grammar, and each a kind of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "pgweir/sql/verdict.h"

namespace pgweir::sql {

// Kinds of literals, as bits: a list has several.
enum LiteralKind : std::uint16_t {
    kInteger = 1U << 0,
    kDecimal = 1U << 1,
    kNegative = 1U << 2,  // Beside one of the two before.
    kString = 1U << 3,    // '…', $$…$$, U&'…'.
    kEscaped = 1U << 4,   // E'…'.
    kNational = 1U << 5,  // N'…'.
    kBits = 1U << 6,      // B'…'.
    kHexBits = 1U << 7,   // X'…'.
    kParameter = 1U << 8,
    kNull = 1U << 9,
    kTrue = 1U << 10,
    kFalse = 1U << 11,
    kDefault = 1U << 12,
};

inline constexpr char kEndOfWord = 1;
inline constexpr char kEndOfOperator = 2;
inline constexpr char kLiterals = 3;
inline constexpr char kRaw = 4;
inline constexpr char kCast = 5;
inline constexpr char kAssign = 6;

struct Shape {
    std::string_view bytes;  // Of the reader; until it reads again.
    Hints hints;
    // Something that no grammar takes, or that might mean something else to another lexer than it
    // means to this one.
    bool is_odd = false;
    std::uint32_t tokens = 0;

    bool is_empty() const { return bytes.empty(); }
};

class ShapeReader {
 public:
    struct Options {
        bool standard_conforming_strings = true;
        bool is_ascii_transparent = true;
    };
    // Allocates only for a text that is longer than all before.
    Shape read(std::string_view text, Options options);

    std::size_t bytes() const { return room_; }

 private:
    void make_room(std::size_t text_bytes);

    std::unique_ptr<char8_t[]> buffer_;
    std::size_t room_ = 0;
};

}  // namespace pgweir::sql
