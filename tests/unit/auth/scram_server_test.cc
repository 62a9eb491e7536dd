// SPDX-License-Identifier: PostgreSQL
// Hostile and broken clients.
#include <doctest/doctest.h>

#include "auth/crypto.h"
#include "auth/scram_grammar.h"
#include "pgweir/auth/scram.h"
#include "support.h"

namespace pgweir::auth {

namespace {

const Bytes kBinding = bytes_of("hash of our certificate");

ScramServer make_server(Entropy& entropy, const Bytes& binding = {}) {
    return ScramServer(pencil_verifier(), ScramServer::Subject::Known, binding, entropy);
}

// What becomes of this client-first; nothing if it is accepted.
std::optional<ScramError> error_of_first(std::string_view mechanism, std::string_view message,
                                         const Bytes& binding = {}) {
    SeededEntropy entropy;
    ScramServer server = make_server(entropy, binding);
    const auto result = server.first(mechanism, message);
    if (result) return std::nullopt;
    CHECK_FALSE(server.first(kScramSha256, "n,,n=,r=abc"));  // No second try.
    return result.error().error;
}

// A client that can be told to send nonsense: the client-final for `server_first`.
struct Forger {
    std::string nonce = "abcdef";
    std::string gs2_header = "n,,";
    std::string binding_data;

