// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/password.h"

#include <doctest/doctest.h>

#include "support.h"

namespace pgweir::auth {

TEST_CASE("the md5 hash is what PostgreSQL stores") {
    // Role m, password "secret", stored by PostgreSQL 15.
    const auto hash = md5_hash("secret", "m");
    REQUIRE(hash);
    CHECK(hash->hex.reveal() == "b52328d7451bfeace80c4b8c338106f9");
}

TEST_CASE("the md5 response is the hash hashed again with the salt") {
    const Md5Salt salt{0x01, 0x02, 0x00, 0xff};
    const auto response = make_md5_response(*md5_hash("secret", "m"), salt);
    REQUIRE(response);
    CHECK(response->size() == 35);
    CHECK(*response == "md5b12a4d577523eead00738b668024aa4a");
    CHECK(md5_response_matches(*parse_secret("md5b52328d7451bfeace80c4b8c338106f9"), "m", salt,
                               *response));
    CHECK(md5_response_matches(plain("secret"), "m", salt, *response));
    CHECK_FALSE(md5_response_matches(plain("secret"), "m", Md5Salt{1, 2, 3, 4}, *response));
    CHECK_FALSE(md5_response_matches(plain("secret"), "n", salt, *response));
    CHECK_FALSE(md5_response_matches(plain("Secret"), "m", salt, *response));
}

TEST_CASE("an md5 response cut at any byte matches nothing") {
    const Md5Salt salt{1, 2, 3, 4};
    const std::string response = *make_md5_response(*md5_hash("secret", "m"), salt);
    for (std::size_t n = 0; n < response.size(); ++n) {
        CHECK_FALSE(md5_response_matches(plain("secret"), "m", salt, response.substr(0, n)));
    }
    CHECK_FALSE(md5_response_matches(plain("secret"), "m", salt, response + "0"));
}

TEST_CASE("an md5 response can't match a SCRAM verifier or an empty password") {
    const Md5Salt salt{1, 2, 3, 4};
    const std::string of_pencil = *make_md5_response(*md5_hash(kPencil, "m"), salt);
    CHECK_FALSE(md5_response_matches(pencil_verifier(), "m", salt, of_pencil));
    const std::string of_nothing = *make_md5_response(*md5_hash("", "m"), salt);
    CHECK_FALSE(md5_response_matches(PlainPassword{}, "m", salt, of_nothing));
}

TEST_CASE("a password in clear is checked against every kind of secret") {
    const Secret md5 = *parse_secret("md5b52328d7451bfeace80c4b8c338106f9");
    CHECK(password_matches(plain("secret"), "m", "secret"));
    CHECK(password_matches(md5, "m", "secret"));
    CHECK(password_matches(pencil_verifier(), "m", kPencil));
    for (const std::string_view wrong : {"", "secre", "secret ", "Secret", "pencil2"}) {
        CAPTURE(wrong);
        CHECK_FALSE(password_matches(plain("secret"), "m", wrong));
        CHECK_FALSE(password_matches(md5, "m", wrong));
        CHECK_FALSE(password_matches(pencil_verifier(), "m", wrong));
    }
}

TEST_CASE("what is stored is not itself the password") {
    const std::string_view hash = "md5b52328d7451bfeace80c4b8c338106f9";
    CHECK_FALSE(password_matches(*parse_secret(hash), "m", hash));
    CHECK_FALSE(password_matches(*parse_secret(hash), "m", hash.substr(3)));
    CHECK_FALSE(password_matches(pencil_verifier(), "m", kPencilVerifier));
}

TEST_CASE("an empty password matches nothing, not even an empty one") {
    CHECK_FALSE(password_matches(PlainPassword{}, "m", ""));
    CHECK_FALSE(password_matches(Md5Hash{*md5_hash("", "m")}, "m", ""));
}

}  // namespace pgweir::auth
