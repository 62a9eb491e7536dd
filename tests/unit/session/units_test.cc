// SPDX-License-Identifier: PostgreSQL
// Units of a client whose reads are split: what is a read, what pgweir answers itself, and how a
// unit that a standby refuses or loses runs again, unseen.
#include <doctest/doctest.h>

#include <memory>

#include "unit/session/conversation.h"

namespace pgweir::session {

namespace {

namespace c = testing::client;
namespace s = testing::server;

const std::shared_ptr<const sql::Catalog>& catalog() {
    static const auto kCatalog = std::make_shared<const sql::Catalog>(
        1, std::vector<sql::Catalog::Row>{{.kind = 'r', .name = "t", .is_harmless = true},
                                          {.kind = 'f', .name = "count", .is_harmless = true},
                                          {.kind = 'f', .name = "own", .is_harmless = true},
                                          {.kind = 'o', .name = "=", .is_harmless = true}});
    return kCatalog;
}

// A client of a database with several nodes; its server is a standby until it is promoted.
struct Split {
    Split() { to_standby(); }

    Judge judge{{}, 1};
    SessionRules rules() {
        SessionRules rules;
        rules.split = {.judge = &judge, .catalog = catalog()};
        return rules;
    }
    Conversation talk{rules()};

    void to_standby() { talk.server_says(s::status("in_hot_standby", "on")); }
    void to_primary() { talk.server_says(s::status("in_hot_standby", "off")); }
    // What was taken back runs, now that there is a server for it.
    void go_on() { talk.client_says(ByteView{}); }
    const UnitRoute& route() { return talk.client.route(); }
};

Said batch(std::string_view sql, std::string_view name = {}) {
    return c::parse(name, sql) + c::bind(name) + c::execute() + c::sync();
}
Said answer() {
    return s::columns() + s::row() + s::complete("SELECT 1") + s::ready();
}
Unit judged(Split& split, ByteView bytes) {
    static const StatementRef kNone;
    static const ParameterSet kParameters;
    const SplitRules rules{.judge = &split.judge, .catalog = catalog()};
    return judge_unit(
        ByteView(bytes),
        {.rules = rules, .statements = nullptr, .unnamed = kNone, .parameters = kParameters});
}

}  // namespace

// --- What a unit is -----------------------------------------------------------------------------

TEST_CASE_FIXTURE(Split, "a unit is a read if everything in it is") {
    CHECK(judged(*this, c::query("SELECT 1")).facts.is_read);
    CHECK(judged(*this, c::query("SELECT 1; SELECT count(*) FROM t")).facts.is_read);
    CHECK_FALSE(judged(*this, c::query("SELECT 1; DELETE FROM t")).facts.is_read);
    CHECK(judged(*this, c::query("DELETE FROM t")).reason == sql::Reason::DataModification);
    CHECK(judged(*this, c::query("SELECT * FROM unknown")).reason == sql::Reason::UnknownRelation);
    CHECK(judged(*this, batch("SELECT 1")).facts.is_read);
    CHECK_FALSE(judged(*this, batch("DELETE FROM t")).facts.is_read);
}

TEST_CASE_FIXTURE(Split, "a batch that is not there whole is no read") {
    const Said whole = batch("SELECT 1");
    for (std::size_t n = 5; n < ByteView(whole).size(); ++n) {
        const ByteView part = ByteView(whole).first(n);
        if (load_u32(part.data() + 1) >= n) continue;  // Not even its first message.
        const Unit unit = judged(*this, part);
        CHECK_FALSE(unit.facts.is_whole);
        CHECK_FALSE(unit.facts.is_read);
    }
    CHECK(judged(*this, whole).facts.bytes == ByteView(whole).size());
}

TEST_CASE_FIXTURE(Split, "what a portal of an earlier batch would do is not known") {
    CHECK_FALSE(judged(*this, c::execute("p") + c::sync()).facts.is_read);
    CHECK(judged(*this, c::parse("", "SELECT 1") + c::bind("", "p") + c::execute("p") + c::sync())
              .facts.is_read);
}

TEST_CASE_FIXTURE(Split, "a batch that begins a transaction is a read only if that is READ ONLY") {
    const Unit plain =
        judged(*this, c::parse("", "BEGIN") + c::bind("") + c::execute() +
                          c::parse("", "SELECT 1") + c::bind("") + c::execute() + c::sync());
    CHECK_FALSE(plain.facts.is_read);
    const Unit read_only =
        judged(*this, c::parse("", "BEGIN READ ONLY") + c::bind("") + c::execute() +
                          c::parse("", "SELECT 1") + c::bind("") + c::execute() + c::sync());
    CHECK(read_only.facts.is_read);
    CHECK_FALSE(read_only.facts.only_reads);
    CHECK(read_only.facts.has_begin);
}

TEST_CASE_FIXTURE(Split, "a prepared statement is judged where it is bound") {
    talk.client_says(c::parse("a", "SELECT 1") + c::sync());
    CHECK(route().is_read);
    talk.server_says(s::parsed() + s::ready());
    talk.client_says(c::bind("a") + c::execute() + c::sync());
    CHECK(route().is_read);
    talk.server_says(s::bound() + s::row() + s::complete("SELECT 1") + s::ready());
    CHECK(talk.heard() == "1 Z(I) 2 D C(SELECT 1) Z(I)");
}

TEST_CASE_FIXTURE(Split, "a prepared statement is judged anew if a backslash means another thing") {
    const auto report = [this](std::string_view value) {
        talk.client_says(c::query("SELECT 1"));
        talk.server_says(s::status("standard_conforming_strings", value) + answer());
    };
    const auto is_read = [this] {
        talk.client_says(c::bind("a") + c::execute() + c::sync());
        talk.server_says(s::bound() + s::row() + s::complete("SELECT 1") + s::ready());
        return route().is_read;
    };
    report("on");
    // Two strings; or one, and a DELETE behind it.
    talk.client_says(c::parse("a", R"(SELECT '\', '; DELETE FROM t; --')") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    CHECK(is_read());
    report("off");
    CHECK_FALSE(is_read());
}

// --- BEGIN --------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Split, "BEGIN is answered at once, and sent with the first statement") {
    talk.client_says(c::query("BEGIN"));
    CHECK(talk.heard() == "C(BEGIN) Z(T)");
    CHECK(talk.asked() == "");
    CHECK(talk.client.has_deferred_begin());
    talk.client_says(c::query("SELECT 1"));
    CHECK_FALSE(route().is_read);
    CHECK(talk.asked() == "Q(BEGIN) Q(SELECT 1)");
    talk.server_says(s::complete("BEGIN") + s::ready('T') + s::columns() + s::row() +
                     s::complete("SELECT 1") + s::ready('T'));
    CHECK(talk.heard() == "T D C(SELECT 1) Z(T)");
}

TEST_CASE_FIXTURE(Split, "a transaction without a statement needs no server") {
    talk.client_says(c::query("START TRANSACTION") + c::query("COMMIT") + batch("BEGIN") +
                     c::sync() + c::query("ROLLBACK"));
    CHECK(talk.heard() ==
          "C(START TRANSACTION) Z(T) C(COMMIT) Z(I) 1 2 C(BEGIN) Z(T) Z(T) C(ROLLBACK) Z(I)");
    CHECK(talk.asked() == "");
}

TEST_CASE_FIXTURE(Split,
                  "a BEGIN with values, formats or a named portal is the server's to answer") {
    const auto begin_by = [](std::string_view bind) {
        return c::parse("", "BEGIN") + testing::message('B', bind) + c::execute() + c::sync();
    };
    using namespace std::string_view_literals;
    for (std::string_view bind : {"\0\0\0\2\0\0\0\0\0\0\0\0"sv,
                                  "\0\0\0\0\0\1\xff\xff\xff\xff\0\0"sv, "p\0\0\0\0\0\0\0\0"sv}) {
        Split split;
        split.talk.client_says(begin_by(bind));
        CHECK(split.talk.heard().empty());
        CHECK(split.talk.is_leased());
    }
    talk.client_says(begin_by("\0\0\0\1\0\0\0\0\0\1\0\1"sv));
    CHECK(talk.heard() == "1 2 C(BEGIN) Z(T)");
}

TEST_CASE_FIXTURE(Split, "a transaction that no server knows of fails by a malformed Flush") {
    talk.client_says(c::query("BEGIN"));
    talk.heard();
    talk.client_says(testing::message('H', "x") + c::sync() + c::query("SELECT 1"));
    CHECK(talk.heard() == "E(ERROR,08P01) Z(E) E(ERROR,25P02) Z(E)");
    talk.client_says(c::query("ROLLBACK"));
    CHECK(talk.heard() == "C(ROLLBACK) Z(I)");
    CHECK(talk.asked().empty());
}

TEST_CASE_FIXTURE(Split, "READ ONLY may be said behind BEGIN") {
    talk.client_says(c::query("BEGIN") + c::query("SET TRANSACTION READ ONLY"));
    CHECK(talk.heard() == "C(BEGIN) Z(T) C(SET) Z(T)");
    talk.client_says(c::query("SELECT 1"));
    CHECK(route().is_read);
    CHECK(talk.asked() == "Q(BEGIN\n;SET TRANSACTION READ ONLY) Q(SELECT 1)");
}

TEST_CASE_FIXTURE(Split, "a transaction that gets no server has failed") {
    talk.client_says(c::query("BEGIN"));
    talk.client.input().append(c::query("SELECT 1"));
    talk.client.refuse_unit({.reason = wire::RefusalReason::CancelledByUser}, talk.effects());
    talk.client_says(c::query("SELECT 1") + c::query("COMMIT"));
    CHECK(talk.heard() == "C(BEGIN) Z(T) E(ERROR,57014) Z(E) E(ERROR,25P02) Z(E) C(ROLLBACK) Z(I)");
}

// --- The held answer ----------------------------------------------------------------------------

TEST_CASE_FIXTURE(Split, "an answer is held until its first row") {
    talk.client_says(c::query("SELECT 1"));
    talk.server_says(s::columns());
    CHECK(talk.heard() == "");
    talk.server_says(s::row());
    CHECK(talk.heard() == "T D");
    talk.server_says(s::complete("SELECT 1") + s::ready());
    CHECK(talk.heard() == "C(SELECT 1) Z(I)");
    CHECK_FALSE(talk.server.replay().is_active());
}

TEST_CASE("what a standby refuses runs again, and the client never knows") {
    for (const char* sqlstate : {"25006", "0A000", "55000", "40001", "40P01"}) {
        CAPTURE(sqlstate);
        Split split;
        Conversation& talk = split.talk;
        talk.client_says(batch("SELECT 1"));
        const std::string first = talk.asked();
        talk.server_says(s::parsed() + s::bound());
        talk.server_says(s::error(sqlstate) + s::ready());
        CHECK(talk.heard() == "");
        CHECK(talk.refused == sqlstate);
        split.to_primary();
        split.go_on();
        CHECK(talk.asked() == first);
        talk.server_says(s::parsed() + s::bound() + s::row() + s::complete("SELECT 1") +
                         s::ready());
        CHECK(talk.heard() == "1 2 D C(SELECT 1) Z(I)");
    }
}

TEST_CASE_FIXTURE(Split, "an error that is the client's own is passed on") {
    for (const char* sqlstate : {"57014", "42P01", "22012"}) {
        talk.client_says(c::query("SELECT 1"));
        talk.server_says(s::error(sqlstate) + s::ready());
        CHECK(talk.heard() == "E(ERROR," + std::string(sqlstate) + ") Z(I)");
        CHECK(talk.refused.empty());
    }
}

TEST_CASE_FIXTURE(Split, "what the client has seen of an answer is never said again") {
    talk.client_says(c::query("SELECT 1"));
    talk.server_says(s::columns() + s::row());
    talk.server_says(s::error("40001") + s::ready());
    CHECK(talk.heard() == "T D E(ERROR,40001) Z(I)");
    CHECK(talk.refused.empty());
}

TEST_CASE_FIXTURE(Split, "reads behind one that is refused run again, too, in order") {
    talk.client_says(c::query("SELECT 1") + c::query("SELECT 2") + c::query("SELECT 3"));
    CHECK(talk.asked() == "Q(SELECT 1) Q(SELECT 2) Q(SELECT 3)");
    talk.server_says(answer() + s::error("25006") + s::ready() + answer());
    CHECK(talk.heard() == "T D C(SELECT 1) Z(I)");
    to_primary();
    go_on();
    CHECK(talk.asked() == "Q(SELECT 2) Q(SELECT 3)");
    talk.server_says(answer() + answer());
    CHECK(talk.heard() == "T D C(SELECT 1) Z(I) T D C(SELECT 1) Z(I)");
}

TEST_CASE_FIXTURE(Split,
                  "a Sync by itself among reads that are refused is answered once more, too") {
    talk.client_says(c::query("SELECT 1") + c::sync() + c::query("SELECT 2"));
    CHECK(talk.asked() == "Q(SELECT 1) S Q(SELECT 2)");
    talk.server_says(s::error("25006") + s::ready() + s::ready() + answer());
    CHECK(talk.heard() == "");
    to_primary();
    go_on();
    CHECK(talk.asked() == "Q(SELECT 1) S Q(SELECT 2)");
}

TEST_CASE_FIXTURE(Split, "a write that is pipelined behind a read waits for another server") {
    talk.client_says(c::query("SELECT 1") + c::query("DELETE FROM t"));
    CHECK(talk.asked() == "Q(SELECT 1)");
    talk.server_says(answer());
    CHECK(talk.asked() == "Q(DELETE FROM t)");
    CHECK_FALSE(route().is_read);
}

TEST_CASE_FIXTURE(Split, "a write behind reads does not go to their standby as it is promoted") {
    talk.client_says(c::query("SELECT 1") + c::query("SELECT 2") + c::query("DELETE FROM t"));
    CHECK(talk.asked() == "Q(SELECT 1) Q(SELECT 2)");
    // Whether the old primary can still be written to, nobody has seen to yet.
    talk.server_says(s::columns() + s::row() + s::complete("SELECT 1") +
                     s::status("in_hot_standby", "off") + s::ready());
    CHECK(talk.asked().empty());
    talk.server_says(answer());
    CHECK(talk.asked() == "Q(DELETE FROM t)");
    CHECK_FALSE(route().is_read);
}

TEST_CASE_FIXTURE(Split, "a statement that was refused is prepared anew where it runs again") {
    talk.client_says(batch("SELECT 1", "a"));
    talk.server_says(s::parsed() + s::error("25006") + s::ready());
    CHECK(talk.client.statement_count() == 0);
    to_primary();
    go_on();
    CHECK(talk.client.statement_count() == 1);
}

// --- Lost standbys ------------------------------------------------------------------------------

TEST_CASE_FIXTURE(Split, "a read whose standby is lost runs again") {
    talk.client_says(batch("SELECT 1"));
    talk.server_says(s::parsed() + s::bound());
    CHECK(talk.lose_server());
    CHECK(talk.heard() == "");
    CHECK(ByteView(talk.client.input().view()).size() == ByteView(batch("SELECT 1")).size());
}

TEST_CASE_FIXTURE(Split,
                  "rows that have been passed on make it an error; what is behind runs again") {
    talk.client_says(c::query("SELECT 1") + c::query("SELECT 2"));
    talk.server_says(s::columns() + s::row());
    CHECK(talk.lose_server());
    CHECK(talk.heard() == "T D E(ERROR,08006) Z(I)");
    CHECK(to_string(talk.client.input().view()) == to_string(ByteView(c::query("SELECT 2"))));
}

TEST_CASE_FIXTURE(Split, "a read-only transaction on a standby goes on behind a savepoint") {
    talk.client_says(c::query("BEGIN READ ONLY"));
    talk.client_says(c::query("SELECT 1"));
    talk.server_says(s::complete("BEGIN") + s::ready('T') + s::columns() + s::row() +
                     s::complete("SELECT 1") + s::ready('T'));
    talk.asked();
    for (const char* step : {"SAVEPOINT a", "ROLLBACK TO a", "SELECT 2", "COMMIT AND CHAIN"}) {
        talk.client_says(c::query(step));
        CHECK(talk.asked() == "Q(" + std::string(step) + ")");
        talk.server_says(s::complete("SAVEPOINT") + s::ready('T'));
    }
    talk.client_says(c::query("COMMIT"));
    CHECK(talk.asked() == "Q(COMMIT)");
}

TEST_CASE_FIXTURE(Split, "of a transaction that is lost on a standby nothing is unknown") {
    for (const char* end : {"COMMIT", "ROLLBACK"}) {
        Split split;
        split.talk.client_says(c::query("BEGIN READ ONLY"));
        split.talk.client_says(c::query("SELECT 1") + c::query(end));
        CHECK(split.talk.heard() == "C(BEGIN) Z(T)");
        CHECK(split.talk.lose_server());
        CHECK(split.talk.heard() == "E(ERROR,40001) Z(I) E(ERROR,40001) Z(I)");
        CHECK_FALSE(split.talk.client.is_in_lost_transaction());
    }
}

TEST_CASE_FIXTURE(Split, "a read whose primary is lost runs again, too") {
    to_primary();
    SUBCASE("simple") {
        talk.client_says(c::query("SELECT count(*) FROM t"));
    }
    SUBCASE("extended") {
        talk.client_says(batch("SELECT count(*) FROM t"));
    }
    SUBCASE("behind a read") {
        talk.client_says(c::query("SELECT 1") + c::query("SELECT count(*) FROM t"));
        talk.server_says(answer());
        CHECK(talk.heard() == "T D C(SELECT 1) Z(I)");
    }
    talk.server_says(talk.asked().starts_with("P") ? s::parsed() + s::bound() : s::columns());
    CHECK(talk.lose_server());
    CHECK(talk.heard() == "");
    CHECK_FALSE(talk.client.input().empty());
}

TEST_CASE_FIXTURE(Split, "what may have had an effect on the primary does not run again") {
    to_primary();
    SUBCASE("a write") {
        talk.client_says(c::query("DELETE FROM t"));
    }
    SUBCASE("a function of one's own, whatever it is declared to be") {
        talk.client_says(c::query("SELECT own()"));
    }
    SUBCASE("the same, in a batch") {
        talk.client_says(batch("SELECT own()"));
    }
    SUBCASE("a write behind a read") {
        talk.client_says(c::query("SELECT 1") + c::query("DELETE FROM t"));
    }
    SUBCASE("a read behind a write") {
        talk.client_says(c::query("DELETE FROM t") + c::query("SELECT 1"));
    }
    SUBCASE("a read of a session with state on its server") {
        talk.client_says(c::query("SET statement_timeout = 5"));
        talk.server_says(s::complete("SET") + s::ready());
        CHECK(talk.heard() == "C(SET) Z(I)");
        talk.client_says(c::query("SELECT 1"));
    }
    CHECK(talk.lose_server());
    CHECK(talk.heard().starts_with("E(ERROR,08007) Z(I)"));
    CHECK(talk.client.input().empty());
}

TEST_CASE_FIXTURE(Split, "the primary's own errors are the client's to hear") {
    to_primary();
    talk.client_says(c::query("SELECT 1"));
    talk.server_says(s::error("40001") + s::ready());
    CHECK(talk.heard() == "E(ERROR,40001) Z(I)");
}

// --- State and wishes ---------------------------------------------------------------------------

TEST_CASE_FIXTURE(Split, "a session with state on its server reads where it writes") {
    to_primary();
    talk.client_says(c::query("SET statement_timeout = 5"));
    talk.server_says(s::complete("SET") + s::ready());
    CHECK(talk.client.is_bound_to_primary());
    talk.client_says(c::query("SELECT 1"));
    CHECK_FALSE(route().is_read);
    talk.server_says(answer());
    talk.client_says(c::query("DISCARD ALL"));
    talk.server_says(s::complete("DISCARD ALL") + s::ready());
    CHECK_FALSE(talk.client.is_bound_to_primary());
}

TEST_CASE_FIXTURE(Split, "what PostgreSQL reports of a parameter follows the client") {
    talk.client.parameter_reported("TimeZone", "UTC");
    talk.client_says(c::query("SET timezone = 'Europe/Berlin'"));
    CHECK_FALSE(talk.client.is_bound_to_primary());
}

TEST_CASE_FIXTURE(Split, "hints and wishes are part of the route") {
    talk.client_says(c::query("/* pgweir: primary */ SELECT 1"));
    CHECK(route().hint == sql::RouteHint::Primary);
    talk.server_says(answer());
    talk.client.wish().has_consistency = true;
    talk.client.wish().consistency = sql::Consistency::Strong;
    talk.client_says(c::query("SELECT 1"));
    CHECK(route().consistency == sql::Consistency::Strong);
}

TEST_CASE_FIXTURE(Split, "pgweir's own parameters never reach a server") {
    talk.client_says(c::query("SET pgweir.consistency = 'strong'") +
                     batch("SET pgweir.consistency = 'strong'"));
    CHECK(talk.heard() == "C(SET) Z(I) 1 2 C(SET) Z(I)");
    CHECK(talk.asked() == "");
}

TEST_CASE_FIXTURE(Split, "a change of the schema is told once") {
    to_primary();
    talk.client_says(c::query("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"));
    CHECK(talk.client.take_schema_change());
    CHECK_FALSE(talk.client.take_schema_change());
}

}  // namespace pgweir::session
