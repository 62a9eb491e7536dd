// SPDX-License-Identifier: PostgreSQL
// A streaming standby of a throw-away PostgreSQL.
#pragma once

#include <memory>

#include "test_cluster.h"

namespace pgweir::integration {

class Standby {
 public:
    // A base backup of the primary, started, and streaming.
    explicit Standby(const TestCluster& primary);
    Standby(const Standby&) = delete;
    Standby& operator=(const Standby&) = delete;
    ~Standby();

    Target target() const { return {.port = port_}; }
    Target owner() const { return target().with_user("owner"); }
    std::uint16_t port() const { return port_; }
    // pg_ctl promote; returns when the server is a primary.
    void promote();
    // A signal to the postmaster.
    void signal(int number) const { postmaster_->signal(number); }

 private:
    void start();

    TemporaryFolder folder_{"standby"};
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> postmaster_;
};

// The process of the server whose data are in `folder`.
pid_t postmaster_of(const std::filesystem::path& folder);

}  // namespace pgweir::integration
