// SPDX-License-Identifier: PostgreSQL
// Places in the log as text, and places of different nodes made comparable.
#include "pgweir/cluster/lsn.h"

#include <doctest/doctest.h>

#include "pgweir/cluster/observation.h"

namespace pgweir::cluster {

TEST_CASE("an LSN is written as pg_lsn writes it") {
    CHECK(text(Lsn{}) == "0/0");
    CHECK(text(Lsn{0x16'B374D848}) == "16/B374D848");
    CHECK(text(Lsn{0xFFFFFFFFFFFFFFFF}) == "FFFFFFFF/FFFFFFFF");
    CHECK(text(Lsn{0x3000028}) == "0/3000028");
}

TEST_CASE("an LSN is read back, in capitals or not") {
    CHECK(parse_lsn("16/B374D848") == Lsn{0x16'B374D848});
    CHECK(parse_lsn("16/b374d848") == Lsn{0x16'B374D848});
    CHECK(parse_lsn("0/0") == Lsn{});
    CHECK(parse_lsn("00000000/00000001") == Lsn{1});
}

TEST_CASE("what is no LSN is not read") {
    for (const char* wrong : {"", "/", "1/", "/1", "1", "1/2/3", "-1/2", "+1/2", " 1/2", "1/2 ",
                              "0x1/2", "123456789/1", "1/123456789", "g/1"}) {
        CHECK_MESSAGE(!parse_lsn(wrong), wrong);
    }
}

namespace {
std::uint64_t reached(std::uint64_t lsn, bool in_recovery = false, std::uint32_t block = 8192) {
    Observation seen;
    seen.lsn = Lsn{lsn};
    seen.in_recovery = in_recovery;
    seen.wal_block_size = block;
    return seen.reached().value;
}
}  // namespace

TEST_CASE("a primary behind the header of an empty page has reached the page before") {
    CHECK(reached(0x3000028) == 0x3000000);  // After pg_switch_wal().
    CHECK(reached(0x3002018) == 0x3002000);
    CHECK(reached(0x3000018) == 0x3000000);
    CHECK(reached(0x3000030) == 0x3000030);
    CHECK(reached(0x3002028) == 0x3002028);  // No segment begins there.
    CHECK(reached(0x3000028, true) == 0x3000028);
    CHECK(reached(0x3002018, false, 16384) == 0x3002018);
    CHECK(reached(0) == 0);
}

}  // namespace pgweir::cluster
