// SPDX-License-Identifier: PostgreSQL
// A shape as a text: for people, and for the grammar.
#pragma once

#include <string>
#include <string_view>

namespace pgweir::sql {

// "select * from t where id = ? and kind in (?)"; parameters are $. Ends with "…" if it would be
// longer than `bytes_max`.
std::string text_of_shape(std::string_view shape, std::size_t bytes_max);

// A statement of this shape, each literal a plain one of its kind, each list of literals as long
// as it has kinds. Its verdict is that of every text of this shape.
std::string sql_of_shape(std::string_view shape);

// The same with the last token as a string, if the shape is SET pgweir.NAME = word. The grammar
// takes no reserved word there, and one of pgweir's values is such: primary. Empty for any other
// shape.
std::string own_set_of_shape(std::string_view shape);

}  // namespace pgweir::sql
