// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/frontend_messages.h"

#include <array>
#include <string>

#include "unit/wire/cut.h"

using namespace pgweir;
using namespace pgweir::wire;

TEST_CASE("Query is written and read, and refused when cut") {
    Bytes out;
    query(out, "SELECT 1");
    const ByteView body = body_of(out, 'Q');
    CHECK(read_query(body) == "SELECT 1");
    refuses_when_cut(body, read_query);
}

TEST_CASE("Parse is written and read, and refused when cut") {
    Bytes out;
    const std::array<std::uint32_t, 2> oids{23, 0xfffffffe};
    parse(out, "s1", "SELECT $1, $2", oids);
    const ByteView body = body_of(out, 'P');
    const auto message = read_parse(body);
    REQUIRE(message);
    CHECK(message->statement == "s1");
    CHECK(message->text == "SELECT $1, $2");
    REQUIRE(message->type_oids.size() == 8);
    CHECK(load_u32(message->type_oids.data() + 4) == 0xfffffffe);
    refuses_when_cut(body, read_parse);

    Bytes again;
    parse(again, *message);
    CHECK(again == out);
}

TEST_CASE("Parse that declares more types than it brings is refused") {
    const Bytes body{0, 'x', 0, 0xff, 0xff, 0, 0, 0, 23};
    CHECK_FALSE(read_parse(body));
}

TEST_CASE("Describe and Close name a statement or a portal, and nothing else") {
    Bytes out;
    describe(out, TargetKind::Portal, "p");
    const auto described = read_describe(body_of(out, 'D'));
    REQUIRE(described);
    CHECK(described->kind == TargetKind::Portal);
    CHECK(described->name == "p");
    refuses_when_cut(body_of(out, 'D'), read_describe);

    out.clear();
    close_statement(out, "s");
    const auto closed = read_close(body_of(out, 'C'));
    REQUIRE(closed);
    CHECK(closed->kind == TargetKind::Statement);
    CHECK(closed->name == "s");
    refuses_when_cut(body_of(out, 'C'), read_close);

    CHECK_FALSE(read_describe(Bytes{'X', 0}));
}

TEST_CASE("Execute is written and read, and refused when cut") {
    Bytes out;
    execute(out, "p", 100);
    const auto message = read_execute(body_of(out, 'E'));
    REQUIRE(message);
    CHECK(message->portal == "p");
    CHECK(message->rows_max == 100);
    refuses_when_cut(body_of(out, 'E'), read_execute);
}

TEST_CASE("messages without a body are five bytes") {
    Bytes out;
    sync(out);
    flush(out);
    terminate(out);
    copy_done(out);
    CHECK(out == Bytes{'S', 0, 0, 0, 4, 'H', 0, 0, 0, 4, 'X', 0, 0, 0, 4, 'c', 0, 0, 0, 4});
}

TEST_CASE("CopyFail carries its reason") {
    Bytes out;
    copy_fail(out, "no");
    CHECK(as_text(body_of(out, 'f')) == std::string_view("no\0", 3));
}

TEST_CASE("the head of a Bind is read from as much as has come") {
    Bytes out;
    const std::array<std::optional<std::string_view>, 2> values{"abc", std::nullopt};
    bind(out, "portal", "statement", values);
    const ByteView body = body_of(out, 'B');
    const std::size_t head_size = sizeof("portal") + sizeof("statement");
    for (std::size_t n = 0; n <= body.size(); ++n) {
        CAPTURE(n);
        const Bytes prefix(body.begin(), body.begin() + static_cast<std::ptrdiff_t>(n));
        const auto head = read_bind_head(prefix, body.size());
        if (n < head_size) {
            CHECK(head.error() == HeadError::NeedMore);
        } else {
            REQUIRE(head.ok());
            CHECK(head->portal == "portal");
            CHECK(head->statement == "statement");
            CHECK(head->rest_at == head_size);
        }
    }
    // The same bytes, and no more to come.
    CHECK(read_bind_head(body.first(head_size - 1), head_size - 1).error() == HeadError::Malformed);
}

TEST_CASE("a Bind with its statement renamed keeps every other byte") {
    Bytes sent;
    const std::array<std::optional<std::string_view>, 1> values{"42"};
    bind(sent, "p", "theirs", values);
    const ByteView body = body_of(sent, 'B');
    const auto head = read_bind_head(body, body.size());
    REQUIRE(head.ok());
    const ByteView rest = body.subspan(head->rest_at);

    Bytes renamed;
    bind_head(renamed, head->portal, "ours_17", rest.size());
    renamed.insert(renamed.end(), rest.begin(), rest.end());
    Bytes expected;
    bind(expected, "p", "ours_17", values);
    CHECK(renamed == expected);
}

TEST_CASE("Bind writes text values, NULLs and default formats") {
    Bytes out;
    const std::array<std::optional<std::string_view>, 3> values{"x", std::nullopt, ""};
    bind(out, "", "", values);
    const Bytes expected{'B', 0, 0,   0,    31,   0,    0,    0, 0, 0, 3, 0, 0,
                         0,   1, 'x', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0};
    Bytes with_length = expected;
    with_length[4] = static_cast<Byte>(expected.size() - 1);
    CHECK(out == with_length);
}

TEST_CASE("the name of a Parse is read before its text has come") {
    Bytes out;
    parse(out, "name", "SELECT 1");
    const ByteView body = body_of(out, 'P');
    CHECK(read_parse_name(body.first(4), body.size()).error() == HeadError::NeedMore);
    CHECK(*read_parse_name(body.first(5), body.size()) == "name");
    CHECK(read_parse_name(body.first(4), 4).error() == HeadError::Malformed);
}

TEST_CASE("PasswordMessage is one string") {
    Bytes out;
    password_message(out, "secret");
    CHECK(read_password_message(body_of(out, 'p')) == "secret");
    refuses_when_cut(body_of(out, 'p'), read_password_message);
}

TEST_CASE("SASLInitialResponse is written and read, and refused when cut") {
    Bytes out;
    sasl_initial_response(out, "SCRAM-SHA-256", "n,,n=,r=x");
    const auto message = read_sasl_initial_response(body_of(out, 'p'));
    REQUIRE(message);
    CHECK(message->mechanism == "SCRAM-SHA-256");
    CHECK(message->data == "n,,n=,r=x");
    refuses_when_cut(body_of(out, 'p'), read_sasl_initial_response);

    out.clear();
    sasl_response(out, "c=biws");
    CHECK(as_text(body_of(out, 'p')) == "c=biws");
}

TEST_CASE("SASLInitialResponse may come without data, but with no other negative length") {
    const auto none = read_sasl_initial_response(Bytes{'X', 0, 0xff, 0xff, 0xff, 0xff});
    REQUIRE(none);
    CHECK_FALSE(none->data);
    for (const Bytes& hostile :
         {Bytes{'X', 0, 0xff, 0xff, 0xff, 0xfe}, Bytes{'X', 0, 0x80, 0, 0, 0},
          Bytes{'X', 0, 0x7f, 0xff, 0xff, 0xff}, Bytes{'X', 0, 0, 0, 0, 1}}) {
        CHECK_FALSE(read_sasl_initial_response(hostile));
    }
}
