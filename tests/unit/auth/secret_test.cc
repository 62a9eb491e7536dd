// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/secret.h"

#include <doctest/doctest.h>

#include <new>
#include <sstream>
#include <type_traits>

#include "support.h"

namespace pgweir::auth {

namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
    out << value;
};

}  // namespace

TEST_CASE("a verifier that PostgreSQL wrote is read, and written again as it was") {
    ScramVerifier verifier;
    REQUIRE(ScramVerifier::parse(kPencilVerifier, verifier));
    CHECK(verifier.iterations == 4096);
    CHECK(verifier.salt.size() == 16);
    CHECK(verifier.format() == kPencilVerifier);
    CHECK(verifier_accepts(verifier, kPencil));
    CHECK_FALSE(verifier_accepts(verifier, "Pencil"));
    CHECK_FALSE(verifier_accepts(verifier, ""));
}

TEST_CASE("a verifier cut at any byte is none") {
    ScramVerifier verifier;
    for (std::size_t n = 0; n < kPencilVerifier.size(); ++n) {
        CAPTURE(n);
        CHECK_FALSE(ScramVerifier::parse(kPencilVerifier.substr(0, n), verifier));
    }
    CHECK_FALSE(ScramVerifier::parse(std::string(kPencilVerifier) + " ", verifier));
}

TEST_CASE("a verifier with an impossible iteration count or salt is none") {
    ScramVerifier verifier;
    const std::string keys(kPencilVerifier.substr(kPencilVerifier.find('$', 20)));
    for (const std::string front :
         {"0:YWJj", "-1:YWJj", "+1:YWJj", " 1:YWJj", "4096x:YWJj", "2147483648:YWJj",
          "99999999999:YWJj", ":YWJj", "4096:", "4096:YW"}) {
        CAPTURE(front);
        CHECK_FALSE(ScramVerifier::parse("SCRAM-SHA-256$" + front + keys, verifier));
    }
    CHECK(ScramVerifier::parse("SCRAM-SHA-256$1:YWJj" + keys, verifier));
}

TEST_CASE("a stored secret is known by its form") {
    CHECK(kind_of(*parse_secret("wonderland")) == SecretKind::Plain);
    CHECK(kind_of(*parse_secret(kPencilVerifier)) == SecretKind::Scram);
    CHECK(kind_of(*parse_secret("md5b52328d7451bfeace80c4b8c338106f9")) == SecretKind::Md5);
    // One digit less, or one that is none: a password that only looks like a hash.
    CHECK(kind_of(*parse_secret("md5b52328d7451bfeace80c4b8c338106f")) == SecretKind::Plain);
    CHECK(kind_of(*parse_secret("md5b52328d7451bfeace80c4b8c338106fg")) == SecretKind::Plain);
    const auto upper = parse_secret("md5B52328D7451BFEACE80C4B8C338106F9");
    CHECK(std::get<Md5Hash>(*upper).hex.reveal() == "b52328d7451bfeace80c4b8c338106f9");
}

TEST_CASE("a broken verifier is not taken for a password, and the complaint does not quote it") {
    const auto broken = parse_secret(kPencilVerifier.substr(0, 60));
    REQUIRE_FALSE(broken);
    CHECK(broken.error().find("SCRAM-SHA-256$iterations") != std::string::npos);
    CHECK(broken.error().find("fb/KVs") == std::string::npos);
    CHECK_FALSE(parse_secret(""));
    CHECK_FALSE(parse_secret(std::string_view("a\0b", 3)));
}

TEST_CASE("a secret leaves nothing behind in its memory") {
    alignas(SecretKey) unsigned char room[sizeof(SecretKey)];
    auto* key = new (room) SecretKey(key_of(0x5a));
    CHECK(room[0] == 0x5a);
    key->~SecretKey();
    // Volatile: to the compiler the room holds nothing any more, and it may answer as it likes.
    const volatile unsigned char* left = room;
    bool clean = true;
    for (std::size_t i = 0; i < sizeof(room); ++i) clean = clean && left[i] == 0;
    CHECK(clean);
}

TEST_CASE("a text that was moved from or wiped is empty") {
    SecretText one("wonderland");
    SecretText other(std::move(one));
    CHECK(one.empty());  // NOLINT(bugprone-use-after-move)
    CHECK(other.reveal() == "wonderland");
    one = other;
    CHECK(one.reveal() == "wonderland");
    one = std::move(other);
    CHECK(other.empty());  // NOLINT(bugprone-use-after-move)
    one.wipe();
    CHECK(one.empty());
}

TEST_CASE("secrets can't be printed") {
    CHECK_FALSE(Printable<SecretText>);
    CHECK_FALSE(Printable<SecretKey>);
    CHECK_FALSE(Printable<Secret>);
    CHECK_FALSE(Printable<ScramVerifier>);
    CHECK_FALSE(std::is_convertible_v<SecretText, std::string_view>);
}

TEST_CASE("comparison in constant time compares") {
    CHECK(equal_in_constant_time(as_bytes(""), as_bytes("")));
    CHECK(equal_in_constant_time(as_bytes("abc"), as_bytes("abc")));
    CHECK_FALSE(equal_in_constant_time(as_bytes("abc"), as_bytes("abd")));
    CHECK_FALSE(equal_in_constant_time(as_bytes("abc"), as_bytes("ab")));
}

}  // namespace pgweir::auth
