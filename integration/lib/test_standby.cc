// SPDX-License-Identifier: PostgreSQL
// A throw-away standby.
#include "test_standby.h"

#include <signal.h>

#include "connection.h"

namespace pgweir::integration {
namespace {

std::string in_recovery(const Target& target) {
    Connection connection(target.with_database("postgres"));
    return connection.value("select pg_is_in_recovery()");
}

}  // namespace

TestStandby::TestStandby(const TestCluster& primary, const std::vector<std::string>& settings)
    : primary_(primary) {
    const auto data = folder_.path() / "data";
    run({postgresql_bin() + "/pg_basebackup", "--pgdata", data.string(), "--write-recovery-conf",
         "--checkpoint=fast", "--no-sync", "--dbname",
         primary.owner().with_database("postgres").conninfo()},
        true);
    std::string text = read_file(data / "postgresql.conf");
    text += "hot_standby = on\n";
    // A test's statements are to be refused for what they are, not for what the primary cleans up.
    text += "max_standby_streaming_delay = -1\n";
    for (const auto& line : settings) text += line + "\n";
    write_file(data / "postgresql.conf", text);
    start();
}

TestStandby::~TestStandby() {
    if (postmaster_ && postmaster_->is_running()) {
        postmaster_->signal(SIGQUIT);
        postmaster_->wait();
    }
}

void TestStandby::start() {
    const auto data = folder_.path() / "data";
    postmaster_ = start_postgresql(data, log(), port_);
}

void TestStandby::stop(TestCluster::Stop how) {
    postmaster_->signal(how == TestCluster::Stop::Fast ? SIGINT : SIGQUIT);
    if (!postmaster_->wait()) throw HarnessError("the standby does not stop: " + tail_of(log()));
}

void TestStandby::catch_up() {
    Connection writer(primary_.owner());
    Connection reader(owner());
    const std::string lsn = writer.value("select pg_current_wal_insert_lsn()");
    wait_until("the standby replays up to " + lsn, [&] {
        return reader.value("select pg_last_wal_replay_lsn() >= '" + lsn + "'") == "t";
    });
}

void TestStandby::promote() {
    Connection(owner()).must("select pg_promote(false)");
    wait_until("the standby is promoted", [&] { return in_recovery(owner()) == "f"; });
}

void TestStandby::pause_replay() {
    Connection reader(owner());
    reader.must("select pg_wal_replay_pause()");
    wait_until("the standby pauses",
               [&] { return reader.value("select pg_get_wal_replay_pause_state()") == "paused"; });
}

void TestStandby::resume_replay() {
    Connection(owner()).must("select pg_wal_replay_resume()");
}

}  // namespace pgweir::integration
