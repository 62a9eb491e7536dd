// SPDX-License-Identifier: PostgreSQL
// What a byte can begin or go on with, by PostgreSQL's lexical structure (the manual, section 4.1,
// and PostgreSQL 15's scan.l for the corners).
#pragma once

#include <array>
#include <cstdint>

namespace pgweir::sql {

enum class Class : std::uint8_t {
    Other,     // Begins no token: the grammar refuses it.
    Space,     // Blank, tab, newline, carriage return, form feed.
    Letter,    // Begins an identifier: letters, the underscore, every byte above 0x7F.
    Digit,     // Begins a number, goes on with an identifier.
    Dollar,    // Goes on with an identifier, begins a parameter or a dollar quote.
    Operator,  // Part of an operator; '/' and '-' may begin a comment, too.
    Self,      // Stands for itself: ( ) [ ] , ;
    Dot,
    Colon,
    Quote,
    DoubleQuote,
};

namespace detail {

constexpr std::array<Class, 256> make_classes() {
    std::array<Class, 256> classes{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (is_letter || c >= 0x80) classes[c] = Class::Letter;
        if (c >= '0' && c <= '9') classes[c] = Class::Digit;
    }
    for (const char c : {' ', '\t', '\n', '\r', '\f'}) {
        classes[static_cast<unsigned char>(c)] = Class::Space;
    }
    for (const char c :
         {'~', '!', '@', '#', '^', '&', '|', '`', '?', '+', '-', '*', '/', '%', '<', '>', '='}) {
        classes[static_cast<unsigned char>(c)] = Class::Operator;
    }
    for (const char c : {'(', ')', '[', ']', ',', ';'}) {
        classes[static_cast<unsigned char>(c)] = Class::Self;
    }
    classes['$'] = Class::Dollar;
    classes['.'] = Class::Dot;
    classes[':'] = Class::Colon;
    classes['\''] = Class::Quote;
    classes['"'] = Class::DoubleQuote;
    return classes;
}

constexpr std::array<std::uint8_t, 256> make_lower() {
    std::array<std::uint8_t, 256> lower{};
    for (unsigned c = 0; c < 256; ++c) {
        lower[c] = static_cast<std::uint8_t>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return lower;
}

// What an identifier goes on with, in lower case; 0 where it ends.
constexpr std::array<std::uint8_t, 256> make_goes_on() {
    std::array<std::uint8_t, 256> goes_on{};
    const auto classes = make_classes();
    const auto lower = make_lower();
    for (unsigned c = 0; c < 256; ++c) {
        const Class it = classes[c];
        const bool is_part = it == Class::Letter || it == Class::Digit || it == Class::Dollar;
        goes_on[c] = is_part ? lower[c] : std::uint8_t{0};
    }
    return goes_on;
}

}  // namespace detail

inline constexpr std::array<Class, 256> kClass = detail::make_classes();
inline constexpr std::array<std::uint8_t, 256> kLower = detail::make_lower();
inline constexpr std::array<std::uint8_t, 256> kGoesOn = detail::make_goes_on();

inline Class class_of(char c) {
    return kClass[static_cast<std::uint8_t>(c)];
}
inline bool is_digit(char c) {
    return class_of(c) == Class::Digit;
}
inline bool is_letter(char c) {
    return class_of(c) == Class::Letter;
}
inline bool is_space(char c) {
    return class_of(c) == Class::Space;
}
inline bool is_operator(char c) {
    return class_of(c) == Class::Operator;
}
// ASCII only, as PostgreSQL folds identifiers in every multi-byte encoding.
inline char lower(char c) {
    return static_cast<char>(kLower[static_cast<std::uint8_t>(c)]);
}

}  // namespace pgweir::sql
