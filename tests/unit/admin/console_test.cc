// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/console.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"
#include "pgweir/wire/fields.h"
#include "pgweir/wire/frontend_messages.h"

using namespace pgweir;
using namespace pgweir::admin;
using wire::BackendTag;
using wire::FrontendTag;
using wire::TargetKind;
using wire::TransactionStatus;

namespace {

std::string told(BackendTag tag, ByteView body) {
    switch (tag) {
        case BackendTag::RowDescription: {
            wire::FieldReader fields(body);
            std::string text = "columns=" + std::to_string(fields.u16());
            text += " " + std::string(fields.cstring());
            return text;
        }
        case BackendTag::DataRow: {
            const auto row = wire::read_data_row(body);
            REQUIRE(row);
            return "row " + std::string((*row)[0].value_or("NULL"));
        }
        case BackendTag::CommandComplete:
            return "done " + std::string(wire::read_command_complete(body).value());
        case BackendTag::ReadyForQuery:
            return std::string("ready ") +
                   static_cast<char>(wire::read_ready_for_query(body).value());
        case BackendTag::ErrorResponse:
        case BackendTag::NoticeResponse: {
            const auto fields = wire::read_error_fields(body);
            REQUIRE(fields);
            return std::string(fields->severity) + " " + std::string(fields->sqlstate);
        }
        default:
            return std::string(wire::name_of(tag));
    }
}

// What the console replied, one line per message.
std::string transcript(Bytes& out) {
    std::string text;
    ByteView rest(out);
    while (!rest.empty()) {
        REQUIRE(rest.size() >= 5);
        const std::size_t length = load_u32(rest.data() + 1);
        REQUIRE(length >= 4);
        REQUIRE(rest.size() >= length + 1);
        if (!text.empty()) text += " | ";
        text += told(static_cast<BackendTag>(rest[0]), rest.subspan(5, length - 4));
        rest = rest.subspan(length + 1);
    }
    out.clear();
    return text;
}

// Speaks to a console as a client and as the proxy.
struct Desk {
    explicit Desk(Role role = Role::Admin) : console(role) {}

    // Frames as the writers of wire make them.
    void send(const Bytes& frames) {
        ByteView rest(frames);
        while (!rest.empty()) {
            const std::size_t length = load_u32(rest.data() + 1);
            console.take(static_cast<FrontendTag>(rest[0]), rest.subspan(5, length - 4), out);
            rest = rest.subspan(length + 1);
        }
    }
    std::string heard() { return transcript(out); }
    std::string query(std::string_view text) {
        Bytes frames;
        wire::query(frames, text);
        send(frames);
        return heard();
    }
    std::string answer(const ShowData& data) {
        console.answer(data, out);
        return heard();
    }
    std::string done() {
        console.done(out);
        return heard();
    }

    ConsoleSession console;
    Bytes out;
};

Bytes batch(std::string_view text, std::uint32_t rows_max = 0) {
    Bytes frames;
    wire::parse(frames, "", text);
    wire::bind(frames, "", "");
    wire::describe(frames, TargetKind::Portal, "");
    wire::execute(frames, "", rows_max);
    wire::sync(frames);
    return frames;
}

ShowData three_pools() {
    ShowData data;
    for (const char* name : {"a", "b", "c"}) data.pools.push_back({.database = name, .user = "u"});
    return data;
}

Bytes raw_bind(std::uint16_t parameters, std::uint16_t result_format) {
    Bytes frame;
    wire::MessageWriter writer(frame);
    writer.begin(FrontendTag::Bind).cstring("").cstring("").u16(0).u16(parameters);
    for (std::uint16_t i = 0; i < parameters; ++i) writer.i32(1).u8('1');
    writer.u16(1).u16(result_format).finish();
    return frame;
}

}  // namespace

TEST_CASE("SHOW asks the proxy and replies with its data") {
    Desk desk;
    CHECK(desk.query("SHOW POOLS").empty());
    REQUIRE(desk.console.request());
    CHECK(*desk.console.request() == AdminCommand{.verb = Verb::Show, .table = ShowTable::Pools});
    CHECK(desk.answer(three_pools()) ==
          "columns=17 database | row a | row b | row c | done SHOW | ready I");
    CHECK(!desk.console.request());
}

TEST_CASE("SHOW VERSION and SHOW HELP need nobody") {
    Desk desk;
    CHECK(desk.query("SHOW VERSION") == "columns=1 version | row pgweir " PGWEIR_VERSION
                                        " | done SHOW | ready I");
    CHECK(desk.query("show help").starts_with("columns=3 command | row SHOW HELP | "));
}

