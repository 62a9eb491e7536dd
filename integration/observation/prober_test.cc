// SPDX-License-Identifier: PostgreSQL
// What io/prober sees of a real primary and a real standby: roles, places in the log, timelines,
// and how each of them goes.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <ctime>

#include "connection.h"
#include "io/prober.h"
#include "shared.h"
#include "test_standby.h"

namespace pgweir::integration {
namespace {

using pgweir::cluster::Observation;
using pgweir::cluster::ProbeOver;

struct Prospect final : io::ProberOwner {
    void on_observed(NodeId, Observation observation) override {
        seen.push_back(std::move(observation));
    }
    void on_resolved(NodeResolved) override {}
    Observation look(std::uint16_t port, ProbeOver over = ProbeOver::Open) {
        const std::size_t before = seen.size();
        prober.look(order(port, over));
        REQUIRE(until([&] { return seen.size() > before; }));
        return seen[before];
    }
    // The observation that comes next, without an order.
    Observation next() {
        const std::size_t before = seen.size();
        REQUIRE(until([&] { return seen.size() > before; }));
        return seen[before];
    }
    LookAtNode order(std::uint16_t port, ProbeOver over) const {
        return {.node = NodeId{port},
                .address = {host, port},
                .over_new_connection = over == ProbeOver::New,
                .timeout = timeout,
                .login = std::make_shared<MonitorLogin>(login)};
    }
    bool until(const std::function<bool()>& done) {
        const Instant end = io::clock_now() + Duration::seconds(60);
        while (!done() && io::clock_now() < end) {
            uv_run(loop.get(), UV_RUN_NOWAIT);
            if (!done()) uv_sleep(1);
        }
        return done();
    }
    static MonitorLogin as(const std::string& user) {
        MonitorLogin login;
        login.user = user;
        login.password = password_of(user);
        login.database = "postgres";
        login.tls_mode = TlsMode::Prefer;
        return login;
    }

