// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/cancel_keys.h"

#include <doctest/doctest.h>

#include <vector>

#include "pgweir/base/random.h"

namespace pgweir::auth {

namespace {

constexpr std::string_view kSecret = "a secret that all instances share";

Bytes random_secret(Random& random, std::size_t size) {
    Bytes secret(size);
    random.fill(secret);
    return secret;
}

}  // namespace

TEST_CASE("every instance reads whose key it is, keys of both lengths") {
    Random random(1);
    for (const std::size_t peers : {2, 3, 5, 8, 32}) {
        for (std::size_t own = 0; own < peers; ++own) {
            const CancelKeys maker(kSecret, peers, own);
            const CancelKeys reader(kSecret, peers, peers - 1 - own);
            for (const std::size_t size : {4, 32}) {
                Bytes secret = random_secret(random, size);
                const auto process_id = static_cast<std::uint32_t>(random.next());
                maker.mark(process_id, secret);
                CHECK(maker.owner(process_id, secret) == own);
                CHECK(reader.owner(process_id, secret) == own);
            }
        }
    }
}

TEST_CASE("a key says nothing to who does not know the secret") {
    Random random(2);
    const CancelKeys maker(kSecret, 2, 1);
    const CancelKeys stranger("another secret", 2, 0);
    int read = 0;
    int ones = 0;
    for (std::uint32_t i = 0; i < 2000; ++i) {
        Bytes secret = random_secret(random, 4);
        maker.mark(i, secret);
        read += stranger.owner(i, secret) == std::size_t{1} ? 1 : 0;
        ones += secret[0] & 1;
    }
    CHECK(read > 800);
    CHECK(read < 1200);
    CHECK(ones > 800);
    CHECK(ones < 1200);
}

TEST_CASE("only as many bits as there are instances are taken from chance") {
    Random random(3);
    const CancelKeys keys(kSecret, 3, 0);
    for (std::uint32_t i = 0; i < 100; ++i) {
        const Bytes before = random_secret(random, 4);
        Bytes after = before;
        keys.mark(i, after);
        CHECK((before[0] & ~3) == (after[0] & ~3));
        CHECK(Bytes(before.begin() + 1, before.end()) == Bytes(after.begin() + 1, after.end()));
    }
}

TEST_CASE("alone, keys are chance and everything is one's own") {
    const CancelKeys alone;
    Bytes secret{1, 2, 3, 4};
    alone.mark(7, secret);
    CHECK(secret == Bytes{1, 2, 3, 4});
    CHECK(alone.is_own(*alone.owner(7, secret)));
    CHECK_FALSE(alone.unwrap(7, Bytes(36, 1)));
}

TEST_CASE("a request that was handed over is known by its tag, and by nothing else") {
    const CancelKeys sender(kSecret, 3, 0);
    const CancelKeys receiver(kSecret, 3, 2);
    const Bytes secret{1, 2, 3, 4};
    const Bytes wrapped = sender.wrap(7, secret);
    REQUIRE(receiver.unwrap(7, wrapped));
    CHECK(Bytes(receiver.unwrap(7, wrapped)->begin(), receiver.unwrap(7, wrapped)->end()) ==
          secret);
    CHECK_FALSE(receiver.unwrap(8, wrapped));
    CHECK_FALSE(receiver.unwrap(7, secret));
    CHECK_FALSE(receiver.unwrap(7, Bytes(32, 1)));
    CHECK_FALSE(CancelKeys("another secret", 3, 2).unwrap(7, wrapped));
    for (std::size_t i = 0; i < wrapped.size(); ++i) {
        Bytes changed = wrapped;
        changed[i] ^= 1;
        CHECK_FALSE(receiver.unwrap(7, changed));
        CHECK_FALSE(receiver.unwrap(7, ByteView(wrapped).first(i)));
    }
}

}  // namespace pgweir::auth
