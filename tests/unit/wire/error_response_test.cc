// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/error_response.h"

#include "unit/wire/cut.h"

using namespace pgweir;
using namespace pgweir::wire;

TEST_CASE("an ErrorResponse is written and read, and refused when cut") {
    Bytes out;
    error_response(out, {.severity = "FEHLER",
                         .severity_invariant = "ERROR",
                         .sqlstate = "42P01",
                         .message = "no such table",
                         .detail = "detail",
                         .hint = "hint"});
    const ByteView body = body_of(out, 'E');
    const auto fields = read_error_fields(body);
    REQUIRE(fields);
    CHECK(fields->severity == "FEHLER");
    CHECK(fields->severity_invariant == "ERROR");
    CHECK(fields->sqlstate == "42P01");
    CHECK(fields->message == "no such table");
    CHECK(fields->detail == "detail");
    CHECK(fields->hint == "hint");
    CHECK(fields->where.empty());
    refuses_when_cut(body, read_error_fields);
}

TEST_CASE("a NoticeResponse leaves out what is empty, except the four that must be there") {
    Bytes out;
    notice_response(out, {.severity = "NOTICE"});
    CHECK(as_text(body_of(out, 'N')) == std::string_view("SNOTICE\0VNOTICE\0C\0M\0\0", 21));
}

TEST_CASE("a server may leave out fields, send unknown ones and repeat some") {
    const std::string_view body("Mfirst\0?what\0Msecond\0Rroutine\0\0", 31);
    const auto fields = read_error_fields(as_bytes(body));
    REQUIRE(fields);
    CHECK(fields->message == "first");
    CHECK(fields->routine == "routine");
    CHECK(fields->sqlstate.empty());
    CHECK_FALSE(fields->is_of_class("28"));
    CHECK_FALSE(fields->is_fatal());
    // No field at all.
    CHECK(read_error_fields(Bytes{0}));
    CHECK_FALSE(read_error_fields(Bytes{}));
}

TEST_CASE("every field of the manual is found") {
    const std::string_view body(
        "S1\0V2\0C3\0M4\0D5\0H6\0P7\0W8\0s9\0ta\0cb\0nc\0Rd\0p_\0q_\0F_\0L_\0d_\0\0", 55);
    const auto fields = read_error_fields(as_bytes(body));
    REQUIRE(fields);
    CHECK(fields->position == "7");
    CHECK(fields->where == "8");
    CHECK(fields->schema == "9");
    CHECK(fields->table == "a");
    CHECK(fields->column == "b");
    CHECK(fields->constraint == "c");
    CHECK(fields->routine == "d");
}

TEST_CASE("FATAL and PANIC are fatal in any language") {
    CHECK(ErrorFields{.severity = "FATAL"}.is_fatal());
    CHECK(ErrorFields{.severity = "PANIK", .severity_invariant = "PANIC"}.is_fatal());
    CHECK_FALSE(ErrorFields{.severity = "FATAL", .severity_invariant = "ERROR"}.is_fatal());
    CHECK(ErrorFields{.sqlstate = "57P01"}.is_of_class("57"));
}
