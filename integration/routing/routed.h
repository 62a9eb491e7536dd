// SPDX-License-Identifier: PostgreSQL
// A primary, two standbys and pgweir in front of them: what the tests of routing share. Each node
// says its name in the setting app.node, so that a statement can tell where it ran.
#pragma once

#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "connection.h"
#include "pgweir_process.h"
#include "test_standby.h"

namespace pgweir::integration {

inline const std::string kWhere = "select current_setting('app.node')";
// A read of a table: where it ran.
inline const std::string kRead = "select current_setting('app.node') from numbers limit 1";
inline const std::string kWrite =
    "insert into written values (1) returning current_setting('app.node')";

struct Routed {
    // Commits are not waited for: a standby is behind by as long as the WAL writer sleeps.
    TestCluster primary{{"app.node = 'primary'", "wal_writer_delay = 10ms",
                         "wal_retrieve_retry_interval = 100ms", "max_connections = 100",
                         "max_wal_senders = 8"}};
    TestStandby& first = primary.add_standby({"app.node = 'first'"});
    TestStandby& second = primary.add_standby({"app.node = 'second'"});

    Routed() {
        Connection owner(primary.owner());
        owner.must(R"(
create table written (n int);
create table counters (id int primary key, n int not null) with (fillfactor = 20);
insert into counters select n, 0 from generate_series(1, 100) n;
create table conflicting as select generate_series(1, 10) n;
create sequence hidden_sequence;
create function hidden_write() returns bigint stable language plpgsql
    as 'begin return nextval(''hidden_sequence''); end';
grant all on all tables in schema public to public;
grant all on all sequences in schema public to public;)");
        catch_up();
    }

    void catch_up() {
        first.catch_up();
        second.catch_up();
    }

    // Looks are frequent, so that tests need not wait for them.
    PgweirConfig config(const std::vector<std::uint16_t>& more_ports = {}) const {
        PgweirConfig config(primary);
        std::string nodes;
        std::vector<std::uint16_t> ports{primary.port(), first.port(), second.port()};
        ports.insert(ports.end(), more_ports.begin(), more_ports.end());
        for (const std::uint16_t port : ports) {
            nodes +=
                (nodes.empty() ? "\"127.0.0.1:" : ", \"127.0.0.1:") + std::to_string(port) + "\"";
        }
        for (const char* database : {"routed", "queries"}) {
            config.database(database, "nodes", "[" + nodes + "]");
            config.database(database, "dbname", "\"app\"");
        }
        config.database("queries", "route", "\"replica\"");
        config.set("cluster", "monitor_user", "\"trusty\"");
        config.set("cluster", "probe_interval", "\"50ms\"");
        config.set("routing", "slow_start", "\"0s\"");
        return config;
    }
};

inline Routed& routed() {
    static Routed the_nodes;
    return the_nodes;
}

inline Target routed_by(const PgweirProcess& pgweir) {
    return pgweir.target().with_database("routed");
}

// How many of so many reads, each of a new session, ran where.
inline std::map<std::string, int> places_of_reads(const Target& target, int count,
                                                  const std::string& sql = kRead) {
    std::map<std::string, int> places;
    for (int i = 0; i < count; ++i) ++places[Connection(target).value(sql)];
    return places;
}

// Until the nodes and the catalog are known: all reads of new sessions run on those nodes.
inline void wait_for_reads_on(const Target& target, const std::vector<std::string>& nodes) {
    wait_until("reads are served by " + nodes.front() + " and so on", [&] {
        auto places = places_of_reads(target, 8);
        for (const std::string& node : nodes) {
            if (places.erase(node) == 0) return false;
        }
        return places.empty();
    });
}

inline void wait_for_both(const PgweirProcess& pgweir) {
    wait_for_reads_on(routed_by(pgweir), {"first", "second"});
}

// What pgweir says of a node of these databases: "ok", or why it gets no traffic.
inline std::string state_of(const PgweirProcess& pgweir, std::uint16_t port) {
    const Answer nodes = Connection(pgweir.console()).must("show nodes");
    for (std::size_t row = 0; row < nodes.rows.size(); ++row) {
        if (nodes.at(row, "port") != std::to_string(port)) continue;
        return nodes.at(row, "state").value_or("");
    }
    throw HarnessError("SHOW NODES does not list port " + std::to_string(port));
}

// Replays as usual at the end of a test, however it ends.
class PausedReplay {
 public:
    explicit PausedReplay(TestStandby& standby) : standby_(standby) { standby_.pause_replay(); }
    PausedReplay(const PausedReplay&) = delete;
    PausedReplay& operator=(const PausedReplay&) = delete;
    ~PausedReplay() { standby_.resume_replay(); }

 private:
    TestStandby& standby_;
};

// A setting of one node as long as the test lasts; some are refused inside a transaction.
class NodeSetting {
 public:
    NodeSetting(const Target& owner, const std::string& name, const std::string& value)
        : owner_(owner), name_(name) {
        change(" = " + value, "set ");
    }
    NodeSetting(const NodeSetting&) = delete;
    NodeSetting& operator=(const NodeSetting&) = delete;
    ~NodeSetting() { change("", "reset "); }

 private:
    void change(const std::string& value, const std::string& verb) {
        Connection admin(owner_);
        admin.query("alter system " + verb + name_ + value);
        admin.query("select pg_reload_conf()");
    }

    Target owner_;
    std::string name_;
};

inline int occurrences(const std::filesystem::path& log, const std::string& words) {
    std::ifstream file(log);
    int count = 0;
    for (std::string line; std::getline(file, line);) {
        if (line.find(words) != std::string::npos) ++count;
    }
    return count;
}

// To all processes of a PostgreSQL, known by its log: the postmaster first, then its children.
inline void signal_all(const std::filesystem::path& log, int number) {
    std::ifstream file(log.parent_path() / "data" / "postmaster.pid");
    std::string postmaster;
    std::getline(file, postmaster);
    std::ifstream children("/proc/" + postmaster + "/task/" + postmaster + "/children");
    std::vector<pid_t> pids{std::stoi(postmaster)};
    for (pid_t pid = 0; children >> pid;) pids.push_back(pid);
    for (const pid_t pid : pids) ::kill(pid, number);
}

// It goes on, however the test ends.
class Frozen {
 public:
    explicit Frozen(std::filesystem::path log) : log_(std::move(log)) { signal_all(log_, SIGSTOP); }
    Frozen(const Frozen&) = delete;
    Frozen& operator=(const Frozen&) = delete;
    ~Frozen() { signal_all(log_, SIGCONT); }

 private:
    std::filesystem::path log_;
};

inline bool runs_long() {
    return std::getenv("PGWEIR_LONG") != nullptr;
}

}  // namespace pgweir::integration
