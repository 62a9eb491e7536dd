// SPDX-License-Identifier: PostgreSQL
// RESET goes back to what the login asked for, as in a session that has its server to itself.
#include <doctest/doctest.h>

#include "unit/session/conversation.h"

namespace pgweir::session {

namespace {

namespace c = testing::client;
namespace s = testing::server;

ParameterSet at_login() {
    ParameterSet set;
    set.put("TimeZone", "Europe/Berlin", true);
    set.put("work_mem", "1234kB", false);
    return set;
}

ParameterSet by_itself() {
    ParameterSet set;
    set.put("TimeZone", "GMT", true);
    return set;
}

// The client has a server, with all that the login asked for.
struct Berliner : Conversation {
    Berliner() : Conversation({}, statement_hash, at_login(), by_itself()) {
        client_says(c::query("BEGIN"));
        CHECK(brings_both(asked()));
        server_says(settings());
        server_says(s::complete("BEGIN") + s::ready('T'));
        client_says(c::query("COMMIT"));
        asked();
        heard();
    }
    static Said settings() {
        return s::complete("SET") + s::complete("SET") + s::status("TimeZone", "Europe/Berlin") +
               s::ready();
    }
    static bool brings_both(const std::string& asked) {
        return asked.find("Europe/Berlin") != std::string::npos &&
               asked.find("1234kB") != std::string::npos;
    }
};

}  // namespace

TEST_CASE_FIXTURE(Berliner,
                  "a RESET restores what the login asked for, and is no news if it was so") {
    client_says(c::query("RESET ALL"));
    CHECK(asked() == "Q(RESET ALL)");
    server_says(s::complete("COMMIT") + s::ready());
    heard();
    SUBCASE("nothing was changed before") {
        server_says(s::complete("RESET") + s::status("TimeZone", "GMT") + s::ready());
        CHECK(heard() == "C(RESET) Z(I)");
    }
    SUBCASE("DISCARD ALL") {
        server_says(s::complete("DISCARD ALL") + s::status("TimeZone", "GMT") + s::ready());
        CHECK(heard() == "C(DISCARD ALL) Z(I)");
    }
    CHECK(brings_both(asked()));
    CHECK_FALSE(server.is_ready());
    server_says(settings());
    CHECK(heard() == "");
    CHECK(server.is_ready());
    CHECK(client.wanted()->find("TimeZone")->value == "Europe/Berlin");
}

TEST_CASE_FIXTURE(Berliner, "what was set since the login is told as it was then") {
    server_says(s::complete("COMMIT") + s::ready());
    client_says(c::query("SET timezone TO 'Asia/Tokyo'"));
    server_says(s::complete("SET") + s::status("TimeZone", "Asia/Tokyo") + s::ready());
    client_says(c::query("RESET timezone"));
    heard();
    asked();
    server_says(s::complete("RESET") + s::status("TimeZone", "GMT") + s::ready());
    CHECK(heard() == "C(RESET) S(TimeZone,Europe/Berlin) Z(I)");
    CHECK(brings_both(asked()));
}

TEST_CASE_FIXTURE(Berliner, "in a transaction the settings wait for its end") {
    server_says(s::complete("COMMIT") + s::ready());
    client_says(c::query("BEGIN") + c::query("RESET ALL"));
    server_says(s::complete("BEGIN") + s::ready('T') + s::complete("RESET") +
                s::status("TimeZone", "GMT") + s::ready('T'));
    asked();
    client_says(c::query("COMMIT"));
    CHECK(asked() == "Q(COMMIT)");
    server_says(s::complete("COMMIT") + s::ready());
    CHECK(brings_both(asked()));
}

TEST_CASE_FIXTURE(Berliner, "what is set behind the RESET stays set") {
    server_says(s::complete("COMMIT") + s::ready());
    client_says(c::query("RESET ALL; SET timezone TO 'Asia/Tokyo'"));
    asked();
    heard();
    server_says(s::complete("RESET") + s::complete("SET") + s::status("TimeZone", "Asia/Tokyo") +
                s::ready());
    CHECK(heard() == "C(RESET) C(SET) S(TimeZone,Asia/Tokyo) Z(I)");
    const std::string brought = asked();
    CHECK(brought.find("1234kB") != std::string::npos);
    CHECK(brought.find("Berlin") == std::string::npos);
}

}  // namespace pgweir::session
