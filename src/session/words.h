// SPDX-License-Identifier: PostgreSQL
// The words at the front of a statement, where the grammar is not worth asking.
#pragma once

#include <string>
#include <string_view>

namespace pgweir::session {

// White space, comments (they nest) and semicolons.
void skip_blanks(std::string_view& text);

// Takes the next word off `text`, in lower case; white space, comments and semicolons are passed
// over. Empty if something else stands there.
std::string next_word(std::string_view& text);

// A name as PostgreSQL reads it: folded to lower case unless it is quoted. Empty if none stands
// there.
struct Identifier {
    std::string text;
    bool is_quoted = false;
};
Identifier next_identifier(std::string_view& text);

}  // namespace pgweir::session
