// SPDX-License-Identifier: PostgreSQL
// A throw-away standby of a TestCluster: made with pg_basebackup, streaming, open for reads.
//
//   TestCluster primary;
//   TestStandby& standby = primary.add_standby();
//   Connection writer(primary.target());  writer.must("insert …");
//   standby.catch_up();
//   Connection reader(standby.target());
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "test_cluster.h"

namespace pgweir::integration {

class TestStandby {
 public:
    // `settings` are lines for postgresql.conf, after the primary's. Returns once it takes
    // connections.
    TestStandby(const TestCluster& primary, const std::vector<std::string>& settings);
    TestStandby(const TestStandby&) = delete;
    TestStandby& operator=(const TestStandby&) = delete;
    ~TestStandby();

    Target target() const { return {.port = port_}; }
    Target owner() const { return target().with_user("owner"); }
    std::uint16_t port() const { return port_; }
    std::filesystem::path log() const { return folder_.path() / "postgresql.log"; }

    // Waits until all that the primary has written by now is replayed here.
    void catch_up();
    // Returns once it is no standby any more.
    void promote();
    // Replays no more, or goes on.
    void pause_replay();
    void resume_replay();

    void start();
    void stop(TestCluster::Stop how = TestCluster::Stop::Fast);

 private:
    const TestCluster& primary_;
    TemporaryFolder folder_{"standby"};
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> postmaster_;
};

}  // namespace pgweir::integration
