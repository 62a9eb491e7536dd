// SPDX-License-Identifier: PostgreSQL
// Three PostgreSQL nodes that take turns in being the primary, and what can happen to them.
//
//   Trio trio;                                   node(0) is the primary
//   trio.node(0).kill();
//   trio.promote(1);
//   trio.rebuild(0);                             again a standby, of node(1), on the same port
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "connection.h"
#include "pgweir_process.h"
#include "process.h"
#include "test_cluster.h"

namespace pgweir::integration {

class Node {
 public:
    explicit Node(std::string name) : name_(std::move(name)) {}
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node();

    const std::string& name() const { return name_; }
    std::uint16_t port() const { return port_; }
    Target owner() const { return {.port = port_, .user = "owner"}; }

    void make_primary();
    // A copy of that node that streams from it; whatever was here is gone.
    void make_standby_of(const Node& primary);
    void start();
    // A standby streams from another node from now on.
    void follow(const Node& primary);
    void follow_nobody();
    int timeline();                                // A primary's.
    void confirm_by(const std::string& standbys);  // synchronous_standby_names

    enum class Stop { Smart, Fast, Immediate };
    void order_stop(Stop how) const;  // Does not wait.
    bool stops(std::chrono::milliseconds within = patience());
    void stop(Stop how);
    void kill();               // All processes, at once.
    void freeze();             // All processes.
    void freeze_postmaster();  // Sessions go on; a new connection is accepted, and hears nothing.
    void kill_one_session();   // Of database "app": the others end, too, and the node recovers.
    void thaw();
    bool is_running() { return postmaster_ != nullptr && postmaster_->is_running(); }

 private:
    std::filesystem::path data() const { return folder_.path() / "data"; }
    void signal_everybody(int number) const;
    void set(const std::string& setting, const std::string& value);

    std::string name_;
    TemporaryFolder folder_{name_};
    std::uint16_t port_ = 0;
    bool is_frozen_ = false;
    std::unique_ptr<Process> postmaster_;
};

class Trio {
 public:
    // Synchronous: a commit waits for one standby, whichever, and so survives the primary.
    explicit Trio(bool synchronous = true);

    Node& node(std::size_t i) { return *nodes_[i]; }
    std::size_t primary() const { return primary_; }
    // The standby that has received most; the other one, if `i` is that.
    std::size_t furthest_standby();
    // Ordered, not awaited; the other standby follows it. Until all stream again, commits wait for
    // nobody: that is PostgreSQL's share of a failover, not pgweir's.
    void promote(std::size_t i);
    // The node is a standby of the present primary.
    void rebuild(std::size_t i);
    // Database "trio": all three nodes, observed as often as by default.
    PgweirConfig config();
    // The same, by way of other ports.
    PgweirConfig config(const std::array<std::uint16_t, 3>& ports);
    // All standbys stream, so that none is missed when the primary goes.
    void wait_until_streaming();
    // Nothing of a workload before is left.
    void clear();

 private:
    std::array<std::unique_ptr<Node>, 3> nodes_;
    std::size_t primary_ = 0;
    bool is_synchronous_;
};

}  // namespace pgweir::integration
