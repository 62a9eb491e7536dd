// SPDX-License-Identifier: PostgreSQL
#include "io/system_entropy.h"

#include <string.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

void ask_system(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        const ssize_t n = ::getrandom(out.data(), out.size(), 0);
        PGWEIR_ASSERT(n > 0 || errno == EINTR);
        if (n > 0) out = out.subspan(static_cast<std::size_t>(n));
    }
}

}  // namespace

void SystemEntropy::fill(std::span<std::uint8_t> out) {
    if (out.size() >= ready_.size()) return ask_system(out);
    if (left_ < out.size()) {
        ask_system(ready_);
        left_ = ready_.size();
    }
    std::uint8_t* from = ready_.data() + (left_ - out.size());
    std::copy_n(from, out.size(), out.data());
    ::explicit_bzero(from, out.size());
    left_ -= out.size();
}

}  // namespace pgweir::io
