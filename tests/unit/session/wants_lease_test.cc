// SPDX-License-Identifier: PostgreSQL
// Whether a unit wants a server can be told from its head: never otherwise than by a pass over it.
#include <doctest/doctest.h>

#include "unit/session/conversation.h"

namespace pgweir::session {

namespace {

Need need_of(ClientSession& client, ByteView bytes) {
    EffectList effects;
    const Step step = client.consume(bytes, Source::Event, nullptr, effects);
    CHECK(step.consumed == 0);
    return step.need;
}

Bytes message(int tag, std::uint32_t length, std::size_t there) {
    Bytes bytes(there, 0);
    if (there > 0) bytes[0] = static_cast<Byte>(tag);
    if (there >= 5) store_u32(bytes.data() + 1, length);
    return bytes;
}

}  // namespace

TEST_CASE("what wants a lease by its head wants one by a pass") {
    SessionRules rules;
    rules.message_bytes_max = 4000;
    Conversation talk(rules);
    std::size_t told = 0;
    for (int tag = 0; tag < 256; ++tag) {
        for (const std::uint32_t length :
             {0U, 3U, 4U, 5U, 90U, 3999U, 4000U, 10001U, 0x80000000U}) {
            for (const std::size_t there : {1U, 4U, 5U, 6U, 91U, 4000U, 4001U, 11000U}) {
                const Bytes bytes = message(tag, length, there);
                if (!talk.client.wants_lease(bytes)) continue;
                ++told;
                CHECK(need_of(talk.client, bytes) == Need::Lease);
            }
        }
    }
    CHECK(told > 100);
}

TEST_CASE("a whole short Query wants a lease by its head, a part of one does not") {
    Conversation talk;
    CHECK(talk.client.wants_lease(message('Q', 20, 21)));
    CHECK_FALSE(talk.client.wants_lease(message('Q', 20, 20)));
    CHECK_FALSE(talk.client.wants_lease(message('S', 4, 5)));
}

}  // namespace pgweir::session
