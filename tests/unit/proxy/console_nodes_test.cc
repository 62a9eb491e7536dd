// SPDX-License-Identifier: PostgreSQL
// What the console shows of a database with several nodes.
#include <doctest/doctest.h>

#include "unit/proxy/by_hand.h"

namespace pgweir::proxy {

namespace {

using testing::ByHand;
using testing::Said;
namespace client = testing::client;

const std::string kSettings = R"(
[pgweir]
auth_type = "any"
admin_users = ["root"]
[tls]
server_tls_sslmode = "disable"
[databases.app]
nodes = ["one", "two"]
)";
const std::string kObserved = "[cluster]\nmonitor_user = \"eye\"\n";

// The core numbers nodes in the order of the settings.
constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};

void see(ByHand& world, NodeId node, bool in_recovery, std::uint64_t lsn) {
    world.pass(Duration::milliseconds(1));
    cluster::Observation seen;
    seen.started_at = world.now();
    seen.ended_at = world.now();
    seen.in_recovery = in_recovery;
    seen.system_id = 7;
    seen.timeline = 1;
    seen.lsn = cluster::Lsn{lsn};
    seen.started_unix_us = 1;
    world.tell(NodeObserved{node, std::move(seen)});
}

void see_both(ByHand& world) {
    see(world, kOne, false, 0x100);
    see(world, kTwo, true, 0x100);
}