    io::Loop loop;
    std::vector<Observation> seen;
    std::string host = "127.0.0.1";
    // An ordinary role without privileges.
    MonitorLogin login = as("scrammer");
    Duration timeout = Duration::seconds(30);
    io::Prober prober{loop.get(), *this};
};

pid_t postmaster_of(const TestCluster& server) {
    return std::stoi(
        read_file(std::filesystem::path(server.socket_folder()) / "data" / "postmaster.pid"));
}

std::uint64_t current_lsn(const TestCluster& server) {
    return std::stoull(
        Connection(server.owner()).value("select pg_current_wal_insert_lsn() - '0/0'"));
}

}  // namespace

TEST_CASE(
    "a primary: role, place, timeline, system identifier and start, as it tells them itself") {
    Prospect prospect;
    const Observation seen = prospect.look(cluster().port());
    REQUIRE(seen.failure == "");
    CHECK_FALSE(seen.in_recovery);
    CHECK(seen.timeline == 1);
    Connection own(cluster().owner());
    CHECK(std::to_string(seen.system_id) ==
          own.value("select system_identifier from pg_control_system()"));
    CHECK(std::to_string(seen.started_unix_us) ==
          own.value("select (extract(epoch from pg_postmaster_start_time()) * 1000000)::int8"));
    own.must("create table if not exists written (n int)");
    const Observation later = prospect.look(cluster().port());
    CHECK(later.lsn > seen.lsn);
    CHECK(later.lsn.value <= current_lsn(cluster()));
    CHECK(later.system_id == seen.system_id);
    CHECK(later.started_unix_us == seen.started_unix_us);
}

TEST_CASE("looks over TLS, a Unix socket, and with the words of the name") {
    Prospect prospect;
    SUBCASE("TLS, verified") {
        prospect.host = "localhost";
        prospect.login.tls_mode = TlsMode::VerifyFull;
        prospect.login.tls_ca_file = cluster().certificates().authority();
    }
    SUBCASE("TLS, required, without any file") {
        prospect.login.tls_mode = TlsMode::Require;
    }
    SUBCASE("no TLS") {
        prospect.login.tls_mode = TlsMode::Disable;
    }
    SUBCASE("Unix socket") {
        prospect.host = cluster().socket_folder();
    }
    CHECK(prospect.look(cluster().port()).failure == "");
}

TEST_CASE("a login that is refused, or a certificate that is not trusted, is a failure") {
    Prospect prospect;
    SUBCASE("password") {
        prospect.login.password = "wrong and secret";
        const Observation seen = prospect.look(cluster().port());
        CHECK(seen.failure.find("password authentication failed") != std::string::npos);
        CHECK(seen.failure.find("secret") == std::string::npos);
        CHECK(seen.failure.find('\n') == std::string::npos);
    }
    SUBCASE("certificate") {
        prospect.login.tls_mode = TlsMode::VerifyFull;
        CHECK(prospect.look(cluster().port()).failure.find("certificate") != std::string::npos);
    }
}

TEST_CASE("a role with odd settings is no obstacle") {
    Connection admin(cluster().owner().with_database("postgres"));
    admin.must("create role odd login password '" + password_of("odd") + "'");
    admin.must("create schema trap");
    admin.must(
        "create function trap.pg_is_in_recovery() returns bool language sql "
        "as 'select true'");
    admin.must("create view trap.pg_stat_wal_receiver as select 99 as received_tli");
    admin.must("grant usage on schema trap to odd");
    admin.must("alter role odd set search_path = trap, pg_catalog");
    admin.must("alter role odd set datestyle = 'SQL, DMY'");
    admin.must("alter role odd set extra_float_digits = -15");
    admin.must("alter role odd set bytea_output = 'escape'");
    admin.must("alter role odd set default_transaction_read_only = on");
    admin.must("alter role odd set default_transaction_isolation = 'serializable'");
    Prospect prospect;
    prospect.login = Prospect::as("odd");
    for (int i = 0; i < 3; ++i) {
        const Observation seen = prospect.look(cluster().port());
        CHECK(seen.failure == "");
        CHECK_FALSE(seen.in_recovery);
        CHECK(seen.timeline == 1);
    }
    admin.must("drop schema trap cascade");
}

TEST_CASE("a standby: it catches up, is promoted, and has a new timeline") {
    TestCluster primary;
    TestStandby& standby = primary.add_standby();
    Prospect prospect;
    SUBCASE("a role without privileges") {}
    SUBCASE("a role that sees the receiver") {
        Connection(primary.owner()).must("grant pg_monitor to scrammer");
    }
    const Observation before = prospect.look(standby.port());
    REQUIRE(before.failure == "");
    CHECK(before.in_recovery);
    CHECK(before.timeline == 1);
    CHECK(before.system_id == prospect.look(primary.port()).system_id);

    Connection(primary.owner()).must("create table written as select generate_series(1, 1000)");
    const std::uint64_t written = current_lsn(primary);
    // The tail may lie in a buffer of the primary until something else is written.
    Connection(primary.owner()).must("select pg_switch_wal()");
    CHECK(prospect.until([&] { return prospect.look(standby.port()).lsn.value >= written; }));

    standby.promote();
    const Observation after = prospect.look(standby.port());
    CHECK(after.failure == "");
    CHECK_FALSE(after.in_recovery);
    CHECK(after.timeline == 2);
    CHECK(after.started_unix_us == before.started_unix_us);
    CHECK(prospect.look(standby.port(), ProbeOver::New).timeline == 2);
    CHECK(prospect.look(primary.port()).timeline == 1);
}

TEST_CASE("a node that stops or is killed is told at once, without a look") {
    TestCluster server;
    Prospect prospect;
    REQUIRE(prospect.look(server.port()).failure == "");
    Instant at{};
    SUBCASE("killed") {
        at = io::clock_now();
        ::kill(postmaster_of(server), SIGKILL);
        const Observation seen = prospect.next();
        CHECK_FALSE(seen.answered());
        MESSAGE("told after ", (seen.ended_at - at).us, " us: ", seen.failure);
    }
    SUBCASE("stopped") {
        at = io::clock_now();
        ::kill(postmaster_of(server), SIGINT);
        const Observation seen = prospect.next();
        CHECK(seen.sqlstate == "57P01");
        MESSAGE("told after ", (seen.ended_at - at).us, " us: ", seen.failure);
    }
    CHECK(prospect.until([&] {
        return prospect.look(server.port()).failure.find("Connection refused") != std::string::npos;
    }));
}

TEST_CASE("a frozen node: an old session may go on, a new one gets no answer in time") {
    TestCluster server;
    Prospect prospect;
    REQUIRE(prospect.look(server.port()).failure == "");
    const pid_t session = std::stoi(
        Connection(server.owner())
            .value("select pid from pg_stat_activity where application_name = 'pgweir monitor'"));
    const pid_t postmaster = postmaster_of(server);
    prospect.timeout = Duration::milliseconds(200);
    ::kill(postmaster, SIGSTOP);
    CHECK(prospect.look(server.port()).failure == "");
    const Observation fresh = prospect.look(server.port(), ProbeOver::New);
    CHECK(fresh.failure == "no answer within 200 ms (connecting)");
    CHECK(fresh.over == ProbeOver::New);
    ::kill(session, SIGSTOP);
    CHECK(prospect.look(server.port()).failure == "no answer within 200 ms (asking)");
    ::kill(session, SIGCONT);
    ::kill(postmaster, SIGCONT);
    CHECK(prospect.until([&] { return prospect.look(server.port()).answered(); }));
}

TEST_CASE("looks are cheap") {
    Prospect prospect;
    REQUIRE(prospect.look(cluster().port()).failure == "");
    constexpr int kLooks = 1000;
    const std::clock_t processor = std::clock();
    std::vector<std::int64_t> round_trips_us;
    for (int i = 0; i < kLooks; ++i) {
        const std::size_t before = prospect.seen.size();
        prospect.prober.look(prospect.order(cluster().port(), ProbeOver::Open));
        while (prospect.seen.size() == before) prospect.loop.turn();
        const Observation& seen = prospect.seen.back();
        REQUIRE(seen.failure == "");
        round_trips_us.push_back((seen.ended_at - seen.started_at).us);
    }
    const auto spent_us = (std::clock() - processor) * 1'000'000 / CLOCKS_PER_SEC / kLooks;
    std::sort(round_trips_us.begin(), round_trips_us.end());
    MESSAGE("a look: median round trip ", round_trips_us[kLooks / 2], " us, processor ", spent_us,
            " us");
    CHECK(spent_us < 1000);
}

}  // namespace pgweir::integration
