// SPDX-License-Identifier: PostgreSQL
// Which node a statement runs on: reads on standbys, all else on the primary; and what a client can
// say about it.
#include <doctest/doctest.h>

#include <memory>

#include "routed.h"

using namespace pgweir::integration;

namespace {

bool is_standby(const std::string& node) {
    return node == "first" || node == "second";
}

// One pgweir for all cases that need no setting of their own.
Target split_target() {
    static auto pgweir = [] {
        auto made = std::make_unique<PgweirProcess>(routed().config());
        wait_for_both(*made);
        return made;
    }();
    return routed_by(*pgweir);
}

std::string node_of(Answer answer) {
    CHECK_MESSAGE(answer.ok(), answer.sqlstate, " ", answer.message);
    return answer.value();
}

}  // namespace

TEST_CASE("reads are spread over the standbys and writes go to the primary") {
    auto reads = places_of_reads(split_target(), 60);
    CHECK(reads["primary"] == 0);
    CHECK(reads["first"] > 5);
    CHECK(reads["second"] > 5);
    auto writes = places_of_reads(split_target(), 10, kWrite);
    CHECK(writes["primary"] == 10);
}

TEST_CASE("the extended protocol and prepared statements are split as simple queries are") {
    Connection client(split_target());
    CHECK(is_standby(node_of(client.query(kRead, {}))));
    CHECK(is_standby(node_of(
        client.query("select current_setting('app.node') from numbers where n = $1", {"7"}))));
    REQUIRE(
        client.prepare("r", "select current_setting('app.node') from numbers where n = $1").ok());
    CHECK(is_standby(node_of(client.execute("r", {"1"}))));
    CHECK(is_standby(node_of(client.execute("r", {"2"}))));
    REQUIRE(client.prepare("w", kWrite).ok());
    CHECK(node_of(client.execute("w")) == "primary");
    CHECK(node_of(client.query(kWrite, {})) == "primary");
    // The same prepared read goes back to a standby once the write has arrived there.
    wait_until("prepared reads move to a standby",
               [&] { return is_standby(node_of(client.execute("r", {"3"}))); });
}

TEST_CASE("statements of all kinds that read run on a standby") {
    for (const char* sql :
         {"with x as (select n from numbers) select current_setting('app.node') from x limit 1",
          "values (current_setting('app.node'))", "select current_setting('app.node')",
          "select current_setting('app.node') from numbers a join numbers b using (n) limit 1",
          "select max(current_setting('app.node')) from numbers",
          "select now() is not null and random() >= 0, current_setting('app.node')"}) {
        CAPTURE(sql);
        auto answer = Connection(split_target()).query(sql);
        REQUIRE(answer.ok());
        CHECK(is_standby(answer.rows[0].back().value()));
    }
}

TEST_CASE("statements that may write run on the primary") {
    for (const char* sql :
         {"select current_setting('app.node') from numbers where n = 1 for update",
          "select current_setting('app.node') from numbers where n = 1 for key share",
          "with x as (insert into written values (2) returning n) "
          "select current_setting('app.node') from x",
          "select case when nextval('hidden_sequence') > 0 then current_setting('app.node') end",
          "select case when txid_current() > 0 then current_setting('app.node') end",
          "update counters set n = n where id = 100 returning current_setting('app.node')",
          "select case when pg_try_advisory_xact_lock(1) then current_setting('app.node') end"}) {
        CAPTURE(sql);
        CHECK(node_of(Connection(split_target()).query(sql)) == "primary");
        CHECK(node_of(Connection(split_target()).query(sql, {})) == "primary");
    }
}

TEST_CASE("several statements in one query run together, where the one that writes must") {
    // The last answer counts.
    CHECK(node_of(Connection(split_target()).query("insert into written values (3); " + kRead)) ==
          "primary");
    CHECK(node_of(Connection(split_target()).query("select 1; " + kWrite)) == "primary");
    CHECK(is_standby(node_of(Connection(split_target()).query("select 1; " + kRead))));
}