TEST_CASE("a command is done when the proxy says so, with its notices") {
    Desk desk;
    CHECK(desk.query("RELOAD").empty());
    REQUIRE(desk.console.request());
    CHECK(desk.console.request()->verb == Verb::Reload);
    const std::vector<std::string> notices = {"listen needs a restart"};
    desk.console.done(notices, desk.out);
    CHECK(desk.heard() == "NOTICE 00000 | done RELOAD | ready I");
}

TEST_CASE("a command that fails is told, and the session lives on") {
    Desk desk;
    desk.query("PAUSE nowhere");
    desk.console.fail({.reason = wire::RefusalReason::ConsoleUnknownDatabase, .subject = "nowhere"},
                      desk.out);
    CHECK(desk.heard() == "ERROR 3D000 | ready I");
    CHECK(desk.query("SELECT 1") == "columns=1 ?column? | row 1 | done SELECT 1 | ready I");
}

TEST_CASE("several statements run in order, and one ReadyForQuery follows") {
    Desk desk;
    CHECK(desk.query("SHOW VERSION; PAUSE; SHOW POOLS; RESUME app") ==
          "columns=1 version | row pgweir " PGWEIR_VERSION " | done SHOW");
    CHECK(desk.console.request()->verb == Verb::Pause);
    CHECK(desk.done() == "done PAUSE");
    CHECK(desk.console.request()->table == ShowTable::Pools);
    CHECK(desk.answer({}) == "columns=17 database | done SHOW");
    CHECK(desk.console.request()->database == "app");
    CHECK(desk.done() == "done RESUME | ready I");
}

TEST_CASE("a failure ends the statements behind it") {
    Desk desk;
    desk.query("PAUSE; RESUME");
    desk.console.fail({.reason = wire::RefusalReason::ConsoleFailed, .subject = "PAUSE"}, desk.out);
    CHECK(desk.heard() == "ERROR 55000 | ready I");
    CHECK(!desk.console.request());
}

TEST_CASE("errors and empty queries end with ReadyForQuery") {
    struct Row {
        std::string_view text;
        std::string_view heard;
    };
    const Row rows[] = {
        {"", "EmptyQueryResponse | ready I"},
        {";", "EmptyQueryResponse | ready I"},
        {"SHOW POLLS", "ERROR 42601 | ready I"},
        {"SUSPEND", "ERROR 0A000 | ready I"},
        {"SET pool_size = 4", "ERROR 0A000 | ready I"},
        {"SET application_name = 'x'", "done SET | ready I"},
        {"SHOW standard_conforming_strings",
         "columns=1 standard_conforming_strings | row on | done SHOW | ready I"},
        {"show transaction isolation level",
         "columns=1 transaction_isolation | row read committed | done SHOW | ready I"},
    };
    Desk desk;
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(desk.query(row.text) == row.heard);
    }
}

TEST_CASE("a user who may only look can't act, in either protocol") {
    Desk desk(Role::Stats);
    CHECK(desk.query("PAUSE") == "ERROR 42501 | ready I");
    CHECK(!desk.console.request());
    desk.send(batch("SHUTDOWN"));
    CHECK(desk.heard() == "ERROR 42501 | ready I");
    CHECK(!desk.console.request());
    desk.query("SHOW POOLS");
    CHECK(desk.console.request());
}

TEST_CASE("transactions are answered as PostgreSQL does, and change nothing") {
    Desk desk;
    CHECK(desk.query("BEGIN") == "done BEGIN | ready T");
    CHECK(desk.query("SELECT 1") == "columns=1 ?column? | row 1 | done SELECT 1 | ready T");
    CHECK(desk.query("SHOW POLLS") == "ERROR 42601 | ready E");
    CHECK(desk.query("SHOW VERSION") == "ERROR 25P02 | ready E");
    CHECK(desk.query("COMMIT") == "done ROLLBACK | ready I");
    CHECK(desk.query("BEGIN; SHOW VERSION; COMMIT") ==
          "done BEGIN | columns=1 version | row pgweir " PGWEIR_VERSION
          " | done SHOW | done COMMIT | ready I");
}

TEST_CASE("the extended protocol shows what the simple one shows") {
    Desk desk;
    desk.send(batch("SHOW POOLS"));
    CHECK(desk.heard() == "ParseComplete | BindComplete | columns=17 database");
    CHECK(desk.answer(three_pools()) == "row a | row b | row c | done SHOW | ready I");
    desk.send(batch("PAUSE app"));
    CHECK(desk.heard() == "ParseComplete | BindComplete | NoData");
    CHECK(desk.done() == "done PAUSE | ready I");
    desk.send(batch(""));
    CHECK(desk.heard() == "ParseComplete | BindComplete | NoData | EmptyQueryResponse | ready I");
    desk.send(batch("SELECT 1"));
    CHECK(desk.heard() ==
          "ParseComplete | BindComplete | columns=1 ?column? | row 1 | done SELECT 1 | ready I");
}

