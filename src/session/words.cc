// SPDX-License-Identifier: PostgreSQL
#include "session/words.h"

namespace pgweir::session {

std::string next_word(std::string_view& text) {
    for (;;) {
        while (!text.empty() &&
               (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r') || text[0] == ';')) {
            text.remove_prefix(1);
        }
        if (text.starts_with("--")) {
            const std::size_t end = text.find('\n');
            text.remove_prefix(end == std::string_view::npos ? text.size() : end);
        } else if (text.starts_with("/*")) {
            const std::size_t end = text.find("*/", 2);
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
        } else {
            break;
        }
    }
    std::string word;
    while (!text.empty()) {
        char c = text[0];
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if ((c < 'a' || c > 'z') && c != '_') break;
        word += c;
        text.remove_prefix(1);
    }
    return word;
}

}  // namespace pgweir::session
