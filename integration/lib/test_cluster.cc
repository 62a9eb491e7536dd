// SPDX-License-Identifier: PostgreSQL
// A throw-away PostgreSQL.
#include "test_cluster.h"

#include <libpq-fe.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "connection.h"
#include "test_standby.h"

namespace pgweir::integration {
namespace {

constexpr const char* kSettings = R"(
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 16MB
max_connections = 60
superuser_reserved_connections = 3
max_wal_senders = 4
wal_level = replica
autovacuum = off
log_min_messages = warning
log_line_prefix = '%m [%p] %q%u@%d '
authentication_timeout = 60s
unix_socket_permissions = 0777
ssl = on
)";

// Administration is by the owner over trust; the other roles show one method each.
constexpr const char* kHostBasedAuthentication = R"(
local   all all trust
local   replication all trust
host    replication all 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
host    all certified 127.0.0.1/32 reject
host    all owner,trusty,someone,asker 127.0.0.1/32 trust
host    all plain 127.0.0.1/32 password
host    all md5er 127.0.0.1/32 md5
host    all all 127.0.0.1/32 scram-sha-256
)";

}  // namespace

Target Target::with_user(std::string name) const {
    Target other = *this;
    other.user = std::move(name);
    return other;
}

Target Target::with_database(std::string name) const {
    Target other = *this;
    other.database = std::move(name);
    return other;
}

namespace {

// A value in a libpq connection string.
std::string quoted(const std::string& value) {
    std::string text = "'";
    for (char c : value) {
        if (c == '\'' || c == '\\') text += '\\';
        text += c;
    }
    return text + "'";
}

}  // namespace

std::string Target::conninfo(const std::string& more) const {
    // No GSSAPI and no TLS unless asked for: each is one more refused request at every login.
    std::string text = "host=" + host + " port=" + std::to_string(port) +
                       " dbname=" + quoted(database) + " user=" + quoted(user) +
                       " connect_timeout=60 gssencmode=disable";
    if (more.find("sslmode=") == std::string::npos) text += " sslmode=disable";
    return more.empty() ? text : text + " " + more;
}

std::string password_of(const std::string& role) {
    return {role.rbegin(), role.rend()};
}

std::string postgresql_bin() {
    if (const char* folder = std::getenv("PGWEIR_POSTGRESQL_BIN")) return folder;
    return "/usr/lib/postgresql/15/bin";
}

TestCluster::TestCluster(std::vector<std::string> settings) : settings_(std::move(settings)) {
    create();
    start();
    create_roles();
}

TestCluster::~TestCluster() {
    standbys_.clear();
    if (postmaster_ && postmaster_->is_running()) {
        postmaster_->signal(SIGQUIT);
        postmaster_->wait();
    }
}

void TestCluster::create() {
    auto data = folder_.path() / "data";
    run({postgresql_bin() + "/initdb", "--pgdata", data.string(), "--username=owner",
         "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--no-instructions"},
        true);
    std::string text = kSettings;
    text += "unix_socket_directories = '" + folder_.path().string() + "'\n";
    text += "ssl_cert_file = '" + certificates_.server_certificate() + "'\n";
    text += "ssl_key_file = '" + certificates_.server_key() + "'\n";
    text += "ssl_ca_file = '" + certificates_.authority() + "'\n";
    for (const auto& line : settings_) text += line + "\n";
    write_file(data / "postgresql.conf", text);
    write_file(data / "pg_hba.conf", kHostBasedAuthentication);
}

std::unique_ptr<Process> start_postgresql(const std::filesystem::path& data,
                                          const std::filesystem::path& log, std::uint16_t& port) {
    bool port_is_new = port == 0;
    for (int attempt = 0; attempt < 5; ++attempt) {
        if (port_is_new) port = free_port();
        auto postmaster =
            std::make_unique<Process>(Command{.words = {postgresql_bin() + "/postgres", "-D",
                                                        data.string(), "-p", std::to_string(port)},
                                              .log = log,
                                              .capture_output = false,
                                              .unprivileged = true,
                                              .environment = {}});
        std::string where =
            Target{.port = port, .database = "postgres", .user = "owner"}.conninfo();
        wait_until("PostgreSQL answers on port " + std::to_string(port),
                   [&] { return !postmaster->is_running() || PQping(where.c_str()) == PQPING_OK; });
        if (postmaster->is_running()) return postmaster;
    }
    throw HarnessError("PostgreSQL does not start: " + tail_of(log));
}

void TestCluster::start() {
    postmaster_ = start_postgresql(folder_.path() / "data", log(), port_);
}

TestStandby& TestCluster::add_standby(const std::vector<std::string>& settings) {
    standbys_.push_back(std::make_unique<TestStandby>(*this, settings));
    return *standbys_.back();
}

void TestCluster::stop(Stop how) {
    postmaster_->signal(how == Stop::Fast ? SIGINT : SIGQUIT);
    if (!postmaster_->wait()) throw HarnessError("PostgreSQL does not stop: " + tail_of(log()));
}

void TestCluster::restart(Stop how) {
    stop(how);
    start();
}

void TestCluster::create_roles() {
    Connection admin(owner().with_database("postgres"));
    auto create_role = [&](const std::string& name, const std::string& more) {
        admin.must("create role " + name + " login password '" + password_of(name) + "' " + more);
    };
    for (const char* name : {"trusty", "someone", "plain", "scrammer", "certified"}) {
        create_role(name, "");
    }
    create_role("asker", "");
    create_role("expired", "valid until '2001-01-01'");
    create_role("locked", "");
    admin.must("alter role locked nologin");
    admin.must("set password_encryption = 'md5'");
    create_role("md5er", "");
    for (const char* name : {"app", "other"}) {
        admin.must(std::string("create database ") + name);
        Connection inside(owner().with_database(name));
        inside.must("grant create, usage on schema public to public");
        inside.must(
            "create table numbers as select n, n * n as square from generate_series(1, 100) n");
        inside.must("grant all on numbers to public");
    }
}

void TestCluster::alter_system(const std::string& name, const std::string& value) {
    Connection admin(owner());
    admin.must("alter system set " + name + " = " + value);
    admin.must("select pg_reload_conf()");
}

}  // namespace pgweir::integration