// The cells of the answer, '|' between columns, ';' behind each row.
std::string rows_of(ByHand& world, ClientId id, std::string_view query) {
    world.heard_text(id);
    world.say(id, client::query(query));
    const std::string heard = world.heard_text(id);
    const auto u16 = [&heard](std::size_t at) {
        return (static_cast<std::size_t>(static_cast<unsigned char>(heard.at(at))) << 8) |
               static_cast<unsigned char>(heard.at(at + 1));
    };
    std::string rows;
    for (std::size_t at = 0; at < heard.size();) {
        const std::size_t end = at + 1 + ((u16(at + 1) << 16) | u16(at + 3));
        if (heard[at] == 'E') rows += "ERROR " + heard.substr(at + 5, end - at - 5);
        if (heard[at] == 'D') {
            const std::size_t cells = u16(at + 5);
            std::size_t cell = at + 7;
            for (std::size_t i = 0; i < cells; ++i) {
                const bool is_null = u16(cell) == 0xFFFF;
                const std::size_t size = is_null ? 0 : u16(cell + 2);
                if (i > 0) rows += '|';
                rows += is_null ? "NULL" : heard.substr(cell + 4, size);
                cell += 4 + size;
            }
            rows += ";\n";
        }
        at = end;
    }
    return rows;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("SHOW NODES and SHOW LAG tell what was seen of the nodes") {
    ByHand world(kSettings + kObserved);
    const ClientId root = world.connect("root", "pgweir");
    world.tell(Woken{});
    std::string nodes = rows_of(world, root, "SHOW NODES");
    CHECK(has(nodes, "app|one|5432|unknown||1|NULL|NULL|NULL|NULL|NULL|NULL|NULL|not seen yet"));
    see_both(world);
    see(world, kOne, false, 0x180);
    see(world, kTwo, true, 0x140);
    nodes = rows_of(world, root, "SHOW NODES");
    CHECK(has(nodes, "app|one|5432|primary||1|1|0/180|NULL|NULL|"));
    CHECK(has(nodes, "app|two|5432|standby||1|1|0/140|64|"));
    CHECK(has(nodes, "|ok|0|0|0|0;"));
    const std::string lag = rows_of(world, root, "SHOW LAG");
    CHECK(lag.starts_with("app|two:5432|0/140|0/180|64|"));
    CHECK(!has(lag, "one:5432"));
}

TEST_CASE("EXPLAIN ROUTE sends a read to the standby and a write to the primary") {
    ByHand world(kSettings + kObserved);
    const ClientId root = world.connect("root", "pgweir");
    world.tell(Woken{});
    CHECK(has(rows_of(world, root, "EXPLAIN ROUTE SELECT 1"), "now: it waits ("));
    see_both(world);

    const std::string read = rows_of(world, root, "EXPLAIN ROUTE SELECT 1");
    CHECK(read.starts_with("read: a standby may serve it;\nshape: select "));
    CHECK(has(read, "now: two:5432 (a read: a standby that is fresh enough)"));
    CHECK(has(read, "node one:5432, primary: ok; serves it if no standby can"));
    CHECK(has(read, "node two:5432, standby: ok; may serve it"));

    const std::string write = rows_of(world, root, "EXPLAIN ROUTE ON app INSERT INTO t VALUES (1)");
    CHECK(write.starts_with("primary: no read (data_modification);\n  because it "));
    CHECK(has(write, "wants: the primary"));
    CHECK(has(write, "now: one:5432 (only the primary writes)"));
    CHECK(has(write, "node two:5432, standby: ok; does not serve it"));

    const std::string hinted = rows_of(world, root, "EXPLAIN ROUTE /* pgweir: primary */ SELECT 1");
    CHECK(has(hinted, "hint: primary"));
    CHECK(has(hinted, "now: one:5432 (the primary was asked for)"));

    const std::string several = rows_of(world, root, "EXPLAIN ROUTE SELECT ';'; DELETE FROM t");
    CHECK(has(several, "primary: no read (data_modification)"));
    CHECK(has(rows_of(world, root, "EXPLAIN ROUTE SELECT f()"), "catalog of the database is not"));
    CHECK(has(rows_of(world, root, "EXPLAIN ROUTE SHOW pgweir.token"), "pgweir: answers it"));
}

TEST_CASE("EXPLAIN ROUTE says where nothing goes, and why") {
    ByHand world(kSettings + kObserved);
    const ClientId root = world.connect("root", "pgweir");
    world.tell(Woken{});
    see(world, kTwo, true, 0x100);
    const std::string write = rows_of(world, root, "EXPLAIN ROUTE DELETE FROM t");
    CHECK(has(write, "now: it waits (no node is the primary for now)"));
    CHECK(has(write, "node one:5432, unknown: not seen yet; does not serve it"));
}

TEST_CASE("EXPLAIN ROUTE wants to know which database if that is not clear") {
    ByHand two(kSettings + "[databases.other]\nnodes = [\"three\", \"four\"]\n" +
               "[databases.single]\nhost = \"five\"\n" + kObserved);
    const ClientId root = two.connect("root", "pgweir");
    const std::string which = rows_of(two, root, "EXPLAIN ROUTE SELECT 1");
    CHECK(has(which, "C55000"));
    CHECK(has(which, "(app, other): say which by EXPLAIN ROUTE ON database statement."));
    CHECK(has(rows_of(two, root, "EXPLAIN ROUTE ON nobody SELECT 1"), "C3D000"));
    CHECK(rows_of(two, root, "EXPLAIN ROUTE ON single DELETE FROM t") ==
          "database single has one node, five:5432: everything runs there;\n");
}

TEST_CASE("settings that overrule the statement are told") {
    ByHand off(kSettings + "split = \"off\"\n" + kObserved);
    const ClientId root = off.connect("root", "pgweir");
    off.tell(Woken{});
    see_both(off);
    const std::string read = rows_of(off, root, "EXPLAIN ROUTE SELECT 1");
    CHECK(has(read, "split is off: everything runs on the primary"));
    CHECK(has(read, "now: one:5432"));

    ByHand alias(kSettings + "route = \"replica\"\n" + kObserved);
    const ClientId admin = alias.connect("root", "pgweir");
    alias.tell(Woken{});
    see_both(alias);
    const std::string write = rows_of(alias, admin, "EXPLAIN ROUTE DELETE FROM t");
    CHECK(has(write, "route is replica: everything runs on standbys"));
    CHECK(has(write, "now: two:5432"));
}

TEST_CASE("nodes that nobody observes are used as they are configured") {
    ByHand blind(kSettings);
    const ClientId root = blind.connect("root", "pgweir");
    blind.tell(Woken{});
    CHECK(has(blind.log().front(), "nodes of database app can't be observed"));
    const std::string read = rows_of(blind, root, "EXPLAIN ROUTE SELECT 1");
    CHECK(has(read, "now: one:5432 (nodes are not observed: the first one serves everything)"));
    CHECK(has(read, "node one:5432, primary: ok; serves it"));
}

TEST_CASE("a database with one node has no row in SHOW NODES") {
    ByHand single(
        "[pgweir]\nauth_type = \"any\"\nadmin_users = [\"root\"]\n[databases.app]\n"
        "host = \"one\"\n");
    const ClientId root = single.connect("root", "pgweir");
    CHECK(rows_of(single, root, "SHOW NODES").empty());
    CHECK(rows_of(single, root, "SHOW ROUTES").empty());
}

}  // namespace pgweir::proxy
