// SPDX-License-Identifier: PostgreSQL
#include "standby.h"

#include <libpq-fe.h>
#include <signal.h>

#include "connection.h"

namespace pgweir::integration {

Standby::Standby(const TestCluster& primary) {
    const auto data = folder_.path() / "data";
    run({postgresql_bin() + "/pg_basebackup", "--pgdata", data.string(), "--host=127.0.0.1",
         "--port=" + std::to_string(primary.port()), "--username=owner", "--checkpoint=fast",
         "--wal-method=stream", "--write-recovery-conf", "--no-sync"},
        true);
    // The last line that names a setting counts.
    write_file(data / "postgresql.conf", read_file(data / "postgresql.conf") +
                                             "unix_socket_directories = '" +
                                             folder_.path().string() + "'\nhot_standby = on\n");
    start();
    Connection on_primary(primary.owner());
    wait_until("the standby streams",
               [&] { return on_primary.value("select count(*) from pg_stat_replication") != "0"; });
}

Standby::~Standby() {
    if (!postmaster_->is_running()) return;
    postmaster_->signal(SIGCONT);
    postmaster_->signal(SIGQUIT);
    postmaster_->wait();
}

void Standby::start() {
    port_ = free_port();
    const auto log = folder_.path() / "postgresql.log";
    postmaster_ = std::make_unique<Process>(
        Command{.words = {postgresql_bin() + "/postgres", "-D", (folder_.path() / "data").string(),
                          "-p", std::to_string(port_)},
                .log = log,
                .unprivileged = true});
    const std::string where = owner().with_database("postgres").conninfo();
    wait_until("the standby answers on port " + std::to_string(port_),
               [&] { return !postmaster_->is_running() || PQping(where.c_str()) == PQPING_OK; });
    if (!postmaster_->is_running()) {
        throw HarnessError("the standby does not start: " + tail_of(log));
    }
}

void Standby::promote() {
    run({postgresql_bin() + "/pg_ctl", "promote", "--wait", "--pgdata",
         (folder_.path() / "data").string()},
        true);
}

pid_t postmaster_of(const std::filesystem::path& folder) {
    return std::stoi(read_file(folder / "postmaster.pid"));
}

}  // namespace pgweir::integration