TEST_CASE("a transaction stays on the primary, whatever it begins with") {
    Connection client(split_target());
    client.must("begin");
    CHECK(client.value(kRead) == "primary");
    CHECK(client.value(kRead) == "primary");
    CHECK(client.value(kWrite) == "primary");
    CHECK(client.value(kRead) == "primary");
    client.must("rollback");
}

TEST_CASE("a transaction that is read only goes to a standby and stays there") {
    for (const char* begin : {"begin read only", "start transaction read only",
                              "begin transaction isolation level repeatable read, read only"}) {
        CAPTURE(begin);
        Connection client(split_target());
        client.must(begin);
        const std::string node = client.value(kRead);
        CHECK(is_standby(node));
        for (int i = 0; i < 20; ++i) {
            CHECK((i % 2 == 0 ? client.value(kRead) : node_of(client.query(kRead, {}))) == node);
        }
        CHECK(client.query("insert into written values (4)").sqlstate == "25006");
        CHECK(client.query(kRead).sqlstate == "25P02");
        CHECK(client.must("commit").tag == "ROLLBACK");
        CHECK(client.value(kWrite) == "primary");
    }
}

TEST_CASE("default_transaction_read_only makes transactions read only") {
    Connection client(split_target());
    client.must("set default_transaction_read_only = on");
    // The setting was made on the primary: until its place is known, the session stays there.
    wait_until("a transaction runs on a standby", [&] {
        client.must("begin");
        const std::string node = client.value(kRead);
        client.must("commit");
        return is_standby(node);
    });
    client.must("begin read write");
    CHECK(client.value(kWrite) == "primary");
    client.must("commit");
    // The client's own wish is no reason to run the statement elsewhere.
    CHECK(client.query("insert into written values (5)").sqlstate == "25006");
}

TEST_CASE("serializable transactions run on the primary, read only or not") {
    Connection client(split_target());
    client.must("begin isolation level serializable");
    CHECK(client.value(kRead) == "primary");
    client.must("commit");
    client.must("begin isolation level serializable, read only");
    CHECK(client.value(kRead) == "primary");
    client.must("commit");
}

TEST_CASE("a hint in front of a read says where it runs") {
    for (int i = 0; i < 10; ++i) {
        Connection client(split_target());
        CHECK(client.value("/* pgweir: primary */ " + kRead) == "primary");
        CHECK(node_of(client.query("/* pgweir: consistency=primary */ " + kRead, {})) == "primary");
    }
    CHECK(is_standby(Connection(split_target()).value("/* pgweir: replica */ " + kRead)));
    CHECK(is_standby(
        Connection(split_target()).value("/* pgweir: consistency=eventual */ " + kRead)));
    // It's no way to break a write.
    CHECK(Connection(split_target()).value("/* pgweir: replica */ " + kWrite) == "primary");
}

TEST_CASE("a hint that is wrong is ignored") {
    CHECK(is_standby(Connection(split_target()).value("/* pgweir: somewhere */ " + kRead)));
    CHECK(
        is_standby(Connection(split_target()).value("/* pgweir: consistency=perfect */ " + kRead)));
    CHECK(Connection(split_target()).value("/* pgweir: somewhere */ " + kWrite) == "primary");
}

TEST_CASE("SET pgweir.route says where a session's reads run") {
    Connection client(split_target());
    CHECK(client.value("show pgweir.route") == "auto");
    CHECK(client.must("set pgweir.route = 'primary'").tag == "SET");
    CHECK(client.value("show pgweir.route") == "primary");
    for (int i = 0; i < 5; ++i) CHECK(client.value(kRead) == "primary");
    client.must("set pgweir.route to replica");
    CHECK(client.value("show pgweir.route") == "replica");
    wait_until("a read runs on a standby", [&] { return is_standby(client.value(kRead)); });
    CHECK(client.value(kWrite) == "primary");
    CHECK(client.must("reset pgweir.route").tag == "RESET");
    CHECK(client.value("show pgweir.route") == "auto");
}

