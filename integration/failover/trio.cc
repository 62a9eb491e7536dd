// SPDX-License-Identifier: PostgreSQL
#include "trio.h"

#include <signal.h>

#include <fstream>
#include <vector>

namespace pgweir::integration {
namespace {

constexpr const char* kSettings = R"(
listen_addresses = '127.0.0.1'
fsync = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 100
max_wal_senders = 8
wal_level = replica
wal_keep_size = 256MB
wal_retrieve_retry_interval = 100ms
hot_standby = on
autovacuum = off
log_min_messages = warning
log_line_prefix = '%m [%p] %q%u@%d '
recovery_target_timeline = 'latest'
)";

constexpr const char* kHostBasedAuthentication = R"(
local all         all trust
host  all         all 127.0.0.1/32 trust
host  replication all 127.0.0.1/32 trust
)";

std::string streams_from(const Node& primary, const std::string& name) {
    return "host=127.0.0.1 port=" + std::to_string(primary.port()) +
           " user=owner application_name=" + name;
}

}  // namespace

// --- Node ---------------------------------------------------------------------------------------

Node::~Node() {
    if (!is_running()) return;
    thaw();
    kill();
}

void Node::make_primary() {
    run({postgresql_bin() + "/initdb", "--pgdata", data().string(), "--username=owner",
         "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions"},
        true);
    std::string text = kSettings;
    text += "unix_socket_directories = '" + folder_.path().string() + "'\n";
    text += "app.node = '" + name_ + "'\n";
    write_file(data() / "postgresql.conf", text);
    write_file(data() / "pg_hba.conf", kHostBasedAuthentication);
    start();
}

void Node::make_standby_of(const Node& primary) {
    std::filesystem::remove_all(data());
    run({postgresql_bin() + "/pg_basebackup", "--pgdata", data().string(), "--checkpoint=fast",
         "--no-sync", "--dbname", primary.owner().with_database("postgres").conninfo()},
        true);
    std::string text = read_file(data() / "postgresql.conf");
    text += "unix_socket_directories = '" + folder_.path().string() + "'\n";
    text += "app.node = '" + name_ + "'\n";
    write_file(data() / "postgresql.conf", text);
    std::string own = "primary_conninfo = '" + streams_from(primary, name_) + "'\n";
    write_file(data() / "postgresql.auto.conf", own);
    write_file(data() / "standby.signal", "");
    start();
}

void Node::start() {
    postmaster_ = start_postgresql(data(), folder_.path() / "postgresql.log", port_);
}

void Node::set(const std::string& setting, const std::string& value) {
    Connection owner(this->owner().with_database("postgres"));
    owner.must("alter system set " + setting + " = '" + value + "'");
    owner.must("select pg_reload_conf()");
}

void Node::follow(const Node& primary) {
    set("primary_conninfo", streams_from(primary, name_));
}

void Node::follow_nobody() {
    set("primary_conninfo", "");
    Connection owner(this->owner().with_database("postgres"));
    wait_until(name_ + " receives nothing any more",
               [&] { return owner.value("select count(*) from pg_stat_wal_receiver") == "0"; });
}

int Node::timeline() {
    const std::string name = Connection(this->owner().with_database("postgres"))
                                 .value("select pg_walfile_name(pg_current_wal_insert_lsn())");
    return std::stoi(name.substr(0, 8), nullptr, 16);
}

void Node::confirm_by(const std::string& standbys) {
    set("synchronous_standby_names", standbys);
    Connection owner(this->owner().with_database("postgres"));
    wait_until("the setting is in force",
               [&] { return owner.value("show synchronous_standby_names") == standbys; });
}

void Node::order_stop(Stop how) const {
    postmaster_->signal(how == Stop::Smart ? SIGTERM : how == Stop::Fast ? SIGINT : SIGQUIT);
}

bool Node::stops(std::chrono::milliseconds within) {
    return postmaster_->wait(within).has_value();
}

void Node::stop(Stop how) {
    order_stop(how);
    if (!stops()) throw HarnessError(name_ + " does not stop");
}

