// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/tls_choice.h"

#include <doctest/doctest.h>

namespace pgweir::session {

namespace {

ServerLoginFailure refused(std::string_view sqlstate, bool was_tls) {
    return {.sqlstate = std::string(sqlstate),
            .message = "no pg_hba.conf entry",
            .is_from_server = true,
            .was_tls = was_tls,
            .is_refused_by_us = false};
}

}  // namespace

TEST_CASE("allow begins in clear and goes on with TLS, prefer the other way round") {
    TlsChoice allow;
    CHECK(allow.mode_for(TlsMode::Allow) == TlsMode::Disable);
    CHECK(allow.goes_on(TlsMode::Allow, TlsMode::Disable, refused("28000", false)));
    CHECK(allow.mode_for(TlsMode::Allow) == TlsMode::Require);

    TlsChoice prefer;
    CHECK(prefer.mode_for(TlsMode::Prefer) == TlsMode::Prefer);
    CHECK(prefer.goes_on(TlsMode::Prefer, TlsMode::Prefer, refused("28000", true)));
    CHECK(prefer.mode_for(TlsMode::Prefer) == TlsMode::Disable);
}

TEST_CASE("every other mode is what it says, and has no second way") {
    for (const TlsMode mode :
         {TlsMode::Disable, TlsMode::Require, TlsMode::VerifyCa, TlsMode::VerifyFull}) {
        TlsChoice choice;
        CHECK(choice.mode_for(mode) == mode);
        CHECK_FALSE(choice.goes_on(mode, mode, refused("28000", true)));
        CHECK(choice.mode_for(mode) == mode);
    }
}

TEST_CASE("what worked is remembered until it is refused") {
    TlsChoice choice;
    choice.goes_on(TlsMode::Allow, TlsMode::Disable, refused("28000", false));
    choice.succeeded();
    CHECK(choice.mode_for(TlsMode::Allow) == TlsMode::Require);
    // The rules of the server have changed.
    CHECK(choice.goes_on(TlsMode::Allow, TlsMode::Require, refused("28000", true)));
    CHECK(choice.mode_for(TlsMode::Allow) == TlsMode::Disable);
}

TEST_CASE("two ways that are both refused are a refusal") {
    TlsChoice choice;
    CHECK(choice.goes_on(TlsMode::Allow, TlsMode::Disable, refused("28000", false)));
    CHECK_FALSE(choice.goes_on(TlsMode::Allow, TlsMode::Require, refused("28000", true)));
    // The next login begins anew.
    CHECK(choice.mode_for(TlsMode::Allow) == TlsMode::Disable);
    CHECK(choice.goes_on(TlsMode::Allow, TlsMode::Disable, refused("28000", false)));
}

TEST_CASE("a login that was under way when another one turned goes on, too") {
    TlsChoice choice;
    CHECK(choice.goes_on(TlsMode::Allow, TlsMode::Disable, refused("28000", false)));
    CHECK(choice.goes_on(TlsMode::Allow, TlsMode::Disable, refused("28000", false)));
    CHECK(choice.mode_for(TlsMode::Allow) == TlsMode::Require);
}

TEST_CASE("only what the server says of the connection, not of the user, has a second way") {
    TlsChoice choice;
    for (const std::string_view sqlstate : {"28P01", "3D000", "53300", "57P03", "08006", ""}) {
        CHECK_FALSE(choice.goes_on(TlsMode::Allow, TlsMode::Disable, refused(sqlstate, false)));
    }
    ServerLoginFailure ours = refused("28000", false);
    ours.is_from_server = false;
    CHECK_FALSE(choice.goes_on(TlsMode::Allow, TlsMode::Disable, ours));
    // It was told that there is no TLS, and went in clear at once.
    CHECK_FALSE(choice.goes_on(TlsMode::Prefer, TlsMode::Prefer, refused("28000", false)));
    CHECK(choice.mode_for(TlsMode::Allow) == TlsMode::Disable);
}

}  // namespace pgweir::session