TEST_CASE("a named statement is described and run many times") {
    Desk desk;
    Bytes frames;
    wire::parse(frames, "s", "SHOW VERSION");
    wire::describe(frames, TargetKind::Statement, "s");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "ParseComplete | ParameterDescription | columns=1 version | ready I");
    for (int i = 0; i < 2; ++i) {
        frames.clear();
        wire::bind(frames, "", "s");
        wire::execute(frames, "");
        wire::sync(frames);
        desk.send(frames);
        CHECK(desk.heard() == "BindComplete | row pgweir " PGWEIR_VERSION " | done SHOW | ready I");
    }
    frames.clear();
    wire::parse(frames, "s", "SHOW HELP");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "ERROR 42P05 | ready I");
    frames.clear();
    wire::close_statement(frames, "s");
    wire::close_statement(frames, "never");
    wire::bind(frames, "", "s");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "CloseComplete | CloseComplete | ERROR 26000 | ready I");
}

TEST_CASE("a portal hands out its rows piece by piece") {
    Desk desk;
    Bytes frames;
    wire::query(frames, "BEGIN");
    wire::parse(frames, "", "SHOW POOLS");
    wire::bind(frames, "p", "");
    wire::execute(frames, "p", 2);
    wire::execute(frames, "p", 2);
    wire::execute(frames, "p");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "done BEGIN | ready T | ParseComplete | BindComplete");
    CHECK(desk.answer(three_pools()) ==
          "row a | row b | PortalSuspended | row c | done SHOW | done SHOW | ready T");
    frames.clear();
    wire::close(frames, TargetKind::Portal, "p");
    wire::execute(frames, "p");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "CloseComplete | ERROR 34000 | ready E");
}

TEST_CASE("portals end with Sync outside of a transaction") {
    Desk desk;
    desk.send(batch("SHOW VERSION"));
    desk.heard();
    Bytes frames;
    wire::execute(frames, "");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "ERROR 34000 | ready I");
}

TEST_CASE("after an error everything up to Sync is skipped") {
    Desk desk;
    Bytes frames;
    wire::parse(frames, "", "SHOW POLLS");
    wire::bind(frames, "", "");
    wire::execute(frames, "");
    wire::query(frames, "PAUSE");
    wire::flush(frames);
    wire::sync(frames);
    wire::query(frames, "SELECT 1");
    desk.send(frames);
    CHECK(desk.heard() ==
          "ERROR 42601 | ready I | columns=1 ?column? | row 1 | done SELECT 1 | ready I");
    CHECK(!desk.console.request());
}

TEST_CASE("a command that fails in a batch skips to Sync") {
    Desk desk;
    Bytes frames = batch("PAUSE app");
    const Bytes second = batch("SHOW VERSION");
    frames.insert(frames.end(), second.begin(), second.end());
    desk.send(frames);
    desk.heard();
    desk.console.fail({.reason = wire::RefusalReason::ConsoleUnknownDatabase, .subject = "app"},
                      desk.out);
    CHECK(desk.heard() ==
          "ERROR 3D000 | ready I | ParseComplete | BindComplete | "
          "columns=1 version | row pgweir " PGWEIR_VERSION " | done SHOW | ready I");
}

TEST_CASE("parameters, binary results and several commands in one Parse are refused") {
    Desk desk;
    Bytes frames;
    const std::vector<std::uint32_t> types = {23};
    wire::parse(frames, "", "SHOW VERSION", types);
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "ERROR 0A000 | ready I");
    frames.clear();
    wire::parse(frames, "", "SHOW VERSION; SHOW HELP");
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "ERROR 0A000 | ready I");
    frames.clear();
    wire::parse(frames, "", "SHOW VERSION");
    desk.send(frames);
    desk.send(raw_bind(1, 0));
    frames.clear();
    wire::sync(frames);
    desk.send(frames);
    CHECK(desk.heard() == "ParseComplete | ERROR 0A000 | ready I");
    desk.send(raw_bind(0, 1));
    desk.send(frames);
    CHECK(desk.heard() == "ERROR 0A000 | ready I");
    desk.send(raw_bind(0, 0));
    desk.send(frames);
    CHECK(desk.heard() == "BindComplete | ready I");
}