TEST_CASE("SET pgweir.consistency is the session's own") {
    Connection client(split_target());
    CHECK(client.value("show pgweir.consistency") == "session");
    for (const char* level : {"eventual", "strong", "primary", "session"}) {
        client.must(std::string("set pgweir.consistency = '") + level + "'");
        CHECK(client.value("show pgweir.consistency") == level);
    }
    client.must("set pgweir.consistency = primary");
    CHECK(client.value(kRead) == "primary");
    CHECK(Connection(split_target()).value("show pgweir.consistency") == "session");
    client.must("reset pgweir.consistency");
    CHECK(client.value("show pgweir.consistency") == "session");
    // By the extended protocol, as drivers say it.
    CHECK(client.query("set pgweir.consistency = 'strong'", {}).ok());
    CHECK(node_of(client.query("show pgweir.consistency", {})) == "strong");
}

TEST_CASE("pgweir.route and pgweir.consistency may be said at login") {
    Connection client(split_target(),
                      "options='-c pgweir.route=primary -c pgweir.consistency=strong'");
    CHECK(client.value("show pgweir.route") == "primary");
    CHECK(client.value("show pgweir.consistency") == "strong");
    CHECK(client.value(kRead) == "primary");
}

TEST_CASE("a wrong value or name of pgweir's own settings is refused, and the session goes on") {
    Connection client(split_target());
    CHECK(client.query("set pgweir.route = 'moon'").sqlstate == "22023");
    CHECK(client.query("set pgweir.consistency = 'perfect'").sqlstate == "22023");
    CHECK(client.query("set pgweir.token = 'x'").sqlstate == "22023");
    CHECK(client.query("set pgweir.colour = 'red'").sqlstate == "42704");
    CHECK(client.query("show pgweir.colour").sqlstate == "42704");
    CHECK(client.query("set pgweir.route = 'moon'", {}).sqlstate == "22023");
    CHECK(client.value("show pgweir.route") == "auto");
    CHECK(is_standby(client.value(kRead)));
}

TEST_CASE("an error in one of pgweir's own settings fails the transaction, as any error does") {
    Connection client(split_target());
    client.must("begin");
    CHECK(client.query("set pgweir.route = 'moon'").sqlstate == "22023");
    CHECK(client.query(kRead).sqlstate == "25P02");
    CHECK(client.must("commit").tag == "ROLLBACK");
}

TEST_CASE("the query side of a database reads on standbys and refuses writes") {
    const Target queries = split_target().with_database("queries");
    auto places = places_of_reads(queries, 20);
    CHECK(places["primary"] == 0);
    Connection client(queries);
    CHECK(client.query(kWrite).sqlstate == "25006");
    CHECK(is_standby(client.value(kRead)));
    client.must("begin");
    CHECK(is_standby(client.value(kRead)));
    CHECK(client.query(kWrite).sqlstate == "25006");
    CHECK(client.must("rollback").tag == "ROLLBACK");
    CHECK(is_standby(node_of(client.query(kRead, {}))));
}

TEST_CASE("without splitting, and in shadow mode, all runs on the primary") {
    for (const char* split : {"\"off\"", "\"shadow\""}) {
        CAPTURE(split);
        PgweirConfig config = routed().config();
        config.set("routing", "split", split);
        PgweirProcess pgweir(config);
        auto places = places_of_reads(routed_by(pgweir), 20);
        CHECK(places["primary"] == 20);
        Connection client(routed_by(pgweir));
        client.must("begin read only");
        CHECK(client.value(kRead) == "primary");
        client.must("commit");
        CHECK(client.value(kWrite) == "primary");
        CHECK(node_of(client.query(kRead, {})) == "primary");
    }
}

TEST_CASE("a standby that is too far behind gets no reads until it has caught up") {
    PgweirConfig config = routed().config();
    config.set("routing", "max_replica_lag", "\"300ms\"");
    config.set("routing", "consistency", "\"eventual\"");
    PgweirProcess pgweir(config);
    wait_for_both(pgweir);
    {
        PausedReplay paused(routed().first);
        Connection(routed().primary.target()).must(kWrite);
        // A few reads on one node may well be chance: the node itself tells.
        const std::uint16_t port = routed().first.port();
        wait_until("the paused standby is too far behind", [&] {
            return state_of(pgweir, port).find("too far behind") != std::string::npos;
        });
        auto places = places_of_reads(routed_by(pgweir), 40);
        CHECK(places["first"] == 0);
        CHECK(places["second"] > 0);
    }
    wait_for_both(pgweir);
}