    std::string client_first() const { return gs2_header + "n=,r=" + nonce; }
    std::string without_proof(std::string_view server_first) const {
        const std::string_view full = server_first.substr(2, server_first.find(',') - 2);
        return "c=" + channel_binding_attribute(gs2_header, as_bytes(binding_data)) +
               ",r=" + std::string(full);
    }
    std::string proof(std::string_view server_first, std::string_view signed_part) const {
        const ScramVerifier verifier = pencil_verifier();
        const ScramKeys keys = derive_scram_keys(kPencil, verifier.salt, verifier.iterations);
        const std::string message =
            "n=,r=" + nonce + ',' + std::string(server_first) + ',' + std::string(signed_part);
        const SecretKey signature =
            hmac_sha256(sha256(keys.client_key.reveal()).reveal(), as_bytes(message));
        return base64_encode(exclusive_or(keys.client_key, signature).reveal());
    }
};

// What becomes of the client-final that `make` builds from the server-first.
template <typename Make>
std::optional<ScramError> error_of_final(Make make, const Forger& forger = {},
                                         std::string_view mechanism = kScramSha256,
                                         const Bytes& binding = {}) {
    SeededEntropy entropy;
    ScramServer server = make_server(entropy, binding);
    const auto server_first = server.first(mechanism, forger.client_first());
    REQUIRE(server_first);
    const auto result = server.final(make(forger, std::string_view(*server_first)));
    CHECK(result.ok() == server.is_done());
    if (result) return std::nullopt;
    return result.error().error;
}

std::string honest_final(const Forger& forger, std::string_view server_first) {
    const std::string signed_part = forger.without_proof(server_first);
    return signed_part + ",p=" + forger.proof(server_first, signed_part);
}

}  // namespace

TEST_CASE("an honest client-first passes, with or without a user name and extensions") {
    for (const std::string_view message :
         {"n,,n=,r=abc", "n,,n=user,r=abc", "y,,n=,r=abc", "n,,n=,r=abc,x=extension,y=another"}) {
        CAPTURE(message);
        CHECK_FALSE(error_of_first(kScramSha256, message));
    }
}

TEST_CASE("a malformed client-first is refused") {
    for (const std::string_view message : {"",
                                           "n",
                                           "n,",
                                           "n,,",
                                           "n,,n",
                                           "n,,n=",
                                           "n,,n=,",
                                           "n,,n=,r=",
                                           "n,,n=,r=,x=1",
                                           "n,,r=abc",
                                           "x,,n=,r=abc",
                                           "N,,n=,r=abc",
                                           "nn,,n=,r=abc",
                                           ",,n=,r=abc",
                                           "n;,n=,r=abc",
                                           "n,x,n=,r=abc",
                                           "n,,n=,r=a\x01",
                                           "n,,n=,r=a b",
                                           "n,,n=,r=\xc3\xa9",
                                           "n,,n=,r=abc,1=x",
                                           "n,,n=,r=abc,junk",
                                           "p=,,n=,r=abc"}) {
        CAPTURE(message);
        const auto error = error_of_first(kScramSha256, message);
        REQUIRE(error);
        CHECK(*error == ScramError::Malformed);
    }
}

TEST_CASE("zero bytes in a client-first are refused") {
    CHECK(error_of_first(kScramSha256, std::string_view("n,,n=,r=a\0b", 11)));
    CHECK(error_of_first(kScramSha256, std::string_view("n,,n=,r=ab\0", 11)));
    CHECK(error_of_first(kScramSha256, std::string_view("\0", 1)));
}

TEST_CASE("a nonce of 1 KiB passes, one byte more does not, 64 KiB neither") {
    const auto with_nonce = [](std::size_t n) { return "n,,n=,r=" + std::string(n, 'a'); };
    CHECK_FALSE(error_of_first(kScramSha256, with_nonce(kScramNonceBytesMax)));
    CHECK(error_of_first(kScramSha256, with_nonce(kScramNonceBytesMax + 1)));
    CHECK(error_of_first(kScramSha256, with_nonce(65536)));
}

TEST_CASE("what SCRAM has and PostgreSQL has not is named") {
    CHECK(error_of_first(kScramSha256, "n,a=root,n=,r=abc") == ScramError::NotSupported);
    CHECK(error_of_first(kScramSha256, "n,,m=ext,n=,r=abc") == ScramError::NotSupported);
}

TEST_CASE("a mechanism that was not offered is refused") {
    for (const std::string_view name :
         {"", "SCRAM-SHA-1", "scram-sha-256", "PLAIN", "SCRAM-SHA-2566"}) {
        CHECK(error_of_first(name, "n,,n=,r=abc"));
    }
    CHECK(error_of_first(kScramSha256Plus, "p=tls-server-end-point,,n=,r=abc"));
}

TEST_CASE("y where PLUS was offered is a downgrade") {
    CHECK(error_of_first(kScramSha256, "y,,n=,r=abc", kBinding) == ScramError::ChannelBinding);
    CHECK_FALSE(error_of_first(kScramSha256, "n,,n=,r=abc", kBinding));
}

TEST_CASE("mechanism and channel binding flag must agree, and the type be ours") {
    CHECK(error_of_first(kScramSha256Plus, "n,,n=,r=abc", kBinding));
    CHECK(error_of_first(kScramSha256Plus, "y,,n=,r=abc", kBinding));
    CHECK(error_of_first(kScramSha256, "p=tls-server-end-point,,n=,r=abc", kBinding));
    CHECK_FALSE(error_of_first(kScramSha256Plus, "p=tls-server-end-point,,n=,r=abc", kBinding));
    for (const std::string_view type :
         {"tls-unique", "tls-exporter", "", "tls-server-end-pointx"}) {
        CAPTURE(type);
        CHECK(error_of_first(kScramSha256Plus, "p=" + std::string(type) + ",,n=,r=abc", kBinding) ==
              ScramError::ChannelBinding);
    }
}

TEST_CASE("an honest client-final passes, with extensions too") {
    CHECK_FALSE(error_of_final(honest_final));
    CHECK_FALSE(error_of_final([](const Forger& forger, std::string_view server_first) {
        const std::string signed_part = forger.without_proof(server_first) + ",x=extension";
        return signed_part + ",p=" + forger.proof(server_first, signed_part);
    }));
}

TEST_CASE("a client-final cut at any byte is refused, and so is one that goes on") {
    SeededEntropy sizing;
    const std::size_t size = [&] {
        ScramServer server = make_server(sizing);
        const Forger forger;
        return honest_final(forger, *server.first(kScramSha256, forger.client_first())).size();
    }();
    for (std::size_t n = 0; n < size; ++n) {
        CAPTURE(n);
        CHECK(error_of_final([n](const Forger& forger, std::string_view server_first) {
            return honest_final(forger, server_first).substr(0, n);
        }));
    }
    for (const std::string_view more : {",", ",x=1", " ", "=", "A"}) {
        CAPTURE(more);
        CHECK(error_of_final([more](const Forger& forger, std::string_view server_first) {
                  return honest_final(forger, server_first) + std::string(more);
              }) == ScramError::Malformed);
    }
    CHECK(error_of_final([](const Forger& forger, std::string_view server_first) {
        return honest_final(forger, server_first) + std::string(1, '\0');
    }));
}

TEST_CASE("a proof that is empty, of the wrong length, no base64 or wrong is refused") {
    const auto with_proof = [](std::string_view proof) {
        return error_of_final([proof](const Forger& forger, std::string_view server_first) {
            return forger.without_proof(server_first) + ",p=" + std::string(proof);
        });
    };
    CHECK(with_proof("") == ScramError::Malformed);
    CHECK(with_proof("YWJj") == ScramError::Malformed);
    CHECK(with_proof(std::string(64, 'A')) == ScramError::Malformed);
    CHECK(with_proof(std::string(43, 'A') + "*") == ScramError::Malformed);
    CHECK(with_proof(std::string(43, 'A') + "=") == ScramError::WrongProof);
    CHECK(with_proof(base64_encode(Bytes(31, 7))) == ScramError::Malformed);
    CHECK(with_proof(base64_encode(Bytes(33, 7))) == ScramError::Malformed);
}

TEST_CASE("another channel binding, nonce, order or a mandatory extension is refused") {
    const auto with_front = [](std::string (*front)(const std::string& nonce)) {
        return error_of_final([front](const Forger& forger, std::string_view server_first) {
            const std::string nonce(server_first.substr(2, server_first.find(',') - 2));
            const std::string signed_part = front(nonce);
            return signed_part + ",p=" + forger.proof(server_first, signed_part);
        });
    };
    using Text = const std::string&;
    CHECK_FALSE(with_front([](Text nonce) { return "c=biws,r=" + nonce; }));
    CHECK(with_front([](Text nonce) { return "c=eSws,r=" + nonce; }) == ScramError::Malformed);
    CHECK(with_front([](Text nonce) { return "c=,r=" + nonce; }) == ScramError::Malformed);
    CHECK(with_front([](Text nonce) { return "c=biws====,r=" + nonce; }) == ScramError::Malformed);
    CHECK(with_front([](Text nonce) { return "r=" + nonce + ",c=biws"; }) == ScramError::Malformed);
    CHECK(with_front([](Text nonce) { return "r=" + nonce; }) == ScramError::Malformed);
    CHECK(with_front([](Text nonce) { return "c=biws,r=" + nonce + "x"; }) ==
          ScramError::Malformed);
    // As long as ours, and signed by who knows the password.
    CHECK(with_front([](Text nonce) {
              return "c=biws,r=" + std::string(nonce.rbegin(), nonce.rend());
          }) == ScramError::Malformed);
    CHECK(with_front([](Text) { return std::string("c=biws,r=abcdef"); }) == ScramError::Malformed);
    CHECK(with_front([](Text) { return std::string("c=biws,r="); }) == ScramError::Malformed);
    CHECK(with_front([](Text) { return std::string("c=biws"); }) == ScramError::Malformed);
    CHECK(with_front([](Text nonce) { return "c=biws,r=" + nonce + ",m=x"; }) ==
          ScramError::NotSupported);
}

TEST_CASE("channel binding data of another certificate is refused") {
    Forger forger;
    forger.gs2_header = "p=tls-server-end-point,,";
    forger.binding_data = to_string(kBinding);
    CHECK_FALSE(error_of_final(honest_final, forger, kScramSha256Plus, kBinding));
    forger.binding_data = "hash of another certificate";
    CHECK(error_of_final(honest_final, forger, kScramSha256Plus, kBinding) ==
          ScramError::ChannelBinding);
    forger.binding_data = "";
    CHECK(error_of_final(honest_final, forger, kScramSha256Plus, kBinding) ==
          ScramError::ChannelBinding);
}

TEST_CASE("messages out of turn fail, and nothing can be tried twice") {
    SeededEntropy entropy;
    ScramServer early = make_server(entropy);
    CHECK_FALSE(early.final("c=biws,r=abc,p="));
    CHECK_FALSE(early.first(kScramSha256, "n,,n=,r=abc"));

    const Forger forger;
    ScramServer server = make_server(entropy);
    const auto server_first = server.first(kScramSha256, forger.client_first());
    REQUIRE(server_first);
    const std::string right = honest_final(forger, *server_first);
    std::string wrong = right;
    wrong[wrong.size() - 10] = wrong[wrong.size() - 10] == 'A' ? 'B' : 'A';
    CHECK_FALSE(server.final(wrong));
    CHECK_FALSE(server.final(right));
    CHECK_FALSE(server.is_done());
}

TEST_CASE("a huge message is refused before it is looked at") {
    CHECK(
        error_of_first(kScramSha256, "n,,n=" + std::string(kScramMessageBytesMax, 'u') + ",r=abc"));
    CHECK(error_of_final([](const Forger& forger, std::string_view server_first) {
        const std::string signed_part =
            forger.without_proof(server_first) + ",x=" + std::string(kScramMessageBytesMax, 'x');
        return signed_part + ",p=" + forger.proof(server_first, signed_part);
    }));
}

}  // namespace pgweir::auth
