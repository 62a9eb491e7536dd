// SPDX-License-Identifier: PostgreSQL
// What a comment in front of a text says to pgweir: /* pgweir: primary, consistency=strong */.
#pragma once

#include <string_view>

#include "pgweir/sql/verdict.h"

namespace pgweir::sql {

// Adds what the inside of one comment says to `hints`; most comments say nothing. Once something
// is wrong, only `is_wrong` is left of the hints.
void read_hints(std::string_view comment, Hints& hints);

}  // namespace pgweir::sql
