// SPDX-License-Identifier: PostgreSQL
// PostgreSQL is the judge: the verifiers are what PostgreSQL 15 stored for these passwords.
#include "auth/saslprep.h"

#include <doctest/doctest.h>

#include <string>

#include "support.h"

namespace pgweir::auth {

namespace {

bool postgres_agrees(std::string_view password, const std::string& verifier_text) {
    ScramVerifier verifier;
    REQUIRE(ScramVerifier::parse("SCRAM-SHA-256$4096:" + verifier_text, verifier));
    return verifier_accepts(verifier, password);
}

}  // namespace

TEST_CASE("ASCII stays as it is, control characters too") {
    for (const std::string_view text : {"", "pencil", "  a b ", "a\tb\x7f"}) {
        CHECK(saslprep(text).reveal() == text);
    }
}

TEST_CASE("PostgreSQL prepares these passwords in the same way") {
    // Größe
    CHECK(
        postgres_agrees("Gr\xc3\xb6\xc3\x9f"
                        "e",
                        "SyQSOrhcm98PQFNIYdpfgg==$ksSokoLucauK2cDboMiHpCgAdAZztSKzrobCNHxrmGs=:"
                        "mMB3rEFyWGheoHJccJHeIL/X8iTLnFbqh3ld51NcftY="));
    // A soft hyphen is mapped to nothing.
    CHECK(postgres_agrees("I\xc2\xadX",
                          "s5dAt1AJyf1qUAsB27y4RA==$iQ+RDRqNOXCRO4/frlukhv8IfYYgDh7bhkrTvCw6s/E=:"
                          "lCgw/H0msok+xIvLm5dvdKGbbSIcM2VGuAUh3rhZP+0="));
    // o, dot below, circumflex.
    const std::string marks =
        "sLOC8nWPpkbo8hBPZGlRPw==$kbPGRLvhkjbKaWQ1Ny0xqEb6c+b2YiG+0oFoY++LFNw=:"
        "UE/h/yGcKrOPx6Ktg+S1aYHNsGD7JU03n/9SvJ9PcAk=";
    CHECK(postgres_agrees("o\xcc\xa3\xcc\x82ne", marks));
    CHECK(postgres_agrees("o\xcc\x82\xcc\xa3ne", marks));
    CHECK(postgres_agrees("\xe1\xbb\x99ne", marks));
    // Compatibility characters: feminine ordinal, superscript two, one half, acute, full-width A.
    CHECK(postgres_agrees("\xc2\xaa\xc2\xb2\xc2\xbd\xc2\xb4x\xef\xbc\xa1",
                          "uaDfdGkpkNWrpXhKW4FHuA==$PnUg7Saaq+vH60VPv0gta7CQ5F1d66qllMardr/mm+Y=:"
                          "yLo9gllXsVs7bNUc6z41jJ6kZfALy3s7l6olFOejo34="));
    // No-break space and zero-width space.
    CHECK(
        postgres_agrees("a\xc2\xa0"
                        "b\xe2\x80\x8b"
                        "c",
                        "DQ+PvXrCvuUaVkrVah5j8g==$i22pjZih659jgm6K2DhNvMLs/SsSL6UYHsKX9p5t9g0=:"
                        "919ak2Sb56PrnP7D00WpaRw+C94qCJnMmO18bVsPjaQ="));
    // A prohibited character: used as it is.
    CHECK(postgres_agrees("\xc3\xa9\x07",
                          "Pabzo3gv7GfCL49W0Tf9cw==$deqoehChyJ2v5lajaceibtdNdf0ntquaZzv9GkQu94M=:"
                          "YX7gO6MIJgf5/6hNER20DYP7qzBs0QcqHan1BXZtirI="));
}

TEST_CASE("what is no UTF-8 stays as it is") {
    for (const std::string_view text : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\x80",
                                        "\xf4\x90\x80\x80", "\xe2\x82", "\xf8\x88\x80\x80\x80"}) {
        CHECK(saslprep(text).reveal() == text);
    }
    CHECK(saslprep("\xc2\xad").reveal() == "\xc2\xad");  // Would become empty.
}

TEST_CASE("a long text of combining marks costs nothing") {
    std::string text;
    while (text.size() < 100'000) text += "\xcd\x85\xcc\xa7";
    CHECK(saslprep(text).reveal() == text);
}

}  // namespace pgweir::auth
