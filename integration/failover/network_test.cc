// SPDX-License-Identifier: PostgreSQL
// The way to the primary falls silent, in both directions or in one, and another node is promoted.
// The old primary lives on all the time, and can be reached again afterwards.
#include <doctest/doctest.h>

#include "relay.h"
#include "stage.h"

using namespace pgweir::integration;

namespace {

struct Network {
    std::array<Relay, 3> relays{Relay(trio().node(0).port()), Relay(trio().node(1).port()),
                                Relay(trio().node(2).port())};
    PgweirProcess pgweir{trio().config({relays[0].port(), relays[1].port(), relays[2].port()})};

    Target application() const { return pgweir.target().with_database("trio"); }
};

void fail_over_behind(Relay::Cut cut) {
    Network network;
    repeat(20, [&] {
        const std::size_t before = trio().primary();
        Relay& way = network.relays[before];
        const auto mend = [&](Node& node) {
            const std::string count = entries_on(node);
            way.cut(Relay::Cut::None);
            Workload more(network.application(), 100);
            more.wait_for_writes(100);
            more.stop();
            CHECK(entries_on(node) == count);
        };
        const Outcome outcome =
            fail_over([&](Node&) { way.cut(cut); }, mend, network.application());
        // Silence is no sign: a quiet look, each second, sees the promotion.
        check(outcome, 3000);
        // The third node may have followed the old one too far.
        const std::size_t third = 3 - before - trio().primary();
        trio().node(third).kill();
        trio().node(third).make_standby_of(trio().node(trio().primary()));
        trio().rebuild(before);
    });
}

}  // namespace

TEST_CASE("nothing reaches the primary any more, and nothing comes from it") {
    fail_over_behind(Relay::Cut::Both);
}

TEST_CASE("nothing reaches the primary any more") {
    fail_over_behind(Relay::Cut::ToServer);
}

TEST_CASE("nothing comes from the primary any more") {
    fail_over_behind(Relay::Cut::FromServer);
}
