// SPDX-License-Identifier: PostgreSQL
// A throw-away PostgreSQL: usually the one that a test program shares.
//
// Roles (all may log in unless the name says otherwise; the password is the role's name reversed):
//   owner      trust, superuser              plain      "password" in pg_hba
//   trusty     trust, no superuser           md5er      md5
//   scrammer   scram-sha-256                 expired    scram, VALID UNTIL in the past
//   locked     scram, NOLOGIN                certified  certificate (needs TLS)
// Databases: app (the usual one), other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "certificates.h"
#include "process.h"

namespace pgweir::integration {

// Where to connect, for libpq and for raw sockets.
struct Target {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::string database = "app";
    std::string user = "trusty";

    Target with_user(std::string name) const;
    Target with_database(std::string name) const;
    // A libpq connection string; `more` is appended ("password=x sslmode=require").
    std::string conninfo(const std::string& more = "") const;
};

std::string password_of(const std::string& role);

class TestStandby;

class TestCluster {
 public:
    // `settings` are lines for postgresql.conf, after the harness's own.
    explicit TestCluster(std::vector<std::string> settings = {});
    TestCluster(const TestCluster&) = delete;
    TestCluster& operator=(const TestCluster&) = delete;
    ~TestCluster();

    Target target() const { return {.port = port_}; }
    Target owner() const { return target().with_user("owner"); }
    std::uint16_t port() const { return port_; }
    std::string socket_folder() const { return folder_.path().string(); }
    const Certificates& certificates() const { return certificates_; }
    std::filesystem::path log() const { return folder_.path() / "postgresql.log"; }

    enum class Stop { Fast, Immediate };
    void start();
    void stop(Stop how = Stop::Fast);
    void restart(Stop how = Stop::Immediate);
    // A standby that streams from this one; it ends with the cluster (test_standby.h).
    TestStandby& add_standby(const std::vector<std::string>& settings = {});
    // A setting for all new sessions and, where PostgreSQL allows, the running ones.
    void alter_system(const std::string& name, const std::string& value);

 private:
    void create();
    void create_roles();

    TemporaryFolder folder_{"postgresql"};
    Certificates certificates_{folder_.path()};
    std::vector<std::string> settings_;
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> postmaster_;
    std::vector<std::unique_ptr<TestStandby>> standbys_;
};

// Runs PostgreSQL on `data` and returns once it takes connections: on `port`, or if that is 0 on a
// free one, which `port` then is.
std::unique_ptr<Process> start_postgresql(const std::filesystem::path& data,
                                          const std::filesystem::path& log, std::uint16_t& port);

// The folder with initdb, postgres and the like.
std::string postgresql_bin();

}  // namespace pgweir::integration