// The postmaster first: nobody is started anew.
void Node::signal_everybody(int number) const {
    const std::string pid = std::to_string(postmaster_->pid());
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    std::vector<pid_t> pids{postmaster_->pid()};
    for (pid_t child = 0; children >> child;) pids.push_back(child);
    for (const pid_t each : pids) ::kill(each, number);
}

void Node::kill() {
    signal_everybody(SIGKILL);
    postmaster_->wait();
    postmaster_.reset();
}

void Node::freeze() {
    signal_everybody(SIGSTOP);
    is_frozen_ = true;
}

void Node::freeze_postmaster() {
    postmaster_->signal(SIGSTOP);
    is_frozen_ = true;
}

void Node::kill_one_session() {
    const std::string pid = Connection(owner()).value(
        "select max(pid) from pg_stat_activity where datname = 'app' and usename <> 'owner'");
    ::kill(std::stoi(pid), SIGKILL);
}

void Node::thaw() {
    if (!is_frozen_) return;
    is_frozen_ = false;
    signal_everybody(SIGCONT);
}

// --- Trio ---------------------------------------------------------------------------------------

Trio::Trio(bool synchronous) : is_synchronous_(synchronous) {
    const char* names[] = {"one", "two", "three"};
    for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i] = std::make_unique<Node>(names[i]);
    nodes_[0]->make_primary();
    {
        Connection owner(nodes_[0]->owner().with_database("postgres"));
        owner.must("create role trusty login");
        owner.must("grant pg_monitor to trusty");
        owner.must("create database app");
    }
    Connection owner(nodes_[0]->owner());
    owner.must(
        "create table entries (writer int, n int, timeline text default "
        "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))");
    owner.must("create table beats (node text default current_setting('app.node'))");
    owner.must("grant all on entries, beats to public");
    nodes_[1]->make_standby_of(*nodes_[0]);
    nodes_[2]->make_standby_of(*nodes_[0]);
    wait_until_streaming();
}

std::size_t Trio::furthest_standby() {
    std::size_t best = nodes_.size();
    std::string furthest;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        if (i == primary_) continue;
        Connection owner(nodes_[i]->owner().with_database("postgres"));
        const std::string lsn = owner.value(
            "select lpad((coalesce(pg_last_wal_receive_lsn(), '0/0') - '0/0')::text, 20, '0')");
        if (best == nodes_.size() || lsn > furthest) {
            best = i;
            furthest = lsn;
        }
    }
    return best;
}

void Trio::promote(std::size_t i) {
    nodes_[i]->confirm_by("");
    Connection(nodes_[i]->owner().with_database("postgres")).must("select pg_promote(false)");
    const std::size_t before = primary_;
    primary_ = i;
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
        if (other != i && other != before && nodes_[other]->is_running()) {
            nodes_[other]->follow(*nodes_[i]);
        }
    }
}

void Trio::rebuild(std::size_t i) {
    if (nodes_[i]->is_running()) {
        nodes_[i]->thaw();
        nodes_[i]->kill();
    }
    nodes_[i]->make_standby_of(*nodes_[primary_]);
    wait_until_streaming();
}

void Trio::wait_until_streaming() {
    Connection owner(nodes_[primary_]->owner().with_database("postgres"));
    wait_until("both standbys stream", [&] {
        return owner.value("select count(*) from pg_stat_replication where state = 'streaming'") ==
               "2";
    });
    if (is_synchronous_) nodes_[primary_]->confirm_by("ANY 1 (*)");
}

void Trio::clear() {
    Connection(nodes_[primary_]->owner()).must("truncate entries, beats");
}

PgweirConfig Trio::config() {
    return config({nodes_[0]->port(), nodes_[1]->port(), nodes_[2]->port()});
}

PgweirConfig Trio::config(const std::array<std::uint16_t, 3>& ports) {
    PgweirConfig config("127.0.0.1", nodes_[0]->port());
    std::string list;
    for (const std::uint16_t port : ports) {
        list += (list.empty() ? "\"127.0.0.1:" : ", \"127.0.0.1:") + std::to_string(port) + "\"";
    }
    config.database("trio", "nodes", "[" + list + "]");
    config.database("trio", "dbname", "\"app\"");
    config.set("cluster", "monitor_user", "\"trusty\"");
    config.set("routing", "slow_start", "\"0s\"");
    return config;
}

}  // namespace pgweir::integration