TEST_CASE("frames that come while a command waits are answered behind it, in order") {
    Desk desk;
    Bytes frames;
    wire::query(frames, "PAUSE");
    wire::query(frames, "SELECT 1");
    wire::query(frames, "RESUME");
    wire::query(frames, "SHOW VERSION");
    desk.send(frames);
    CHECK(desk.heard().empty());
    CHECK(desk.done() ==
          "done PAUSE | ready I | columns=1 ?column? | row 1 | done SELECT 1 | ready I");
    CHECK(desk.console.request()->verb == Verb::Resume);
    CHECK(desk.done() == "done RESUME | ready I | columns=1 version | row pgweir " PGWEIR_VERSION
                         " | done SHOW | ready I");
}

TEST_CASE("a client that sends without end while a command waits is cut off") {
    Desk desk;
    desk.query("PAUSE");
    Bytes frames;
    wire::query(frames, std::string(60'000, ' '));
    int sent = 0;
    while (!desk.console.is_closed() && sent < 100) {
        desk.send(frames);
        ++sent;
    }
    CHECK(desk.console.is_closed());
    CHECK(sent == 5);
    CHECK(desk.heard().starts_with("FATAL "));
    // The proxy's answer comes too late, and does no harm.
    desk.console.done(desk.out);
    desk.console.answer({}, desk.out);
    desk.console.fail({.reason = wire::RefusalReason::Shutdown}, desk.out);
    CHECK(desk.heard().empty());
}

TEST_CASE("the number of statements and portals is bounded") {
    Desk desk;
    Bytes frames;
    wire::query(frames, "BEGIN");
    for (std::size_t i = 0; i < ConsoleSession::kNamesMax; ++i) {
        wire::parse(frames, "s" + std::to_string(i), "SHOW HELP");
        wire::bind(frames, "p" + std::to_string(i), "s0");
    }
    desk.send(frames);
    CHECK(desk.heard().find("ERROR") == std::string::npos);
    frames.clear();
    wire::bind(frames, "one more", "s0");
    wire::sync(frames);
    wire::query(frames, "ROLLBACK");
    wire::parse(frames, "one more", "SHOW HELP");
    wire::sync(frames);
    desk.send(frames);
    const std::string heard = desk.heard();
    CAPTURE(heard);
    CHECK(heard.starts_with("ERROR 0A000 | ready E | done ROLLBACK | ready I | ERROR "));
}

TEST_CASE("Terminate ends the session, behind what was asked before") {
    Desk desk;
    Bytes frames;
    wire::query(frames, "RELOAD");
    wire::terminate(frames);
    desk.send(frames);
    CHECK(!desk.console.is_closed());
    CHECK(desk.done() == "done RELOAD | ready I");
    CHECK(desk.console.is_closed());
    CHECK(desk.query("SELECT 1").empty());
}

TEST_CASE("a message that breaks the protocol ends the session") {
    struct Row {
        Byte tag;
        std::string body;
    };
    const Row rows[] = {
        {'Q', "no end"},
        {'Q', std::string("two\0ends\0", 9)},
        {'P', "x"},
        {'B', std::string("\0\0\0", 3)},
        {'B', std::string("\0\0\0\0\0\1\xff\xff\xff\xf0\0\0", 12)},
        {'D', std::string("X\0", 2)},
        {'E', std::string("\0\0", 2)},
        {'C', "S"},
        {'S', "more"},
        {'p', std::string("secret\0", 7)},
        {'~', ""},
        {'Q', std::string(ConsoleSession::kBodyBytesMax, ' ') + '\0'},
    };
    for (const Row& row : rows) {
        CAPTURE(row.tag);
        Desk desk;
        desk.console.take(static_cast<FrontendTag>(row.tag), as_bytes(row.body), desk.out);
        CHECK(desk.console.is_closed());
        CHECK(desk.heard().starts_with("FATAL "));
    }
}

TEST_CASE("a function call is refused, stray COPY data is passed over") {
    Desk desk;
    desk.console.take(FrontendTag::FunctionCall, {}, desk.out);
    CHECK(desk.heard() == "ERROR 0A000 | ready I");
    for (const FrontendTag tag :
         {FrontendTag::CopyData, FrontendTag::CopyDone, FrontendTag::CopyFail}) {
        desk.console.take(tag, as_bytes("x"), desk.out);
    }
    CHECK(desk.heard().empty());
    CHECK(!desk.console.is_closed());
}

TEST_CASE("the console answers to two names and says what drivers want to hear") {
    CHECK(is_console_database("pgweir"));
    CHECK(is_console_database("pgbouncer"));
    CHECK(!is_console_database("postgres"));
    std::string names;
    for (const auto& [name, value] : console_parameters()) names += std::string(name) + " ";
    for (const char* wanted :
         {"server_version ", "client_encoding ", "standard_conforming_strings ", "DateStyle ",
          "integer_datetimes ", "TimeZone "}) {
        CHECK(names.find(wanted) != std::string::npos);
    }
}
