// SPDX-License-Identifier: PostgreSQL
// Helpers of the codec tests: bodies of written messages, and each body cut at every position.
#pragma once

#include <doctest/doctest.h>

#include "pgweir/base/bytes.h"

namespace pgweir::wire {

// The body of the one message in `message`, whose header must be right.
inline ByteView body_of(const Bytes& message, char tag) {
    REQUIRE(message.size() >= 5);
    CHECK(static_cast<char>(message[0]) == tag);
    REQUIRE(load_u32(message.data() + 1) == message.size() - 1);
    return ByteView(message).subspan(5);
}

// `read` must refuse every true prefix of `body`, and `body` with a byte too many. Each is copied
// to memory of its own size, so that the address sanitizer sees a read behind its end.
template <typename Read>
void refuses_when_cut(ByteView body, Read read) {
    for (std::size_t n = 0; n < body.size(); ++n) {
        CAPTURE(n);
        const Bytes cut(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
        CHECK_FALSE(read(ByteView(cut)));
    }
    Bytes longer(body.begin(), body.end());
    longer.push_back(0);
    CHECK_FALSE(read(ByteView(longer)));
}

}  // namespace pgweir::wire
