// SPDX-License-Identifier: PostgreSQL
// Known vectors for what authentication takes from libcrypto, and for base64.
#include "auth/crypto.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "auth/scram_grammar.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

TEST_CASE("base64 goes there and back as in RFC 4648") {
    struct Vector {
        std::string_view plain;
        std::string_view encoded;
    };
    constexpr Vector kVectors[] = {{"", ""},
                                   {"f", "Zg=="},
                                   {"fo", "Zm8="},
                                   {"foo", "Zm9v"},
                                   {"foob", "Zm9vYg=="},
                                   {"fooba", "Zm9vYmE="},
                                   {"foobar", "Zm9vYmFy"},
                                   {"n,,", "biws"},
                                   {"y,,", "eSws"}};
    for (const Vector& vector : kVectors) {
        CAPTURE(vector.encoded);
        CHECK(base64_encode(as_bytes(vector.plain)) == vector.encoded);
        const auto decoded = base64_decode(vector.encoded);
        REQUIRE(decoded);
        CHECK(as_text(*decoded) == vector.plain);
    }
}

TEST_CASE("base64 that is not exactly base64 is refused") {
    for (const std::string_view text :
         {"Z", "Zg", "Zg=", "Zg===", "=Zg=", "Z===", "====", "Zm9v=", "Zm9v\n", " Zm9v", "Zm 9",
          "Zm9-", "Zm9_", "Zh==", "Zm9=", "Zg==Zg==", "Zm\x80v"}) {
        CAPTURE(text);
        CHECK_FALSE(base64_decode(text));
    }
    CHECK_FALSE(base64_decode(std::string_view("Zm9\0", 4)));
}

TEST_CASE("md5, SHA-256 and HMAC give the published values") {
    CHECK(md5_hex(as_bytes("abc"))->reveal() == "900150983cd24fb0d6963f7d28e17f72");
    CHECK(base64_encode(sha256(as_bytes("abc")).reveal()) ==
          "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    // RFC 4231, test case 2.
    CHECK(base64_encode(
              hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")).reveal()) ==
          "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
}

TEST_CASE("the exchange of RFC 7677 comes out as it is printed there") {
    const std::string client_first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
    const std::string server_first =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const std::string without_proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const std::string auth_message = client_first_bare + ',' + server_first + ',' + without_proof;

    const Bytes salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
    const ScramKeys keys = derive_scram_keys("pencil", salt, 4096);
    const ScramVerifier verifier = make_verifier(keys, salt, 4096);

    const SecretKey signature = hmac_sha256(verifier.stored_key.reveal(), as_bytes(auth_message));
    CHECK(base64_encode(exclusive_or(keys.client_key, signature).reveal()) ==
          "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    CHECK(base64_encode(hmac_sha256(keys.server_key.reveal(), as_bytes(auth_message)).reveal()) ==
          "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST_CASE("an attribute ends at its comma and needs its name") {
    std::string_view rest = "r=abc,s=,i=1";
    CHECK(take_attribute(rest, 'r') == "abc");
    CHECK(take_attribute(rest, 's') == "");
    CHECK_FALSE(take_attribute(rest, 'x'));
    CHECK(rest == "i=1");
    CHECK(take_attribute(rest, 'i') == "1");
    CHECK(rest.empty());
    char name = 0;
    for (std::string_view broken : {"", "r", "=a", "1=a", "rr=a", ",r=a"}) {
        CAPTURE(broken);
        CHECK_FALSE(take_any_attribute(broken, name));
    }
}

}  // namespace pgweir::auth
