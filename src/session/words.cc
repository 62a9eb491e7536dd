// SPDX-License-Identifier: PostgreSQL
#include "session/words.h"

#include <algorithm>

namespace pgweir::session {

namespace {

char folded(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Of a character that is folded.
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || c == '_';
}

bool is_of_identifier(char c, bool is_first) {
    const bool is_digit = c >= '0' && c <= '9';
    return is_letter(c) || static_cast<unsigned char>(c) >= 0x80 ||
           (!is_first && (is_digit || c == '$'));
}

std::size_t comment_bytes(std::string_view text) {
    std::size_t at = 2;
    for (int depth = 1; depth > 0 && at < text.size();) {
        const std::string_view rest = text.substr(at);
        const int step = rest.starts_with("/*") ? 1 : rest.starts_with("*/") ? -1 : 0;
        depth += step;
        at += step != 0 ? 2 : 1;
    }
    return std::min(at, text.size());
}

}  // namespace

void skip_blanks(std::string_view& text) {
    for (;;) {
        while (!text.empty() &&
               (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r') || text[0] == ';')) {
            text.remove_prefix(1);
        }
        if (text.starts_with("--")) {
            text.remove_prefix(std::min(text.find_first_of("\r\n"), text.size()));
        } else if (text.starts_with("/*")) {
            text.remove_prefix(comment_bytes(text));
        } else {
            return;
        }
    }
}

std::string next_word(std::string_view& text) {
    skip_blanks(text);
    std::string word;
    while (!text.empty() && is_letter(folded(text[0]))) {
        word += folded(text[0]);
        text.remove_prefix(1);
    }
    return word;
}

Identifier next_identifier(std::string_view& text) {
    skip_blanks(text);
    Identifier name;
    if (!text.starts_with('"')) {
        while (!text.empty() && is_of_identifier(folded(text[0]), name.text.empty())) {
            name.text += folded(text[0]);
            text.remove_prefix(1);
        }
        return name;
    }
    name.is_quoted = true;
    for (text.remove_prefix(1); !text.empty(); text.remove_prefix(1)) {
        if (text[0] != '"') {
            name.text += text[0];
            continue;
        }
        text.remove_prefix(1);
        if (!text.starts_with('"')) return name;  // Two of them are one.
        name.text += '"';
    }
    return {};  // It does not end.
}

}  // namespace pgweir::session
