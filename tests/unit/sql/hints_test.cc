// SPDX-License-Identifier: PostgreSQL
// Comments that speak to pgweir.
#include "sql/hints.h"

#include <doctest/doctest.h>

namespace pgweir::sql {

TEST_CASE("a comment without the mark says nothing") {
    for (const char* comment : {"", " a comment ", "pgweir", "x pgweir: primary", "+ pgweir:x"}) {
        Hints hints;
        read_hints(comment, hints);
        CHECK(hints == Hints{});
    }
}

TEST_CASE("each hint is read") {
    struct Case {
        const char* comment;
        Hints hints;
    };
    const Case cases[] = {
        {" pgweir: primary ", {.route = RouteHint::Primary}},
        {"pgweir:replica", {.route = RouteHint::Replica}},
        {"\n PGWEIR:\tReplica\n", {.route = RouteHint::Replica}},
        {" pgweir: consistency=eventual ",
         {.has_consistency = true, .consistency = Consistency::Eventual}},
        {" pgweir: consistency = session ",
         {.has_consistency = true, .consistency = Consistency::Session}},
        {" pgweir: consistency=strong ",
         {.has_consistency = true, .consistency = Consistency::Strong}},
        {" pgweir: consistency=primary ",
         {.has_consistency = true, .consistency = Consistency::Primary}},
        {" pgweir: replica, consistency=strong ",
         {.route = RouteHint::Replica,
          .has_consistency = true,
          .consistency = Consistency::Strong}},
        {" pgweir: primary,primary ", {.route = RouteHint::Primary}},
    };
    for (const Case& it : cases) {
        CAPTURE(it.comment);
        Hints hints;
        read_hints(it.comment, hints);
        CHECK(hints == it.hints);
    }
}

TEST_CASE("what is unknown or contradicts itself leaves no hint but that it is wrong") {
    for (const char* comment :
         {"pgweir:", "pgweir: ", "pgweir: standby", "pgweir: primary replica",
          "pgweir: primary, replica", "pgweir: consistency", "pgweir: consistency=",
          "pgweir: consistency=weak", "pgweir: consistency=strong, consistency=session",
          "pgweir: primary,", "pgweir: replica, consistency=primary", "pgweir: shard=3"}) {
        CAPTURE(comment);
        Hints hints;
        read_hints(comment, hints);
        CHECK(hints == Hints{.is_wrong = true});
    }
}

TEST_CASE("several comments add up, and may contradict one another") {
    Hints hints;
    read_hints("pgweir: replica", hints);
    read_hints("pgweir: consistency=strong", hints);
    CHECK(hints == Hints{.route = RouteHint::Replica,
                         .has_consistency = true,
                         .consistency = Consistency::Strong});
    read_hints("pgweir: primary", hints);
    CHECK(hints == Hints{.is_wrong = true});
    // Wrong once is wrong.
    read_hints("pgweir: primary", hints);
    CHECK(hints.is_wrong);
}

}  // namespace pgweir::sql
