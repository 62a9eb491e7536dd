// SPDX-License-Identifier: PostgreSQL
// What pgweir promises itself. On in release builds: better dead than rows to the wrong client.
#pragma once

namespace pgweir {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace pgweir

#define PGWEIR_ASSERT(condition)        \
    ((condition) ? static_cast<void>(0) \
                 : ::pgweir::assertion_failed(#condition, __FILE__, __LINE__))
