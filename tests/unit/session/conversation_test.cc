// SPDX-License-Identifier: PostgreSQL
// Whole conversations, each as a row: what both say, and what both hear. Every row is also said
// with every turn cut at every byte, and with every byte alone, and must come to the same.
#include "unit/session/conversation.h"

#include <doctest/doctest.h>

namespace pgweir::session {

namespace {

namespace c = testing::client;
namespace s = testing::server;
using testing::message;

Turn client(Said bytes) {
    return {Speaker::Client, std::move(bytes)};
}
Turn server(Said bytes) {
    return {Speaker::Server, std::move(bytes)};
}

std::uint64_t constant_hash(ByteView, std::uint64_t) {
    return 1;
}

struct Row {
    const char* name;
    std::vector<Turn> turns;
    const char* asked;  // What the server hears.
    const char* heard;  // What the client hears.
    bool is_leased = false;
    SessionRules rules = {};
};

Said result() {
    return s::row() + s::complete("SELECT 1");
}

std::vector<Row> simple_rows() {
    return {
        {"a query",
         {client(c::query("SELECT 1")), server(s::columns() + result() + s::ready())},
         "Q(SELECT 1)",
         "T D C(SELECT 1) Z(I)"},
        {"an empty query",
         {client(c::query("")), server(message('I') + s::ready())},
         "Q()",
         "I Z(I)"},
        {"several results of one query",
         {client(c::query("SELECT 1; SELECT 2")),
          server(s::columns() + result() + s::columns() + result() + s::ready())},
         "Q(SELECT 1; SELECT 2)",
         "T D C(SELECT 1) T D C(SELECT 1) Z(I)"},
        {"a query that fails",
         {client(c::query("SELECT x")), server(s::error("42703") + s::ready())},
         "Q(SELECT x)",
         "E(ERROR,42703) Z(I)"},
        {"a query that is not ended keeps its lease",
         {client(c::query("SELECT 1")), server(s::columns() + s::row())},
         "Q(SELECT 1)",
         "T D",
         true},
        {"a transaction keeps its lease",
         {client(c::query("BEGIN")), server(s::complete("BEGIN") + s::ready('T'))},
         "Q(BEGIN)",
         "C(BEGIN) Z(T)",
         true},
        {"a failed transaction keeps its lease",
         {client(c::query("BEGIN; SELECT x")),
          server(s::complete("BEGIN") + s::error("42703") + s::ready('E'))},
         "Q(BEGIN; SELECT x)",
         "C(BEGIN) E(ERROR,42703) Z(E)",
         true},
        {"queries in one segment",
         {client(c::query("SELECT 1") + c::query("SELECT 2")),
          server(result() + s::ready() + result() + s::ready())},
         "Q(SELECT 1) Q(SELECT 2)",
         "D C(SELECT 1) Z(I) D C(SELECT 1) Z(I)"},
        {"a function call",
         {client(message('F', std::string_view("\0\0\0\1\0\0\0\0\0\0", 10))),
          server(message('V', std::string_view("\0\0\0\1x", 5)) + s::ready())},
         "F",
         "V Z(I)"},
        {"notices, notifications and reports in between",
         {client(c::query("SELECT 1")),
          server(s::columns() + message('N', std::string_view("\0", 1)) + result() +
                 s::status("TimeZone", "UTC") +
                 message('A', std::string_view("\0\0\0\1a\0b\0", 8)) + s::ready())},
         "Q(SELECT 1)",
         "T N D C(SELECT 1) S(TimeZone,UTC) A Z(I)"},
        {"Sync with nothing open is answered without a server",
         {client(c::sync() + c::sync())},
         "",
         "Z(I) Z(I)"},
        {"Flush with nothing open has no answer", {client(c::flush())}, "", ""},
        {"stray COPY messages are ignored, as PostgreSQL does",
         {client(c::copy_data("x") + c::copy_done()), client(c::query("SELECT 1")),
          server(result() + s::ready())},
         "Q(SELECT 1)",
         "D C(SELECT 1) Z(I)"},
        {"Terminate is not the server's", {client(message('X'))}, "", ""},
        {"a FATAL is told in our own words, once it is known what was lost",
         {client(c::query("SELECT 1")), server(s::error("57P01", "FATAL"))},
         "Q(SELECT 1)",
         "",
         true},
        {"a FATAL for what the client itself did is passed on",
         {client(c::query("SELECT 1")), server(s::error("08P01", "FATAL"))},
         "Q(SELECT 1)",
         "E(FATAL,08P01)",
         true},
    };
}

std::vector<Row> extended_rows() {
    const Said batch = c::parse("", "SELECT 1") + c::bind("") + c::execute() + c::sync();
    const Said answers = s::parsed() + s::bound() + result() + s::ready();
    return {
        {"the unnamed statement",
         {client(batch), server(answers)},
         "P(,SELECT 1) B(,) E() S",
         "1 2 D C(SELECT 1) Z(I)"},
        {"the lease lasts until the last Sync is answered",
         {client(batch + batch), server(answers)},
         "P(,SELECT 1) B(,) E() S P(,SELECT 1) B(,) E() S",
         "1 2 D C(SELECT 1) Z(I)",
         true},
        {"three Syncs are three answers",
         {client(c::parse("", "SELECT 1") + c::sync() + c::sync() + c::sync()),
          server(s::parsed() + s::ready() + s::ready() + s::ready())},
         "P(,SELECT 1) S S S",
         "1 Z(I) Z(I) Z(I)"},
        {"answers at each Flush, and the lease until Sync",
         {client(c::parse("", "SELECT 1") + c::flush()), server(s::parsed()),
          client(c::bind("") + c::execute() + c::flush()), server(s::bound() + result())},
         "P(,SELECT 1) H B(,) E() H",
         "1 2 D C(SELECT 1)",
         true},
        {"a Query ends a batch that has no Sync",
         {client(c::parse("", "SELECT 1") + c::bind("") + c::execute() + c::query("SELECT 2")),
          server(s::parsed() + s::bound() + result() + result() + s::ready())},
         "P(,SELECT 1) B(,) E() Q(SELECT 2)",
         "1 2 D C(SELECT 1) D C(SELECT 1) Z(I)"},
        {"after an error all is skipped until Sync, on both sides",
         {client(c::parse("", "SELECT x") + c::bind("") + c::execute() + c::sync()),
          server(s::error("42703") + s::ready())},
         "P(,SELECT x) B(,) E() S",
         "E(ERROR,42703) Z(I)"},
        {"what comes after the error and before the Sync goes nowhere",
         {client(c::parse("", "SELECT x")), server(s::error("42703")),
          client(c::bind("") + c::execute()), client(c::sync()), server(s::ready())},
         "P(,SELECT x) S",
         "E(ERROR,42703) Z(I)"},
        {"an error without Sync or Flush is told at once",
         {client(c::parse("", "SELECT x")), server(s::error("42703"))},
         "P(,SELECT x)",
         "E(ERROR,42703)",
         true},
        {"the batch behind a failed one runs",
         {client(c::parse("", "SELECT x") + c::bind("") + c::sync() + batch),
          server(s::error("42703") + s::ready() + answers)},
         "P(,SELECT x) B(,) S P(,SELECT 1) B(,) E() S",
         "E(ERROR,42703) Z(I) 1 2 D C(SELECT 1) Z(I)"},
        {"a portal that is suspended keeps the lease",
         {client(c::parse("", "SELECT 1") + c::bind("") + c::execute() + c::flush()),
          server(s::parsed() + s::bound() + s::row() + message('s'))},
         "P(,SELECT 1) B(,) E() H",
         "1 2 D s",
         true},
        {"a transaction that COMMIT could not end at Sync",
         {client(batch),
          server(s::parsed() + s::bound() + result() + s::error("23503") + s::ready())},
         "P(,SELECT 1) B(,) E() S",
         "1 2 D C(SELECT 1) E(ERROR,23503) Z(I)"},
    };
}

std::vector<Row> statement_rows() {
    const Said prepare = c::parse("a", "SELECT 1") + c::sync();
    const Said prepared = s::parsed() + s::ready();
    return {
        {"a named statement has the server's name there",
         {client(c::parse("a", "SELECT 1") + c::describe("a") + c::bind("a") + c::execute() +
                 c::sync()),
          server(s::parsed() + message('t', std::string_view("\0\0", 2)) + s::columns() +
                 s::bound() + result() + s::ready())},
         "P(pgweir_1,SELECT 1) D(S,pgweir_1) B(,pgweir_1) E() S",
         "1 t T 2 D C(SELECT 1) Z(I)"},
        {"a statement that is there is not parsed again",
         {client(prepare), server(prepared), client(c::bind("a") + c::execute() + c::sync()),
          server(s::bound() + result() + s::ready())},
         "P(pgweir_1,SELECT 1) S B(,pgweir_1) E() S",
         "1 Z(I) 2 D C(SELECT 1) Z(I)"},
        {"two names of one text share a statement",
         {client(prepare), server(prepared), client(c::parse("b", "SELECT 1") + c::sync()),
          server(s::ready()), client(c::bind("b") + c::execute() + c::sync()),
          server(s::bound() + result() + s::ready())},
         "P(pgweir_1,SELECT 1) S S B(,pgweir_1) E() S",
         "1 Z(I) 1 Z(I) 2 D C(SELECT 1) Z(I)"},
        {"another type is another statement",
         {client(prepare), server(prepared), client(c::parse("b", "SELECT 1", {23}) + c::sync()),
          server(prepared)},
         "P(pgweir_1,SELECT 1) S P(pgweir_2,SELECT 1) S",
         "1 Z(I) 1 Z(I)"},
        {"a name that is taken is refused by the server, in its words",
         {client(prepare), server(prepared), client(c::parse("a", "SELECT 2") + c::sync()),
          server(s::error("42P05") + s::ready()), client(c::bind("a") + c::execute() + c::sync()),
          server(s::bound() + result() + s::ready())},
         "P(pgweir_1,SELECT 1) S P(pgweir_1,SELECT 2) S B(,pgweir_1) E() S",
         "1 Z(I) E(ERROR,42P05) Z(I) 2 D C(SELECT 1) Z(I)"},
        {"a Parse that fails leaves no statement behind",
         {client(c::parse("a", "SELECT x") + c::bind("a") + c::sync()),
          server(s::error("42703") + s::ready()), client(c::parse("a", "SELECT 1") + c::sync()),
          server(prepared)},
         "P(pgweir_1,SELECT x) B(,pgweir_1) S P(pgweir_2,SELECT 1) S",
         "E(ERROR,42703) Z(I) 1 Z(I)"},
        {"a Parse that was skipped leaves no statement behind",
         {client(c::parse("", "SELECT x") + c::parse("a", "SELECT 1") + c::sync()),
          server(s::error("42703") + s::ready()), client(c::bind("a") + c::execute() + c::sync()),
          server(s::ready())},
         "P(,SELECT x) P(pgweir_1,SELECT 1) S S",
         "E(ERROR,42703) Z(I) E(ERROR,26000) Z(I)"},
        {"a statement that was never parsed",
         {client(c::bind("nobody") + c::execute() + c::sync()), server(s::ready())},
         "S",
         "E(ERROR,26000) Z(I)"},
        {"a Describe of what was never parsed",
         {client(c::describe("nobody") + c::sync()), server(s::ready())},
         "S",
         "E(ERROR,26000) Z(I)"},
        {"a Close frees the name and keeps the server's copy",
         {client(prepare), server(prepared), client(c::close("a") + c::sync()),
          server(s::closed() + s::ready()), client(c::parse("a", "SELECT 1") + c::sync()),
          server(s::ready())},
         "P(pgweir_1,SELECT 1) S C(S,pgweir_0) S S",
         "1 Z(I) 3 Z(I) 1 Z(I)"},
        {"a Close that was skipped closed nothing",
         {client(prepare), server(prepared),
          client(c::parse("", "SELECT x") + c::close("a") + c::sync()),
          server(s::error("42703") + s::ready()), client(c::bind("a") + c::execute() + c::sync()),
          server(s::bound() + result() + s::ready())},
         "P(pgweir_1,SELECT 1) S P(,SELECT x) C(S,pgweir_0) S B(,pgweir_1) E() S",
         "1 Z(I) E(ERROR,42703) Z(I) 2 D C(SELECT 1) Z(I)"},
        {"DEALLOCATE means the server's name",
         {client(prepare), server(prepared), client(c::query("DEALLOCATE a")),
          server(s::complete("DEALLOCATE") + s::ready()), client(c::bind("a") + c::sync()),
          server(s::ready())},
         "P(pgweir_1,SELECT 1) S Q(DEALLOCATE pgweir_1) S",
         "1 Z(I) C(DEALLOCATE) Z(I) E(ERROR,26000) Z(I)"},
        {"DEALLOCATE may be said among comments, and its name quoted",
         {client(prepare), server(prepared), client(c::parse("S\"x", "SELECT 2") + c::sync()),
          server(prepared), client(c::query("/* a */ deallocate -- b\n prepare /* c */ a ; -- d")),
          server(s::complete("DEALLOCATE") + s::ready()), client(c::query("DEALLOCATE \"S\"\"x\"")),
          server(s::complete("DEALLOCATE") + s::ready()), client(c::bind("S\"x") + c::sync()),
          server(s::ready())},
         "P(pgweir_1,SELECT 1) S P(pgweir_2,SELECT 2) S Q(DEALLOCATE pgweir_1) "
         "Q(DEALLOCATE pgweir_2) S",
         "1 Z(I) 1 Z(I) C(DEALLOCATE) Z(I) C(DEALLOCATE) Z(I) E(ERROR,26000) Z(I)"},
        {"DEALLOCATE of several things at once is none of ours",
         {client(prepare), server(prepared), client(c::query("DEALLOCATE a; SELECT 1")),
          server(s::error("26000") + s::ready())},
         "P(pgweir_1,SELECT 1) S Q(DEALLOCATE a; SELECT 1)",
         "1 Z(I) E(ERROR,26000) Z(I)"},
        {"DEALLOCATE of a statement made by SQL is the server's business",
         {client(prepare), server(prepared), client(c::query("DEALLOCATE other")),
          server(s::complete("DEALLOCATE") + s::ready())},
         "P(pgweir_1,SELECT 1) S Q(DEALLOCATE other)",
         "1 Z(I) C(DEALLOCATE) Z(I)"},
        {"DEALLOCATE ALL forgets everything on both sides",
         {client(prepare), server(prepared), client(c::query("DEALLOCATE ALL")),
          server(s::complete("DEALLOCATE ALL") + s::ready()),
          client(c::parse("a", "SELECT 1") + c::sync()), server(prepared)},
         "P(pgweir_1,SELECT 1) S Q(DEALLOCATE ALL) P(pgweir_2,SELECT 1) S",
         "1 Z(I) C(DEALLOCATE ALL) Z(I) 1 Z(I)"},
        {"DISCARD ALL forgets everything on both sides",
         {client(prepare), server(prepared), client(c::query("DISCARD ALL")),
          server(s::complete("DISCARD ALL") + s::ready()), client(c::bind("a") + c::sync()),
          server(s::ready())},
         "P(pgweir_1,SELECT 1) S Q(DISCARD ALL) S",
         "1 Z(I) C(DISCARD ALL) Z(I) E(ERROR,26000) Z(I)"},
        {"the least recently used statement makes room",
         {client(c::parse("a", "1") + c::sync()), server(prepared),
          client(c::parse("b", "2") + c::sync()), server(prepared),
          client(c::bind("a") + c::sync()), server(s::bound() + s::ready()),
          client(c::parse("c", "3") + c::sync()), server(s::closed() + s::parsed() + s::ready()),
          client(c::bind("b") + c::sync()),
          server(s::closed() + s::parsed() + s::bound() + s::ready())},
         "P(pgweir_1,1) S P(pgweir_2,2) S B(,pgweir_1) S C(S,pgweir_2) P(pgweir_3,3) S "
         "C(S,pgweir_1) P(pgweir_4,2) B(,pgweir_4) S",
         "1 Z(I) 1 Z(I) 2 Z(I) 1 Z(I) 2 Z(I)",
         false,
         {.server_statements_max = 2}},
        {"an eviction that was skipped is made up for",
         {client(c::parse("a", "1") + c::sync()), server(prepared),
          client(c::parse("", "x") + c::parse("b", "2") + c::sync()),
          server(s::error("42601") + s::ready()), client(c::parse("c", "3") + c::sync()),
          server(s::closed() + s::parsed() + s::ready())},
         "P(pgweir_1,1) S P(,x) C(S,pgweir_1) P(pgweir_2,2) S C(S,pgweir_1) P(pgweir_3,3) S",
         "1 Z(I) E(ERROR,42601) Z(I) 1 Z(I)",
         false,
         {.server_statements_max = 1}},
        {"a client may hold so many statements and no more",
         {client(c::parse("a", "1") + c::parse("b", "2") + c::sync()),
          server(s::parsed() + s::error("26000") + s::ready())},
         "P(pgweir_1,1) B(,pgweir_0) S",
         "1 E(ERROR,53400) Z(I)",
         false,
         {.client_statements_max = 1}},
        {"a plan that no longer fits is prepared anew at its next use",
         {client(prepare), server(prepared), client(c::bind("a") + c::execute() + c::sync()),
          server(s::error("0A000") + s::ready()), client(c::bind("a") + c::execute() + c::sync()),
          server(s::closed() + s::parsed() + s::bound() + result() + s::ready())},
         "P(pgweir_1,SELECT 1) S B(,pgweir_1) E() S C(S,pgweir_1) P(pgweir_2,SELECT 1) "
         "B(,pgweir_2) E() S",
         "1 Z(I) E(ERROR,0A000) Z(I) 2 D C(SELECT 1) Z(I)"},
        {"in session mode names are the client's own",
         {client(c::parse("a", "SELECT 1") + c::bind("a") + c::close("a") + c::sync()),
          server(s::parsed() + s::bound() + s::closed() + s::ready())},
         "P(a,SELECT 1) B(,a) C(S,a) S",
         "1 2 3 Z(I)",
         false,
         {.carries_statements = false}},
    };
}

std::vector<Row> copy_rows() {
    return {
        {"COPY in",
         {client(c::query("COPY t FROM STDIN")), server(s::copy_in()),
          client(c::copy_data("1\n") + c::copy_data("2\n") + c::copy_done()),
          server(s::complete("COPY 2") + s::ready())},
         "Q(COPY t FROM STDIN) d(1\n) d(2\n) c",
         "G C(COPY 2) Z(I)"},
        {"COPY in that the client gives up",
         {client(c::query("COPY t FROM STDIN")), server(s::copy_in()),
          client(message('f', std::string_view("no\0", 3))),
          server(s::error("57014") + s::ready())},
         "Q(COPY t FROM STDIN) f",
         "G E(ERROR,57014) Z(I)"},
        {"COPY in that fails while the client still sends",
         {client(c::query("COPY t FROM STDIN")), server(s::copy_in()), client(c::copy_data("x\n")),
          server(s::error("22P02") + s::ready()), client(c::copy_data("y\n") + c::copy_done()),
          client(c::query("SELECT 1")), server(result() + s::ready())},
         "Q(COPY t FROM STDIN) d(x\n) Q(SELECT 1)",
         "G E(ERROR,22P02) Z(I) D C(SELECT 1) Z(I)"},
        {"a Sync during COPY in has no answer",
         {client(c::parse("", "COPY t FROM STDIN") + c::bind("") + c::execute() + c::sync()),
          server(s::parsed() + s::bound() + s::copy_in()),
          client(c::copy_data("1\n") + c::copy_done() + c::sync()),
          server(s::complete("COPY 1") + s::ready())},
         "P(,COPY t FROM STDIN) B(,) E() S d(1\n) c S",
         "1 2 G C(COPY 1) Z(I)"},
        {"a Sync sent while COPY in waits has no answer either",
         {client(c::parse("", "COPY t FROM STDIN") + c::bind("") + c::execute() + c::flush()),
          server(s::parsed() + s::bound() + s::copy_in()), client(c::sync()),
          client(c::copy_data("1\n") + c::copy_done() + c::sync()),
          server(s::complete("COPY 1") + s::ready())},
         "P(,COPY t FROM STDIN) B(,) E() H S d(1\n) c S",
         "1 2 G C(COPY 1) Z(I)"},
        {"COPY out",
         {client(c::query("COPY t TO STDOUT")),
          server(s::copy_out() + s::copy_data("1\n") + s::copy_data("2\n") + s::copy_done() +
                 s::complete("COPY 2") + s::ready())},
         "Q(COPY t TO STDOUT)",
         "H d(1\n) d(2\n) c C(COPY 2) Z(I)"},
    };
}

// Each turn cut at every byte, and then everything byte by byte.
void holds(const Row& row, StatementDirectory::HashFunction hash) {
    CAPTURE(row.name);
    const Outcome whole = run(row.turns, row.rules, hash, row.turns.size(), 0);
    CHECK(testing::told(Speaker::Client, whole.to_server) == row.asked);
    CHECK(testing::told(Speaker::Server, whole.to_client) == row.heard);
    CHECK(whole.violation.empty());
    CHECK(whole.is_leased == row.is_leased);
    for (std::size_t turn = 0; turn < row.turns.size(); ++turn) {
        for (std::size_t cut = 1; cut < row.turns[turn].bytes.size(); ++cut) {
            CAPTURE(turn);
            CAPTURE(cut);
            REQUIRE(run(row.turns, row.rules, hash, turn, cut) == whole);
        }
    }
    std::vector<Turn> bytes;
    for (const Turn& turn : row.turns) {
        for (Byte byte : turn.bytes) {
            bytes.push_back({turn.who, {}});
            bytes.back().bytes.push_back(byte);
        }
    }
    REQUIRE(run(bytes, row.rules, hash, bytes.size(), 0) == whole);
}

}  // namespace

TEST_CASE("simple queries") {
    for (const Row& row : simple_rows()) holds(row, statement_hash);
}

TEST_CASE("the extended protocol") {
    for (const Row& row : extended_rows()) holds(row, statement_hash);
}

TEST_CASE("prepared statements") {
    for (const Row& row : statement_rows()) holds(row, statement_hash);
}

TEST_CASE("prepared statements whose hashes are all the same") {
    for (const Row& row : statement_rows()) holds(row, constant_hash);
}

TEST_CASE("COPY") {
    for (const Row& row : copy_rows()) holds(row, statement_hash);
}

}  // namespace pgweir::session
