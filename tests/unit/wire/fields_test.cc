// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/fields.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace pgweir::wire;

TEST_CASE("a reader gives the fields in order and ends at the end") {
    const Bytes body{7, 0x12, 0x34, 0xff, 0xff, 0xff, 0xfe, 'a', 'b', 0, 'x', 'y'};
    FieldReader fields(body);
    CHECK(fields.u8() == 7);
    CHECK(fields.u16() == 0x1234);
    CHECK(fields.i32() == -2);
    CHECK(fields.cstring() == "ab");
    CHECK_FALSE(fields.at_end());
    CHECK(as_text(fields.rest()) == "xy");
    CHECK(as_text(fields.take(2)) == "xy");
    CHECK(fields.at_end());
}

TEST_CASE("a field that does not fit fails the reader for good") {
    const Bytes body{1, 2, 3};
    FieldReader fields(body);
    CHECK(fields.u32() == 0);
    CHECK_FALSE(fields.ok());
    // One byte would fit, but what it means is not known any more.
    CHECK(fields.u8() == 0);
    CHECK(fields.u16() == 0);
    CHECK(fields.cstring().empty());
    CHECK(fields.take(0).empty());
    CHECK(fields.rest().empty());
    CHECK_FALSE(fields.ok());
    CHECK_FALSE(fields.at_end());
}

TEST_CASE("a string whose NUL lies outside the body is refused") {
    const Bytes memory{'a', 'b', 'c', 0};
    FieldReader fields(ByteView(memory).first(3));
    CHECK(fields.cstring().empty());
    CHECK_FALSE(fields.ok());
}

TEST_CASE("an empty string is a string") {
    const Bytes body{0, 0};
    FieldReader fields(body);
    CHECK(fields.cstring().empty());
    CHECK(fields.ok());
    CHECK(fields.cstring().empty());
    CHECK(fields.at_end());
    CHECK(fields.cstring().empty());
    CHECK_FALSE(fields.ok());
}

TEST_CASE("a hostile count can't wrap around the end of the body") {
    const Bytes body{1, 2, 3, 4};
    for (const std::size_t n : {std::size_t{5}, std::size_t{0xffffffff}, SIZE_MAX - 1, SIZE_MAX}) {
        CAPTURE(n);
        FieldReader fields(body);
        fields.u8();
        CHECK(fields.take(n).empty());
        CHECK_FALSE(fields.ok());
    }
}

TEST_CASE("a writer puts the length in its place, also behind other messages") {
    Bytes out{0xaa};
    MessageWriter(out).begin(FrontendTag::Query).cstring("x").finish();
    MessageWriter(out).begin_tagless().u16(0x0102).i32(-1).finish();
    CHECK(out == Bytes{0xaa, 'Q', 0, 0, 0, 6, 'x', 0, 0, 0, 0, 10, 1, 2, 0xff, 0xff, 0xff, 0xff});
}

TEST_CASE("a NUL inside a string ends it, and can't start a field of its own") {
    Bytes out;
    MessageWriter(out).begin(FrontendTag::Query).cstring(std::string_view("a\0b", 3)).finish();
    CHECK(out == Bytes{'Q', 0, 0, 0, 6, 'a', 0});
}

TEST_CASE("every tag has the manual's name, and other bytes have none") {
    int frontend = 0;
    int backend = 0;
    for (int byte = 0; byte < 256; ++byte) {
        frontend += is_known(static_cast<FrontendTag>(byte)) ? 1 : 0;
        backend += is_known(static_cast<BackendTag>(byte)) ? 1 : 0;
    }
    CHECK(frontend == 14);
    CHECK(backend == 24);
    CHECK(name_of(FrontendTag{'P'}) == "Parse");
    CHECK(name_of(BackendTag{'Z'}) == "ReadyForQuery");
    CHECK(name_of(TransactionStatus{'E'}) == "failed");
    CHECK(name_of(TransactionStatus{'X'}).empty());
}
