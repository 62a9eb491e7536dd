// SPDX-License-Identifier: PostgreSQL
// The words at the front of a statement, where the grammar is not worth asking.
#pragma once

#include <string>
#include <string_view>

namespace pgweir::session {

// Takes the next word off `text`, in lower case; white space, comments and semicolons are passed
// over. Empty if something else stands there.
std::string next_word(std::string_view& text);

}  // namespace pgweir::session
