// SPDX-License-Identifier: PostgreSQL
// What one conversation can't show: several clients of one server, long pipelines, and either side
// breaking the protocol.
#include <doctest/doctest.h>

#include "pgweir/wire/error_response.h"
#include "unit/session/conversation.h"

namespace pgweir::session {

namespace {

namespace c = testing::client;
namespace s = testing::server;
using testing::message;

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

void prepare(Conversation& talk) {
    talk.client_says(c::parse("a", "SELECT 1") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    CHECK(talk.asked() == "P(pgweir_1,SELECT 1) S");
    CHECK(talk.heard() == "1 Z(I)");
}

wire::RefusalReason refusal_of(const Said& bytes, SessionRules rules = {}) {
    Conversation talk(rules);
    talk.client_says(bytes);
    REQUIRE(talk.refusal);
    return talk.refusal->reason;
}

}  // namespace

// --- Several clients of one server ------------------------------------------------------------

TEST_CASE("a statement that another client prepared is shared, under each one's own name") {
    Conversation talk;
    prepare(talk);
    Other other(talk);
    CHECK(talk.lend_server_to(other.client,
                              c::parse("mine", "SELECT 1") + c::bind("mine") + c::sync(),
                              s::bound() + s::ready()) == "1 2 Z(I)");
    CHECK(talk.asked() == "B(,pgweir_1) S");
    talk.client_says(c::bind("mine") + c::sync());
    talk.server_says(s::ready());
    CHECK(talk.heard() == "E(ERROR,26000) Z(I)");
}

TEST_CASE("the unnamed statement is prepared anew if somebody else used the server") {
    Conversation talk;
    talk.client_says(c::parse("", "SELECT 'mine'") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    talk.asked();
    Other other(talk);
    talk.lend_server_to(other.client, c::parse("", "SELECT 'theirs'") + c::sync(),
                        s::parsed() + s::ready());
    CHECK(talk.asked() == "P(,SELECT 'theirs') S");
    talk.client_says(c::bind("") + c::execute() + c::sync());
    CHECK(talk.asked() == "P(,SELECT 'mine') B(,) E() S");
    talk.server_says(s::parsed() + s::bound() + result() + s::ready());
    // The ParseComplete was nobody's.
    CHECK(talk.heard() == "1 Z(I) 2 D C(SELECT 1) Z(I)");
}

TEST_CASE("who prepares a text after an ALTER gets a plan of its own, others keep theirs") {
    Conversation talk;
    talk.client_says(c::parse("a", "SELECT * FROM t") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    SUBCASE("by itself") {
        talk.client_says(c::query("ALTER TABLE t ADD b int"));
        talk.server_says(s::complete("ALTER TABLE") + s::ready());
    }
    SUBCASE("before the transaction of the ALTER has ended") {
        talk.client_says(c::query("BEGIN; ALTER TABLE t ADD b int"));
        talk.server_says(s::complete("BEGIN") + s::complete("ALTER TABLE") + s::ready('T'));
        talk.client_says(c::parse("b", "SELECT * FROM t") + c::sync() + c::query("COMMIT"));
        talk.server_says(s::parsed() + s::ready('T') + s::complete("COMMIT") + s::ready());
    }
    talk.asked();
    talk.client_says(c::parse("c", "SELECT * FROM t") + c::sync());
    CHECK(talk.asked().starts_with("P(pgweir_"));
    talk.server_says(s::parsed() + s::ready());
    talk.asked();
    talk.client_says(c::bind("a") + c::sync());
    CHECK(talk.asked() == "B(,pgweir_1) S");
}

TEST_CASE("a notice about a message of pgweir's own is nobody's to hear") {
    Conversation talk;
    talk.client_says(c::parse("", "SELECT 'mine'") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    Other other(talk);
    talk.lend_server_to(other.client, c::parse("", "SELECT 'theirs'") + c::sync(),
                        s::parsed() + s::ready());
    talk.client_says(c::bind("") + c::execute() + c::sync());
    const Said notice = testing::message('N', std::string_view("SNOTICE\0", 9));
    talk.heard();
    talk.server_says(notice + s::parsed());
    CHECK(talk.heard().empty());
    talk.server_says(notice + s::bound() + result() + s::ready());
    CHECK(talk.heard() == "N 2 D C(SELECT 1) Z(I)");
}

TEST_CASE("the unnamed statement of somebody else is not found") {
    Conversation talk;
    Other other(talk);
    talk.lend_server_to(other.client, c::parse("", "SELECT 'theirs'") + c::sync(),
                        s::parsed() + s::ready());
    talk.asked();
    talk.client_says(c::bind("") + c::execute() + c::sync());
    CHECK(talk.asked() == "C(S,) B(,) E() S");
    talk.server_says(s::closed() + s::error("26000") + s::ready());
    CHECK(talk.heard() == "E(ERROR,26000) Z(I)");
}

TEST_CASE("a simple query drops the unnamed statement, as PostgreSQL does") {
    Conversation talk;
    talk.client_says(c::parse("", "SELECT 1") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    talk.client_says(c::query("SELECT 2"));
    talk.server_says(result() + s::ready());
    talk.heard();
    talk.asked();
    talk.client_says(c::bind("") + c::sync());
    talk.server_says(s::error("26000") + s::ready());
    CHECK(talk.heard() == "E(ERROR,26000) Z(I)");
    CHECK(talk.asked() == "B(,) S");
}

TEST_CASE("a server that does not have a statement is given it in front of the message") {
    Conversation talk;
    prepare(talk);
    talk.server.statements().clear();
    talk.client_says(c::bind("a") + c::execute() + c::sync());
    CHECK(talk.asked() == "P(pgweir_2,SELECT 1) B(,pgweir_2) E() S");
    talk.server_says(s::parsed() + s::bound() + result() + s::ready());
    CHECK(talk.heard() == "2 D C(SELECT 1) Z(I)");
}

TEST_CASE("a Parse of pgweir's own that fails is the error of the message behind it") {
    Conversation talk;
    prepare(talk);
    talk.server.statements().clear();
    talk.client_says(c::bind("a") + c::execute() + c::sync());
    talk.server_says(s::error("42P01") + s::ready());
    CHECK(talk.heard() == "E(ERROR,42P01) Z(I)");
    // The client still has it: the table may be there the next time.
    talk.asked();
    talk.client_says(c::bind("a") + c::sync());
    CHECK(talk.asked() == "P(pgweir_3,SELECT 1) B(,pgweir_3) S");
}

TEST_CASE("settings that differ are brought in front of the first message, unseen") {
    Conversation talk;
    ParameterSet wanted;
    wanted.put("TimeZone", "Asia/Tokyo", true);
    talk.client.set_wanted(talk.parameters().intern(wanted));
    talk.client_says(c::query("SELECT 1"));
    CHECK(talk.asked() ==
          "Q(SELECT pg_catalog.set_config(E'TimeZone',E'Asia/Tokyo',false);) Q(SELECT 1)");
    talk.server_says(s::columns() + s::row() + s::complete("SELECT 1") +
                     s::status("TimeZone", "Asia/Tokyo") + s::ready());
    CHECK(talk.heard().empty());
    talk.server_says(s::columns() + result() + s::ready());
    CHECK(talk.heard() == "T D C(SELECT 1) Z(I)");
    CHECK(talk.queries == 1);
    // The next lease finds nothing to do.
    talk.client_says(c::query("SELECT 2"));
    CHECK(talk.asked() == "Q(SELECT 2)");
}

TEST_CASE("what a client sets goes with it") {
    Conversation talk;
    talk.client_says(c::query("SET TimeZone = 'Asia/Tokyo'"));
    talk.server_says(s::complete("SET") + s::status("TimeZone", "Asia/Tokyo") + s::ready());
    CHECK(talk.heard() == "C(SET) S(TimeZone,Asia/Tokyo) Z(I)");
    CHECK(talk.client.wanted() == talk.server.parameters());
    const Parameter* zone = talk.client.wanted()->find("timezone");
    REQUIRE(zone != nullptr);
    CHECK(zone->value == "Asia/Tokyo");
}

TEST_CASE("a server on which somebody became another user is foreign") {
    Conversation talk;
    CHECK_FALSE(talk.server.is_foreign());
    talk.client_says(c::query("SET SESSION AUTHORIZATION bob"));
    talk.server_says(s::complete("SET") + s::status("session_authorization", "bob") + s::ready());
    CHECK(talk.server.is_foreign());
}

// --- Pipelines --------------------------------------------------------------------------------

TEST_CASE("a pipeline of 10,000 messages is answered in order, with bounded debts") {
    for (const bool is_prepared : {false, true}) {
        CAPTURE(is_prepared);
        Conversation talk;
        if (is_prepared) prepare(talk);
        Said all;
        for (int i = 0; i < 2500; ++i) {
            for (const Said& one : {is_prepared ? c::describe("a") : c::parse("", "SELECT 1"),
                                    c::bind(is_prepared ? "a" : ""), c::execute(), c::sync()}) {
                all.insert(all.end(), one.begin(), one.end());
            }
        }
        talk.client_says(all);
        std::size_t answered = 0;
        std::size_t debts_max = 0;
        std::size_t rounds = 0;
        while (talk.is_leased() && rounds++ < 100) {
            debts_max = std::max(debts_max, talk.server.answers().size());
            Said answers;
            const Bytes asked = std::exchange(talk.to_server, {});
            for (ByteView rest = asked; !rest.empty();
                 rest = rest.subspan(1 + load_u32(rest.data() + 1))) {
                Said one;
                switch (rest[0]) {
                    case 'P':
                        one = s::parsed();
                        break;
                    case 'B':
                        one = s::bound();
                        break;
                    case 'D':
                        one = message('t', std::string_view("\0\0", 2)) + s::columns();
                        break;
                    case 'E':
                        one = result();
                        break;
                    default:
                        one = s::ready();
                        ++answered;
                }
                answers.insert(answers.end(), one.begin(), one.end());
            }
            talk.server_says(answers);
        }
        CHECK(talk.violation.empty());
        CHECK(answered == 2500);
        CHECK(debts_max <= 4096);
        CHECK(talk.queries == (is_prepared ? 2501u : 2500u));
        CHECK_FALSE(talk.is_leased());
        CHECK(talk.client.input().empty());
    }
}

// --- Servers that break the protocol ----------------------------------------------------------

TEST_CASE("a server may not answer what it was not asked") {
    const std::vector<Said> answers = {
        s::ready(),
        s::row(),
        s::columns(),
        s::complete("SELECT 1"),
        s::parsed(),
        s::bound(),
        s::closed(),
        s::no_data(),
        message('I'),
        message('s'),
        s::copy_in(),
        s::copy_out(),
        s::copy_data("x"),
        s::copy_done(),
        message('t', std::string_view("\0\0", 2)),
        s::error("42703"),
        message('V', std::string_view("\0\0\0\0", 4)),
    };
    for (const Said& answer : answers) {
        CAPTURE(static_cast<char>(answer[0]));
        Conversation talk;
        talk.server_says(answer);
        CHECK_FALSE(talk.violation.empty());
        CHECK(talk.heard().empty());
    }
}

TEST_CASE("an answer to another question is no answer") {
    struct Case {
        Said asked;
        Said answer;
    };
    const std::vector<Case> cases = {
        {c::parse("", "x"), s::bound()},
        {c::parse("", "x"), s::ready()},
        {c::parse("", "x"), s::row()},
        {c::parse("", "x") + c::bind(""), s::parsed() + s::parsed()},
        {c::parse("", "x") + c::bind(""), s::parsed() + s::complete("SELECT 1")},
        {c::parse("", "x") + c::execute() + c::sync(), s::parsed() + s::ready()},
        {c::parse("", "x") + c::sync(), s::parsed() + s::ready() + s::ready()},
        {c::query("x"), s::parsed()},
        {c::query("x"), message('s')},
        {c::query("x"), result() + s::ready() + s::ready()},
        {c::parse("", "x") + c::describe(""), s::parsed() + s::columns()},
    };
    for (const Case& one : cases) {
        CAPTURE(testing::told(Speaker::Server, one.answer));
        Conversation talk;
        talk.client_says(one.asked);
        talk.server_says(one.answer);
        CHECK_FALSE(talk.violation.empty());
    }
}

TEST_CASE("a server that sends what is no message is dropped") {
    const std::vector<Said> answers = {
        message('!'),
        message('\0'),
        s::ready('X'),
        message('Z'),
        message('1', "x"),
        message('C', "SELECT 1"),
        message('S', "TimeZone"),
        message('E', "SERROR"),
    };
    for (const Said& answer : answers) {
        CAPTURE(testing::told(Speaker::Server, answer));
        Conversation talk;
        talk.client_says(c::query("SELECT 1") + c::parse("", "x"));
        talk.server_says(answer);
        CHECK_FALSE(talk.violation.empty());
        CHECK(talk.heard().empty());
    }
}

TEST_CASE("a length that no message can have drops the server") {
    for (const std::uint32_t length : {0u, 3u, 0x7fffffffu, 0xffffffffu, 0x40000000u}) {
        for (const char tag : {'D', 'Z', 'C', 'd', 'T'}) {
            CAPTURE(length);
            CAPTURE(tag);
            Conversation talk;
            talk.client_says(c::query("SELECT 1"));
            Said bytes = message(tag);
            store_u32(bytes.data() + 1, length);
            talk.server_says(bytes);
            CHECK_FALSE(talk.violation.empty());
        }
    }
}

TEST_CASE("what must be seen whole is not gathered without a bound") {
    Conversation talk;
    talk.client_says(c::query("SELECT 1"));
    Said bytes = message('C');
    store_u32(bytes.data() + 1, 1U << 28);
    talk.server_says(bytes);
    CHECK_FALSE(talk.violation.empty());
}

// --- Clients that break the protocol ----------------------------------------------------------

TEST_CASE("a message type that does not exist ends the connection") {
    CHECK(refusal_of(message('!')) == wire::RefusalReason::InvalidMessageType);
    CHECK(refusal_of(message('\0')) == wire::RefusalReason::InvalidMessageType);
    // A password, when nobody asked for one.
    CHECK(refusal_of(message('p', "x")) == wire::RefusalReason::InvalidMessageType);
}

TEST_CASE("a length that no message can have ends the connection, from its header alone") {
    for (const std::uint32_t length : {0u, 3u, 0xffffffffu, 0x80000000u}) {
        CAPTURE(length);
        Said bytes = message('Q');
        store_u32(bytes.data() + 1, length);
        CHECK(refusal_of(bytes) == wire::RefusalReason::InvalidMessageLength);
    }
    Said sync = message('S');
    store_u32(sync.data() + 1, 20000);
    CHECK(refusal_of(sync) == wire::RefusalReason::InvalidMessageLength);
    CHECK(refusal_of(message('S', "x")) == wire::RefusalReason::MalformedMessage);
}

TEST_CASE("a message over max_message_size is refused before it is there") {
    Said bytes = message('Q');
    store_u32(bytes.data() + 1, 5000);
    CHECK(refusal_of(bytes, {.message_bytes_max = 4096}) == wire::RefusalReason::MessageTooLarge);
}

TEST_CASE("a Parse of a named statement over max_buffered_message is refused") {
    const Said parse = c::parse("a", std::string(100000, 'x'));
    Said head = parse;
    head.resize(50000);
    CHECK(refusal_of(head, {.buffered_bytes_max = 60000}) == wire::RefusalReason::MessageTooLarge);
}

TEST_CASE("an unnamed Parse over max_buffered_message is passed on, and lives in its lease") {
    Conversation talk({.buffered_bytes_max = 60000});
    const Said parse = c::parse("", "SELECT " + std::string(100000, 'x'));
    const ByteView whole = parse;
    talk.client_says(whole.first(50000));
    CHECK(talk.to_server.size() == 50000);
    CHECK(talk.client.input().empty());
    talk.client_says(whole.subspan(50000));
    talk.client_says(c::bind("") + c::execute() + c::sync());
    talk.server_says(s::parsed() + s::bound() + result() + s::ready());
    CHECK(talk.heard() == "1 2 D C(SELECT 1) Z(I)");
    CHECK_FALSE(talk.is_leased());
    // In the next lease it is gone.
    talk.client_says(c::parse("a", "SELECT 1") + c::sync());
    talk.server_says(s::parsed() + s::ready());
    talk.heard();
    talk.server.set_unnamed(StatementRef());
    talk.client_says(c::bind("") + c::sync());
    talk.server_says(s::ready());
    CHECK(talk.heard() == "E(ERROR,26000) Z(I)");
}

TEST_CASE("a huge message is passed on as it comes, and nothing of it is kept") {
    Conversation talk;
    const Said query = c::query(std::string(1000000, 'x'));
    ByteView rest = query;
    while (!rest.empty()) {
        const std::size_t n = std::min<std::size_t>(rest.size(), 30000);
        talk.client_says(rest.first(n));
        CHECK(talk.client.input().capacity() == 0);
        rest = rest.subspan(n);
    }
    CHECK(talk.to_server == query);
    talk.server_says(s::error("54000") + s::ready());
    CHECK(talk.heard() == "E(ERROR,54000) Z(I)");
}

// --- Names in errors --------------------------------------------------------------------------

TEST_CASE("an error names a statement as its client does") {
    const auto words = [](std::string_view text) {
        return testing::said([&](Bytes& out) {
            wire::error_response(out, {.severity = "ERROR",
                                       .severity_invariant = "ERROR",
                                       .sqlstate = "08P01",
                                       .message = text,
                                       .detail = "\"pgweir_1\""});
        });
    };
    const auto heard = [](Conversation& talk) {
        const Bytes bytes = std::exchange(talk.to_client, {});
        REQUIRE(bytes.size() > 5);
        const auto fields =
            wire::read_error_fields(ByteView(bytes).subspan(5, load_u32(bytes.data() + 1) - 4));
        REQUIRE(fields);
        CHECK(fields->detail == "\"pgweir_1\"");
        return std::string(fields->message);
    };
    Conversation talk;
    prepare(talk);
    talk.client_says(c::bind("a") + c::sync());
    talk.server_says(words("statement \"pgweir_1\" requires 2") + s::ready());
    CHECK(heard(talk) == "statement \"a\" requires 2");
    talk.client_says(c::parse("a", "SELECT 2") + c::sync());
    talk.server_says(words("\"pgweir_1\" already exists") + s::ready());
    CHECK(heard(talk) == "\"a\" already exists");
    for (std::string_view text : {"\"pgweir_1", "pgweir_1\"", "\"pgweir_x\"", "", "\"pgweir_"}) {
        CAPTURE(text);
        talk.client_says(c::bind("a") + c::sync());
        talk.server_says(words(text) + s::ready());
        CHECK(heard(talk) == text);
    }
}

// --- Good-byes ----------------------------------------------------------------------------------

TEST_CASE("who says good-bye behind a question hears the answer first") {
    Conversation talk;
    talk.client_says(c::query("INSERT") + message('X'));
    CHECK(talk.asked() == "Q(INSERT)");
    CHECK_FALSE(talk.is_terminated);
    CHECK(talk.client.said_goodbye());
    talk.server_says(s::complete("INSERT 0 1") + s::ready());
    CHECK(talk.heard() == "C(INSERT 0 1) Z(I)");
    CHECK(talk.is_terminated);
}

TEST_CASE("who says good-bye in the middle of a batch, or of COPY, is not waited for") {
    {
        Conversation talk;
        talk.client_says(c::parse("", "INSERT") + c::bind("") + c::execute() + message('X'));
        CHECK(talk.is_terminated);
    }
    Conversation talk;
    talk.client_says(c::query("COPY t FROM STDIN") + message('X'));
    CHECK_FALSE(talk.is_terminated);
    talk.server_says(s::copy_in());
    CHECK(talk.is_terminated);
}

}  // namespace pgweir::session
