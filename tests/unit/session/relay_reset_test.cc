// SPDX-License-Identifier: PostgreSQL
// RESET, by a client or by pgweir itself: what is believed of a server's settings afterwards, and
// what a client finds: what its login asked for, as in a session that has its server to itself.
#include <doctest/doctest.h>

#include "unit/session/conversation.h"

namespace pgweir::session {

namespace {

namespace c = testing::client;
namespace s = testing::server;

Said result() {
    return s::row() + s::complete("SELECT 1");
}

// A second client of the same worker.
struct Other {
    explicit Other(Conversation& talk)
        : client(ClientId{2}, talk.rules(), talk.statements(), talk.parameters(),
                 talk.parameters().empty_set()) {}
    ClientSession client;
};

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

TEST_CASE("a RESET leaves nothing to the next client of what pgweir has set for this one") {
    Conversation talk;
    ParameterSet wanted;
    wanted.put("search_path", "mine", false);
    wanted.put("work_mem", "1MB", false);
    talk.client.set_wanted(talk.parameters().intern(wanted));
    const std::string settings =
        "SELECT pg_catalog.set_config(E'search_path',E'mine',false);"
        "SELECT pg_catalog.set_config(E'work_mem',E'1MB',false);";
    talk.client_says(c::query("SELECT 1"));
    CHECK(talk.asked() == "Q(" + settings + ") Q(SELECT 1)");
    const Said were_set = s::columns() + result() + s::columns() + result() + s::ready();
    talk.server_says(were_set + s::columns() + result() + s::ready());

    // One of them, or all: the tag is the same.
    talk.client_says(c::query("RESET work_mem"));
    talk.server_says(s::complete("RESET") + s::ready());
    CHECK(talk.asked() == "Q(RESET work_mem) Q(" + settings + ")");
    talk.server_says(were_set);
    Other other(talk);
    talk.lend_server_to(other.client, c::query("SELECT 2"),
                        s::complete("RESET") + s::complete("RESET") + s::ready() + s::columns() +
                            result() + s::ready());
    CHECK(talk.asked() == R"(Q(RESET "search_path";RESET "work_mem";) Q(SELECT 2))");

    // And it gets its own again, once.
    talk.client_says(c::query("SELECT 3"));
    CHECK(talk.asked() == "Q(" + settings + ") Q(SELECT 3)");
    talk.server_says(were_set + s::columns() + result() + s::ready());
    talk.client_says(c::query("SELECT 4"));
    CHECK(talk.asked() == "Q(SELECT 4)");
}

TEST_CASE("pgweir's own RESET does not make it forget what it has set in the same breath") {
    Conversation talk;
    Other other(talk);
    ParameterSet theirs;
    theirs.put("work_mem", "1MB", false);
    other.client.set_wanted(talk.parameters().intern(theirs));
    const Said was_set = s::columns() + result() + s::ready();
    talk.lend_server_to(other.client, c::query("SELECT 1"),
                        was_set + s::columns() + result() + s::ready());
    talk.asked();
    ParameterSet mine;
    mine.put("search_path", "mine", false);
    talk.client.set_wanted(talk.parameters().intern(mine));
    talk.client_says(c::query("SELECT 2"));
    CHECK(talk.asked() ==
          "Q(RESET \"work_mem\";SELECT pg_catalog.set_config(E'search_path',E'mine',false);) "
          "Q(SELECT 2)");
    talk.server_says(s::complete("RESET") + was_set + s::columns() + result() + s::ready());
    Other third(talk);
    talk.lend_server_to(third.client, c::query("SELECT 3"),
                        s::complete("RESET") + s::ready() + s::columns() + result() + s::ready());
    CHECK(talk.asked() == R"(Q(RESET "search_path";) Q(SELECT 3))");
}

TEST_CASE("what pgweir resets before a client's session has begun leaves no doubt of the rest") {
    Conversation talk;
    ParameterSet actual;
    actual.put("work_mem", "1MB", false);
    talk.server.set_parameters(talk.parameters().intern(actual));
    talk.server.send_query("RESET search_path", Asker::Settings, talk.effects());
    talk.server_says(s::complete("RESET") + s::ready());
    CHECK(*talk.server.parameters() == actual);
}

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
