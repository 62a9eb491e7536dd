// SPDX-License-Identifier: PostgreSQL
// Which texts are of one shape, and which must not be.
#include "sql/shape.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sql/shape_text.h"

namespace pgweir::sql {
namespace {

// "odd" for what the lexer does not trust.
std::string shape_of(const std::string& text, ShapeReader::Options options = {}) {
    ShapeReader reader;
    const Shape shape = reader.read(text, options);
    return shape.is_odd ? "odd" : std::string(shape.bytes);
}

std::string text_of(const std::string& text) {
    return text_of_shape(shape_of(text), 1000);
}

}  // namespace

TEST_CASE("texts that differ in literals, white space, comments and case are of one shape") {
    const std::vector<std::vector<std::string>> alike = {
        {"select 1", "SELECT 2", "select\n\t1;", "/* c */ select 1 -- end", ";; select 1 ; ;"},
        {"select 'a'", "select 'b''c'", "select ''", "select $$x$$", "select $t$ $$ ' $t$",
         "select U&'d\\0061t'"},
        {"select * from t where a in (1)", "select * from t where a in (1, 2,3)"},
        {"select * from t where a in (1, -2)", "select * from t where a in (-1, 2, 3, -4)"},
        {"select * from t where a in ('a', 1)", "select * from t where a in (1, 'b', 'c', 3)"},
        {"values (1, 'a'), (2, 'b')", "values (1, 'a')", "values (1, 'a', 2)",
         "values (3, 'x'), ('y', 4), (5, 'z')"},
        {"insert into t values (1, null), (default, 2)", "insert into t values (null, default, 3)"},
        {"select a from t where b = $1", "select a from t where b = $27"},
        {"f($1, $2)", "f($3)"},
        {"select array[1,2]", "select array[3]"},
        {"select (1,2),(3,4)", "select (1)"},
        {"a in ((1,2),(3,4))", "a in ((5,6))"},
        {"select e'a'", "select E'\\''", "select E'\\\\'"},
        {"select 1.5", "select .5", "select 1.", "select 1e10", "select 1.5E-3",
         "select 12345678901234567890"},
        {"select b'0'", "select B'101'"},
        {"select x'0'", "select X'1F'"},
        {"select n'0'", "select N'1F'"},
        {"select true, false", "select false, true, true"},
        {"SELECT Ab", "select aB"},
    };
    for (const auto& group : alike) {
        for (const std::string& text : group) {
            CAPTURE(text);
            CHECK(shape_of(text) == shape_of(group.front()));
        }
    }
}

TEST_CASE("texts that may have different verdicts are of different shapes") {
    const std::vector<std::vector<std::string>> different = {
        {"select 1", "select 1.5", "select '1'", "select $1", "select null", "select n'1'",
         "select b'1'", "select x'1'", "select e'1'", "select true", "select -1", "select (-1)",
         "select a", "select \"1\"", "select (1)", "select [1]"},
        {"select ab", "select a b", "select \"ab\"", "select \"Ab\"", "select a.b", "select a,b"},
        {"select a<=b", "select a< =b", "select a<b", "select a=b"},
        {"a::b", "a: :b", "a:b", "a:=b", "a: =b"},
        {"select \"a\"\"b\"", "select \"a\" \"b\"", "select \"a\"b\"\""},
        {"select U&\"d!0061t\" uescape '!'", "select U&\"d!0061t\" uescape '+'",
         "select \"d!0061t\" uescape '!'"},
        // A minus is an operator where it is not part of a number.
        {"select (-1::int, 2)", "select (-1, 2::int)", "select (1, -2::int)"},
        {"select - 1, null", "select - null, 1"},
        {"select - (1), (null)", "select - (null), (1)"},
        {"select + 1, null", "select + null, 1"},
        // What a verdict depends on.
        {"select set_config('a', 'b', true)", "select set_config('a', 'b', false)",
         "select set_config('a', 'b', 't')", "select set_config('a', 'b', 'f')",
         "select set_config('a', 'c', true)", "select \"set_config\"('a', 'b', true)"},
        {"select current_setting('port')", "select current_setting('role')",
         "select current_setting(E'role')", "select current_setting(U&'role')",
         "select current_setting($$role$$)", "select current_setting($1)"},
        {"show port", "show role"},
        {"set a.b to 'x'", "set a.b to default", "set a.b to true"},
        {"select a from t", "select a from t;select a from t", "select a;from t"},
        {"t.true, null", "t.null, true"},
        {"explain (analyze false) select 1", "explain (analyze true) select 1"},
        {"commit", "commit and chain", "commit prepared 'a'"},
    };
    for (const auto& group : different) {
        for (std::size_t i = 0; i < group.size(); ++i) {
            for (std::size_t k = 0; k < i; ++k) {
                CAPTURE(group[i]);
                CAPTURE(group[k]);
                CHECK(shape_of(group[i]) != shape_of(group[k]));
            }
        }
    }
}

TEST_CASE("what PostgreSQL would not run, or another lexer would read otherwise, is odd") {
    for (const char* text : {"'",
                             "\"",
                             "e'\\'",
                             "e'\\",
                             "$$",
                             "$a$ $b$",
                             "/*",
                             "/* /* */",
                             "/*/",
                             "select 1a",
                             "select 0x1f",
                             "select 1_000",
                             "select 1e",
                             "select 1e+",
                             "select 1..2",
                             "select $1a",
                             "select $",
                             "select $a",
                             "a \\ b",
                             "{",
                             "select \v1",
                             "select e'a'\n'\\''",
                             "select e'a' -- x\n 'b'",
                             "select \x01",
                             "select 1$"}) {
        CAPTURE(text);
        CHECK(shape_of(text) == "odd");
    }
}

TEST_CASE("comments end where PostgreSQL ends them") {
    const std::string one = shape_of("select 1");
    for (const char* text : {"select /* ' */ 1", "select /* /* */ ' */ 1", "select /***/ 1",
                             "select /*/**/*/ 1", "select -- '\n1", "select -- '\r1",
                             "select /* -- */ 1", "select /*\n'*/ 1", "select -- /*\n1"}) {
        CAPTURE(text);
        CHECK(shape_of(text) == one);
    }
    CHECK(shape_of("select '/*' || '*/'") == shape_of("select 'a' || 'b'"));
    CHECK(shape_of("select a +-- b\n c") == shape_of("select a + c"));
    CHECK(shape_of("select a +/* b */ c") == shape_of("select a + c"));
    CHECK(shape_of("select a */* b */ c") == shape_of("select a * c"));
    CHECK(shape_of("select \"/*\", \"*/\"") != shape_of("select \"\""));
    CHECK(shape_of("select $$ /* $$, 1 /* */") == shape_of("select 'x', 1"));
}

TEST_CASE("a backslash in a plain string is odd when it is an escape there") {
    const ShapeReader::Options old_strings{.standard_conforming_strings = false};
    CHECK(shape_of("select 'a\\'") == shape_of("select 'a'"));
    CHECK(shape_of("select 'a\\'", old_strings) == "odd");
    CHECK(shape_of("select n'a\\'", old_strings) == "odd");
    CHECK(shape_of("select u&'a'", old_strings) == "odd");
    CHECK(shape_of("select 'a', E'\\''", old_strings) == shape_of("select 'a', E'\\''"));
    CHECK(shape_of("select $$\\$$", old_strings) == shape_of("select 'a'"));
}

TEST_CASE("a high byte is odd where it could hide an ASCII character") {
    const ShapeReader::Options shift_jis{.is_ascii_transparent = false};
    CHECK(shape_of("select '\x83\x5C'", shift_jis) == "odd");
    CHECK(shape_of("select '\x83\x5C'") == shape_of("select 'a'"));
    CHECK(shape_of("select 'a'", shift_jis) == shape_of("select 'a'"));
}

TEST_CASE("hints come from comments in front of the first token only") {
    ShapeReader reader;
    const auto hints_of = [&](const char* text) { return reader.read(text, {}).hints; };
    CHECK(hints_of("/* pgweir: primary */ select 1") == Hints{.route = RouteHint::Primary});
    CHECK(hints_of("-- x\n/* y */ /* pgweir: replica */\nselect 1") ==
          Hints{.route = RouteHint::Replica});
    CHECK(hints_of("/* pgweir: replica */") == Hints{.route = RouteHint::Replica});
    CHECK(hints_of("/* pgweir: replica *//* pgweir: primary */ select 1") ==
          Hints{.is_wrong = true});
    CHECK(hints_of("select /* pgweir: primary */ 1") == Hints{});
    CHECK(hints_of("select 1 /* pgweir: primary */") == Hints{});
    CHECK(hints_of("; /* pgweir: primary */ select 1") == Hints{});
    CHECK(hints_of("-- pgweir: primary\nselect 1") == Hints{});
    CHECK(hints_of("select '/* pgweir: primary */'") == Hints{});
    CHECK(shape_of("/* pgweir: primary */ select 1") == shape_of("select 1"));
}

TEST_CASE("a shape reads well") {
    CHECK(text_of("SELECT a.b, count(*) FROM t WHERE x IN (1, 2) AND y = 'z' AND n = $1") ==
          "select a.b, count(*) from t where x in (?) and y = ? and n = $");
    CHECK(text_of("INSERT INTO t (a, b) VALUES (1, NULL), (2, 'x')") ==
          "insert into t(a, b) values (?)");
    CHECK(text_of("SELECT a::int[] , ARRAY[1], \"Q\"") == "select a::int[], array[?], \"Q\"");
    CHECK(text_of("SELECT a IS NULL; SET x TO DEFAULT") == "select a is null; set x to default");
    CHECK(text_of("SELECT set_config('a', 'b', true)") == "select set_config('a', 'b', true)");
    CHECK(text_of_shape(shape_of("select äöü"), 12) == "select ä…");
    CHECK(text_of_shape(shape_of("select abc"), 10) == "select abc");
}

TEST_CASE("the grammar's form of a shape has the same shape") {
    for (const char* text :
         {"select 1, 1.5, 'a', e'a', n'a', b'1', x'1', $1, null, true, false, -1 from t",
          "select f(-1, 1.5), (-1.5, 2), a[-1]", "values (1, 'a', null), (default, true, $1)",
          "select a::b, c <= d, e->>'f', \"G\", u&\"h\" uescape '!'", "select - 1, +2, a - -1",
          "select set_config('a', $$b$$, true), 1, -2", "begin; select 1; commit",
          "set x = 'a', 'b', 1", "declare \"a\"\"b\" cursor for select 1 limit 5"}) {
        CAPTURE(text);
        const std::string shape = shape_of(text);
        REQUIRE(shape != "odd");
        CHECK(shape_of(sql_of_shape(shape)) == shape);
    }
}

TEST_CASE("a reader grows with the texts it reads, and gives the same shapes") {
    ShapeReader reader;
    std::string text = "select 1";
    for (int i = 0; i < 200; ++i) text += ",1,a";
    const Shape shape = reader.read(text, {});
    CHECK(shape.tokens > 400);
    const std::size_t bytes = reader.bytes();
    CHECK(std::string(reader.read("select 1", {}).bytes) == shape_of("select 1"));
    CHECK(reader.bytes() == bytes);
}

}  // namespace pgweir::sql
