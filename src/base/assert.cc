// SPDX-License-Identifier: PostgreSQL
#include "pgweir/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace pgweir {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "pgweir: assertion failed at %s:%d: %s\n", file, line, condition);
    std::fflush(stderr);
    std::abort();
}

}  // namespace pgweir
