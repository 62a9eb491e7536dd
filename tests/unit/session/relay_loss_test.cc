// SPDX-License-Identifier: PostgreSQL
// Servers that are lost or not found, and clients that are gone: who hears what.
#include <doctest/doctest.h>

#include "unit/session/conversation.h"

namespace pgweir::session {

namespace {

namespace c = testing::client;
namespace s = testing::server;

void prepare(Conversation& talk) {
    talk.client_says(c::parse("a", "SELECT 1") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    CHECK(talk.heard() == "1 Z(I)");
}

}  // namespace

// --- Servers that are lost --------------------------------------------------------------------

TEST_CASE("what a lost server leaves its client with") {
    struct Case {
        const char* name;
        Said said;
        Said answered;
        const char* heard;
        Said then;
        const char* then_heard;
    };
    const std::vector<Case> cases = {
        {"a statement of its own transaction may have been run",
         c::query("INSERT"),
         {},
         "E(ERROR,08007) Z(I)",
         {},
         ""},
        {"an implicit transaction may have been committed",
         c::parse("", "INSERT") + c::bind("") + c::execute() + c::sync(),
         {},
         "E(ERROR,08007) Z(I)",
         {},
         ""},
        {"a statement inside of a transaction has not been committed",
         c::query("BEGIN") + c::query("INSERT"), s::complete("BEGIN") + s::ready('T'),
         "C(BEGIN) Z(T) E(ERROR,40001) Z(E)", c::query("SELECT 1") + c::query("ROLLBACK"),
         "E(ERROR,25P02) Z(E) C(ROLLBACK) Z(I)"},
        {"a COMMIT may have been done",
         c::query("BEGIN") + c::query("COMMIT"),
         s::complete("BEGIN") + s::ready('T'),
         "C(BEGIN) Z(T) E(ERROR,08007) Z(I)",
         {},
         ""},
        {"a ROLLBACK that was sent with its BEGIN",
         c::query("BEGIN") + c::query("ROLLBACK"),
         s::complete("BEGIN") + s::ready('T'),
         "C(BEGIN) Z(T) E(ERROR,40001) Z(I)",
         {},
         ""},
        {"a transaction at rest is lost, as its next statement hears", c::query("BEGIN"),
         s::complete("BEGIN") + s::ready('T'), "C(BEGIN) Z(T)",
         c::query("SELECT 1") + c::query("COMMIT"), "E(ERROR,40001) Z(E) C(ROLLBACK) Z(I)"},
        {"every query in flight has its answer",
         c::query("1") + c::query("2"),
         {},
         "E(ERROR,08007) Z(I) E(ERROR,08007) Z(I)",
         {},
         ""},
    };
    for (const Case& one : cases) {
        CAPTURE(one.name);
        Conversation talk;
        talk.client_says(one.said);
        if (!one.answered.empty()) talk.server_says(one.answered);
        CHECK(talk.lose_server());
        CHECK(talk.heard() == one.heard);
        if (!one.then.empty()) talk.client_says(one.then);
        CHECK(talk.heard() == one.then_heard);
        CHECK_FALSE(talk.client.is_in_lost_transaction());
    }
}

namespace {

// In a transaction that is open, `said` is under way when the server is lost.
std::string lost_in_transaction(const Said& said, const Said& answered = {}) {
    Conversation talk;
    talk.client_says(c::query("BEGIN"));
    talk.server_says(s::complete("BEGIN") + s::ready('T'));
    CHECK(talk.heard() == "C(BEGIN) Z(T)");
    talk.client_says(said);
    if (!answered.empty()) talk.server_says(answered);
    CHECK(talk.lose_server());
    CHECK_FALSE(talk.client.is_in_lost_transaction());
    return talk.heard();
}

}  // namespace

TEST_CASE("what was set in a transaction that is lost is as it was before, and is told so") {
    Conversation talk;
    const auto set = [&talk](std::string_view sql, std::string_view value, char status) {
        talk.client_says(c::query(sql));
        talk.server_says(s::status("application_name", value) + s::complete("SET") +
                         s::ready(status));
        talk.heard();
    };
    set("SET application_name TO before", "before", 'I');
    set("BEGIN; SET application_name TO within", "within", 'T');
    CHECK(talk.client.wanted()->find("application_name")->value == "within");
    CHECK(talk.lose_server());
    CHECK(talk.heard() == "S(application_name,before)");
    CHECK(talk.client.wanted()->find("application_name")->value == "before");
}

TEST_CASE("a ROLLBACK that is lost has rolled back, and the transaction is over") {
    for (const char* text : {"ROLLBACK", "rollback;", " /* x */ Abort work ; -- done",
                             "ROLLBACK TRANSACTION", "rollback and no chain"}) {
        CAPTURE(text);
        CHECK(lost_in_transaction(c::query(text)) == "E(ERROR,40001) Z(I)");
        const Said batch = c::parse("", text) + c::bind("") + c::execute() + c::sync();
        CHECK(lost_in_transaction(batch) == "E(ERROR,40001) Z(I)");
        CHECK(lost_in_transaction(batch, s::parsed()) == "1 E(ERROR,40001) Z(I)");
    }
}

TEST_CASE("what stands beside a ROLLBACK, or behind it, may have happened") {
    for (const char* text :
         {"ROLLBACK; INSERT INTO t VALUES (1)", "COMMIT", "ROLLBACK PREPARED 'x'",
          "ROLLBACK AND CHAIN", "ROLLBACK TO a; COMMIT"}) {
        CAPTURE(text);
        CHECK(lost_in_transaction(c::query(text)) == "E(ERROR,08007) Z(I)");
    }
    CHECK(lost_in_transaction(c::query("ROLLBACK") + c::query("INSERT")) ==
          "E(ERROR,08007) Z(I) E(ERROR,08007) Z(I)");
    CHECK(lost_in_transaction(c::query("COMMIT") + c::query("ROLLBACK")) ==
          "E(ERROR,08007) Z(I) E(ERROR,08007) Z(I)");
    CHECK(lost_in_transaction(c::parse("", "ROLLBACK") + c::bind("") + c::execute() +
                              c::parse("", "INSERT") + c::bind("") + c::execute() + c::sync()) ==
          "E(ERROR,08007) Z(I)");
    CHECK(lost_in_transaction(c::parse("", "COMMIT") + c::bind("") + c::execute() + c::sync()) ==
          "E(ERROR,08007) Z(I)");
}

TEST_CASE("a client that has heard half of a message can't be told") {
    Conversation talk;
    talk.client_says(c::query("SELECT 1"));
    const Said row = s::row(std::string(1000, 'x'));
    talk.server_says(ByteView(row).first(500));
    CHECK(talk.server.is_mid_frame());
    CHECK_FALSE(talk.lose_server());
}

TEST_CASE("statements that were not confirmed are forgotten with their server") {
    Conversation talk;
    talk.client_says(c::parse("a", "SELECT 1") + c::sync());
    CHECK(talk.lose_server());
    CHECK(talk.client.statement_count() == 0);
}

TEST_CASE("statements that were confirmed outlive their server") {
    Conversation talk;
    prepare(talk);
    talk.client_says(c::query("SELECT 1"));
    CHECK(talk.lose_server());
    CHECK(talk.client.statement_count() == 1);
}

// --- No server at all -------------------------------------------------------------------------

TEST_CASE("a query that no server is found for is answered, and the session goes on") {
    Conversation talk;
    const Said said = c::query("SELECT 1") + c::query("SELECT 2");
    talk.client.input().append(said);
    talk.client.wait();
    EffectList effects;
    talk.client.refuse_unit({.reason = wire::RefusalReason::CancelledByUser}, effects);
    REQUIRE(effects.size() == 1);
    CHECK(testing::told(Speaker::Server, std::get<SendToClient>(effects.all()[0]).bytes) ==
          "E(ERROR,57014) Z(I)");
    // The second is still there, and asks for a server of its own.
    CHECK(testing::told(Speaker::Client, talk.client.input().view()) == "Q(SELECT 2)");
    CHECK(talk.client.state() == ClientSession::State::Idle);
}

TEST_CASE("a batch that no server is found for ends at its Sync") {
    Conversation talk;
    talk.client.input().append(c::parse("", "x") + c::bind("") + c::execute());
    talk.client.wait();
    EffectList effects;
    talk.client.refuse_unit({.reason = wire::RefusalReason::CancelledByUser}, effects);
    REQUIRE(effects.size() == 1);
    CHECK(testing::told(Speaker::Server, std::get<SendToClient>(effects.all()[0]).bytes) ==
          "E(ERROR,57014)");
    talk.client_says(c::sync());
    CHECK(talk.heard() == "Z(I)");
    CHECK(talk.asked().empty());
    CHECK_FALSE(talk.is_leased());
}

// --- A client that is gone --------------------------------------------------------------------

TEST_CASE("answers of a client that is gone are nobody's, and the server becomes ready") {
    Conversation talk;
    talk.client_says(c::parse("a", "SELECT 1") + c::bind("a") + c::execute());
    talk.server.disown_answers();
    EffectList effects;
    talk.server.send_sync(Asker::Quiet, effects);
    effects.clear();
    const ServerNews news = talk.server.on_bytes(
        s::parsed() + s::bound() + s::row() + s::complete("SELECT 1") + s::ready(), nullptr,
        effects);
    CHECK(news.violation.empty());
    CHECK(effects.empty());
    CHECK(talk.server.is_ready());
}

TEST_CASE("statement mode does not pass on that a transaction is open") {
    Conversation talk({.forbids_transactions = true});
    talk.client_says(c::query("BEGIN"));
    EffectList effects;
    const Said answer = s::complete("BEGIN") + s::ready('T');
    const ServerNews news = talk.server.on_bytes(answer, &talk.client, effects);
    CHECK(news.opened_transaction);
    Bytes heard;
    for (const Effect& effect : effects.all()) {
        const ByteView bytes = std::get<SendToClient>(effect).bytes;
        heard.insert(heard.end(), bytes.begin(), bytes.end());
    }
    CHECK(testing::told(Speaker::Server, heard) == "C(BEGIN)");
}

}  // namespace pgweir::session
