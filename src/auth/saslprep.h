// SPDX-License-Identifier: PostgreSQL
// SASLprep (RFC 4013) of a password, as far as PostgreSQL's result can be had without the tables of
// Unicode: spaces become U+0020, characters that are "mapped to nothing" go, a letter and a
// combining mark become the one character that stands for both (Latin, Greek, Cyrillic), full-width
// ASCII becomes ASCII. A password that isn't UTF-8, that contains a prohibited character, or that
// would become empty is used as it is, byte for byte: PostgreSQL does the same. So is one of more
// than 1024 bytes, because the claims of strangers pass through here.
// Other compatibility characters (ligatures, Arabic presentation forms, conjoining Hangul …) stay
// as they are; only a password typed with those can differ from what PostgreSQL makes of it.
#pragma once

#include <string_view>

#include "pgweir/auth/secret.h"

namespace pgweir::auth {

SecretText saslprep(std::string_view password);

}  // namespace pgweir::auth
