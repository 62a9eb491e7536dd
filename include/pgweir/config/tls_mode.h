// SPDX-License-Identifier: PostgreSQL
// How much TLS is wanted on a connection: libpq's sslmode values, with libpq's meaning.
#pragma once

#include <cstdint>

namespace pgweir {

enum class TlsMode : std::uint8_t { Disable, Allow, Prefer, Require, VerifyCa, VerifyFull };

}  // namespace pgweir
