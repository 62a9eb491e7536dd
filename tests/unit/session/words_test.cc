// SPDX-License-Identifier: PostgreSQL
#include "session/words.h"

#include <doctest/doctest.h>

#include "session/client_relay.h"

namespace pgweir::session {

TEST_CASE("words stand behind white space, semicolons and comments, which nest") {
    for (std::string_view text : {"begin", " ;\tBEGIN x", "-- no\nBegin", "/* a */begin;",
                                  "/* a /* b */ commit */ begin"}) {
        CAPTURE(text);
        CHECK(next_word(text) == "begin");
    }
    for (std::string_view text : {"", "/* begin", "-- begin", "1 begin", "\"begin\""}) {
        CAPTURE(text);
        CHECK(next_word(text) == "");
    }
}

TEST_CASE("DEALLOCATE is understood however it is spelt, if nothing else is said") {
    CHECK(deallocated_name("deallocate s1") == "s1");
    CHECK(deallocated_name("DEALLOCATE PREPARE S_1$;") == "s_1$");
    CHECK(deallocated_name("/* a /* b */ */ deallocate -- c\n s") == "s");
    CHECK(deallocated_name("deallocate s /* and nothing else */ ;") == "s");
    CHECK(deallocated_name(R"(deallocate "S ""1""")") == R"(S "1")");
    CHECK(deallocated_name(R"(deallocate"s")") == "s");
    CHECK(deallocated_name(R"(deallocate "prepare")") == "prepare");
    CHECK(deallocated_name(R"(deallocate prepare "all")") == "all");
    CHECK(deallocated_name("deallocate prepare") == "");
    for (const std::string_view text :
         {"deallocate all", "deallocate prepare all", "deallocate", "deallocate s; select 1",
          "deallocate s t", "deallocate \"s", "deallocates s", "select 1", "deallocate 1"}) {
        CAPTURE(text);
        CHECK(deallocated_name(text) == "");
    }
}

}  // namespace pgweir::session
