// SPDX-License-Identifier: PostgreSQL
// SCRAM against itself: both roles, keys, channel binding. The hostile cases are in
// scram_server_test.cc and scram_client_test.cc.
#include "pgweir/auth/scram.h"

#include <doctest/doctest.h>

#include "support.h"

namespace pgweir::auth {

namespace {

struct Outcome {
    bool client_done = false;
    bool server_done = false;
    std::string_view mechanism;
    ScramKeys keys;
};

Outcome exchange(ScramClient& client, ScramServer& server) {
    Outcome outcome;
    const auto initial = client.first(server.mechanisms());
    if (!initial) return outcome;
    outcome.mechanism = initial->mechanism;
    const auto server_first = server.first(initial->mechanism, initial->client_first);
    if (!server_first) return outcome;
    const auto client_final = client.challenge(*server_first);
    if (!client_final) return outcome;
    const auto server_final = server.final(*client_final);
    if (!server_final) return outcome;
    outcome.server_done = server.is_done();
    if (server.is_done()) outcome.keys = server.keys();
    outcome.client_done = client.finish(*server_final).ok() && client.is_done();
    return outcome;
}

Outcome log_in(std::variant<PlainPassword, ScramKeys> secret, Bytes client_binding = {},
               Bytes server_binding = {}, ChannelBinding policy = ChannelBinding::Prefer) {
    SeededEntropy entropy;
    ScramClient client({std::move(secret), std::move(client_binding), policy}, entropy);
    ScramServer server(pencil_verifier(), ScramServer::Subject::Known, std::move(server_binding),
                       entropy);
    return exchange(client, server);
}

}  // namespace

TEST_CASE("the right password passes, both sides know each other") {
    const Outcome outcome = log_in(plain(kPencil));
    CHECK(outcome.client_done);
    CHECK(outcome.server_done);
    CHECK(outcome.mechanism == kScramSha256);
}

TEST_CASE("a wrong or empty password does not pass") {
    for (const std::string_view password : {"Pencil", "pencil ", "penci", ""}) {
        CAPTURE(password);
        CHECK_FALSE(log_in(plain(password)).server_done);
    }
}

TEST_CASE("the keys that an exchange brought to light log in where the same verifier is stored") {
    const Outcome first = log_in(plain(kPencil));
    REQUIRE(first.server_done);
    const Outcome second = log_in(first.keys);
    CHECK(second.client_done);
    CHECK(second.keys.client_key.matches(first.keys.client_key));
}

TEST_CASE("keys of another verifier of the same password do not log in") {
    const ScramKeys other = derive_scram_keys(kPencil, as_bytes("another salt"), 4096);
    CHECK_FALSE(log_in(other).server_done);
}

TEST_CASE("with channel binding on both sides PLUS is chosen, and the binding must be the same") {
    const Bytes ours = bytes_of("hash of our certificate");
    const Outcome outcome = log_in(plain(kPencil), ours, ours, ChannelBinding::Require);
    CHECK(outcome.client_done);
    CHECK(outcome.mechanism == kScramSha256Plus);

    const Bytes theirs = bytes_of("hash of a man in the middle");
    CHECK_FALSE(log_in(plain(kPencil), theirs, ours).server_done);
}

TEST_CASE("a client without channel binding may log in without it, unless it requires it") {
    const Bytes ours = bytes_of("hash of our certificate");
    CHECK(log_in(plain(kPencil), {}, ours).mechanism == kScramSha256);
    CHECK(log_in(plain(kPencil), {}, ours).client_done);
    CHECK(log_in(plain(kPencil), ours, ours, ChannelBinding::Disable).mechanism == kScramSha256);
    CHECK_FALSE(log_in(plain(kPencil), {}, ours, ChannelBinding::Require).client_done);
    CHECK_FALSE(log_in(plain(kPencil), ours, {}, ChannelBinding::Require).client_done);
}

TEST_CASE("a server that offers no PLUS to a client that could is told so, and may go on") {
    CHECK(log_in(plain(kPencil), bytes_of("hash"), {}).client_done);
}

TEST_CASE("an unknown user goes all steps and fails at the end, even with the matching keys") {
    SeededEntropy entropy;
    ScramClient client({plain(kPencil), {}}, entropy);
    ScramServer server(pencil_verifier(), ScramServer::Subject::Mock, {}, entropy);
    const auto initial = client.first(server.mechanisms());
    const auto server_first = server.first(initial->mechanism, initial->client_first);
    REQUIRE(server_first);
    const auto server_final = server.final(*client.challenge(*server_first));
    REQUIRE_FALSE(server_final);
    CHECK(server_final.error().error == ScramError::WrongProof);
    CHECK_FALSE(server.is_done());
}

TEST_CASE("an unknown user's salt is his own, always the same, and another with another key") {
    const ScramVerifier verifier = mock_verifier(key_of(1), "alice");
    CHECK(verifier.salt.size() == kScramSaltBytes);
    CHECK(verifier.salt == mock_salt(key_of(1), "alice"));
    CHECK(verifier.iterations == kScramIterations);
    CHECK(verifier.salt != mock_salt(key_of(1), "bob"));
    CHECK(verifier.salt != mock_salt(key_of(2), "alice"));
}

TEST_CASE("nonces differ from login to login") {
    SeededEntropy entropy;
    ScramClient one({plain(kPencil), {}}, entropy);
    ScramClient two({plain(kPencil), {}}, entropy);
    CHECK(one.first({kScramSha256})->client_first != two.first({kScramSha256})->client_first);
}

TEST_CASE("derived keys are remembered, up to a number, by password, salt and iterations") {
    ScramKeyCache cache(2);
    const Bytes salt = bytes_of("0123456789abcdef");
    const ScramKeys first = cache.keys("a", salt, 10);
    CHECK(first.client_key.matches(derive_scram_keys("a", salt, 10).client_key));
    CHECK(cache.keys("a", salt, 10).client_key.matches(first.client_key));
    CHECK(cache.size() == 1);
    CHECK_FALSE(cache.keys("a", salt, 11).client_key.matches(first.client_key));
    CHECK_FALSE(cache.keys("b", salt, 10).client_key.matches(first.client_key));
    CHECK(cache.size() == 2);
    CHECK(cache.keys("a", salt, 10).client_key.matches(first.client_key));
    cache.clear();
    CHECK(cache.size() == 0);
    ScramKeyCache none(0);
    CHECK(none.keys("a", salt, 10).client_key.matches(first.client_key));
}

}  // namespace pgweir::auth
