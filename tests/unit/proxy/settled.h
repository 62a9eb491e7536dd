// SPDX-License-Identifier: PostgreSQL
// A database with a primary "one" and a standby "two", both with a server of alice's.
#pragma once

#include <doctest/doctest.h>

#include "unit/proxy/by_hand.h"

namespace pgweir::proxy {

using testing::ByHand;
using testing::Said;
namespace client = testing::client;
namespace server = testing::server;

inline std::string settings(const std::string& cluster, const std::string& split) {
    return R"(
[pgweir]
auth_type = "any"
admin_users = ["root"]
[tls]
server_tls_sslmode = "disable"
[routing]
split = ")" +
           split + R"("
[databases.app]
nodes = ["one", "two"]
[cluster]
monitor_user = "eye"
)" + cluster;
}

// The core numbers nodes in the order of the settings.
inline constexpr NodeId kOne{1};
inline constexpr NodeId kTwo{2};

struct Tells {
    bool in_recovery = false;
    std::uint32_t timeline = 1;
    Duration took = {};
};

inline void see(ByHand& world, NodeId node, Tells tells) {
    world.pass(Duration::milliseconds(1));
    cluster::Observation seen;
    seen.started_at = world.now();
    world.pass(tells.took);
    seen.ended_at = world.now();
    seen.in_recovery = tells.in_recovery;
    seen.system_id = 7;
    seen.timeline = tells.timeline;
    seen.lsn = cluster::Lsn{0x100 * tells.timeline};
    seen.started_unix_us = 1;
    world.tell(NodeObserved{node, std::move(seen)});
}

inline void fail_look(ByHand& world, NodeId node, cluster::ProbeOver over) {
    world.pass(Duration::milliseconds(1));
    cluster::Observation seen;
    seen.started_at = world.now();
    seen.ended_at = world.now();
    seen.over = over;
    seen.failure = "connection refused";
    world.tell(NodeObserved{node, std::move(seen)});
}

inline void lose(ByHand& world, NodeId node) {
    fail_look(world, node, cluster::ProbeOver::Open);
    fail_look(world, node, cluster::ProbeOver::New);
}

// "one" is the primary, "two" its standby, and both have a server of alice's.
struct Settled {
    explicit Settled(const std::string& cluster = "", const std::string& split = "off")
        : world(settings(cluster, split)) {
        see(world, kOne, {});
        see(world, kTwo, {.in_recovery = true});
        alice = world.connect();
        on_one = world.opened_to("one");
        world.log_in(on_one);
        on_two = world.opened_to("two");
        REQUIRE(on_two);
        world.log_in(on_two);
        world.heard(alice);
    }

    // Alice's, on "one".
    void open_transaction() {
        world.say(alice, client::query("begin"));
        world.asked(on_one);
        world.answer(on_one, server::complete("BEGIN") + server::ready('T'));
        world.heard(alice);
    }
    ClientId open_console() {
        const ClientId root = world.connect("root", "pgweir");
        world.heard_text(root);
        return root;
    }

    ByHand world;
    ClientId alice;
    ServerId on_one;
    ServerId on_two;
};

inline bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

inline const Said kDone = server::complete("INSERT 0 1") + server::ready();

inline const Said kDemoted = server::error("25006") + server::status("in_hot_standby", "on");

struct Demoted : Settled {
    Demoted() : Settled("", "on") {
        // The catalog is asked for first, on the same server.
        world.say(alice, client::query("insert into t values (0)"));
        world.answer(on_one, server::error("42501") + server::ready());
        REQUIRE(has(world.asked(on_one), "Q(insert into t values (0))"));
        world.answer(on_one, kDone);
        world.heard(alice);
    }
    void promote_two() {
        see(world, kOne, {.in_recovery = true});
        see(world, kTwo, {.timeline = 2});
    }
};

}  // namespace pgweir::proxy