TEST_CASE("an idle primary makes no lag") {
    PgweirConfig config = routed().config();
    config.set("routing", "max_replica_lag", "\"200ms\"");
    PgweirProcess pgweir(config);
    wait_for_both(pgweir);
    PausedReplay paused(routed().first);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1000);
    std::map<std::string, int> places;
    while (std::chrono::steady_clock::now() < end) {
        for (const auto& [node, count] : places_of_reads(routed_by(pgweir), 1)) {
            places[node] += count;
        }
    }
    CHECK(places["first"] > 0);
    CHECK(places["primary"] == 0);
}

// It does not answer before the others have.
TEST_CASE("a node of another cluster gets nothing, and the log names it") {
    TestCluster stranger({"app.node = 'stranger'"});
    Connection(stranger.owner())
        .must("create table written (n int); grant all on written to public");
    auto frozen = std::make_unique<Frozen>(stranger.log());
    PgweirProcess pgweir(routed().config({stranger.port()}));
    wait_for_both(pgweir);
    frozen.reset();
    const std::string words = std::to_string(stranger.port()) + " belongs to another cluster";
    CHECK(happens([&] { return occurrences(pgweir.folder() / "pgweir.log", words) > 0; }));
    auto places = places_of_reads(routed_by(pgweir), 40);
    CHECK(places["first"] + places["second"] == 40);
    CHECK(places_of_reads(routed_by(pgweir), 10, kWrite)["primary"] == 10);
    CHECK(Connection(stranger.owner()).value("select count(*) from written") == "0");
}

TEST_CASE("the list of nodes can change while clients go on") {
    PgweirConfig both = routed().config();
    PgweirConfig one = routed().config();
    for (const char* database : {"routed", "queries"}) {
        one.database(database, "nodes",
                     "[\"127.0.0.1:" + std::to_string(routed().primary.port()) +
                         "\", \"127.0.0.1:" + std::to_string(routed().second.port()) + "\"]");
    }
    PgweirProcess pgweir(both);
    wait_for_both(pgweir);
    Connection client(routed_by(pgweir));
    Connection console(pgweir.console());
    for (const PgweirConfig& config : {one, both, one}) {
        CHECK(client.query(kRead).ok());
        pgweir.rewrite(config);
        CHECK(console.query("reload").ok());
        CHECK(client.query(kWrite).value() == "primary");
        Connection other = Connection::attempt(routed_by(pgweir));
        CHECK(other.is_ok());
    }
    CHECK(
        happens([&] { return client.query(kRead).value() == "second"; }, std::chrono::seconds(3)));
    CHECK(pgweir.stop() == 0);
}

// It is a primary, and nobody else has answered yet: it must not be taken for the cluster.
TEST_CASE("a node of another cluster gets nothing, even if it answers first") {
    TestCluster stranger({"app.node = 'stranger'"});
    Connection(stranger.owner())
        .must("create table written (n int); grant all on written to public");
    auto primary = std::make_unique<Frozen>(routed().primary.log());
    auto first = std::make_unique<Frozen>(routed().first.log());
    auto second = std::make_unique<Frozen>(routed().second.log());
    PgweirProcess pgweir(routed().config({stranger.port()}));
    // Until it has been looked at.
    const auto is_seen = [&] {
        return Connection(stranger.owner())
                   .value("select count(*) from pg_stat_activity where usename = 'trusty'") != "0";
    };
    wait_until("pgweir looks at the stranger", is_seen);
    first.reset();
    second.reset();
    primary.reset();
    const Target target = routed_by(pgweir);
    CHECK(happens(
        [&] {
            Connection client = Connection::attempt(target);
            return client.is_ok() && client.query(kWrite).value() == "primary";
        },
        std::chrono::seconds(3)));
    CHECK(Connection(stranger.owner()).value("select count(*) from written") == "0");
}
