// SPDX-License-Identifier: PostgreSQL
// What the tests of the prober share: a loop, a PostgreSQL that answers looks, and what was told.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_postgresql.h"
#include "helpers.h"
#include "io/prober.h"

namespace pgweir::io::testing {

using cluster::Observation;
using cluster::ProbeOver;

constexpr NodeId kNode{1};
constexpr NodeId kOther{2};

inline MonitorLogin watcher() {
    MonitorLogin login;
    login.user = "watcher";
    login.password = "secret";
    login.database = "postgres";
    login.tls_mode = TlsMode::Disable;
    login.timeout = Duration::seconds(5);
    return login;
}

struct Observations final : ProberOwner {
    void on_observed(NodeId node, Observation observation) override {
        nodes.push_back(node);
        seen.push_back(std::move(observation));
        if (when_observed) when_observed();
    }
    void on_resolved(NodeResolved answer) override { resolved.push_back(std::move(answer)); }
    std::vector<NodeId> nodes;
    std::vector<Observation> seen;
    std::vector<NodeResolved> resolved;
    std::function<void()> when_observed;
};

struct ProberFixture {
    Loop loop;
    Observations told;
    FakePostgresql server;
    std::unique_ptr<Prober> prober = std::make_unique<Prober>(loop.get(), told);
    MonitorLogin login = watcher();

    LookAtNode order(ProbeOver over = ProbeOver::Open) {
        return {.node = kNode,
                .address = {"127.0.0.1", server.port()},
                .over_new_connection = over == ProbeOver::New,
                .timeout = login.timeout,
                .login = std::make_shared<MonitorLogin>(login)};
    }
    bool until(const std::function<bool()>& done) {
        return run_until(loop, [&] {
            server.turn();
            return done();
        });
    }
    // The observation that comes next, without an order.
    Observation next() {
        const std::size_t before = told.seen.size();
        REQUIRE(until([&] { return told.seen.size() > before; }));
        return told.seen[before];
    }
    Observation look(const LookAtNode& order) {
        const std::size_t before = told.seen.size();
        prober->look(order);
        REQUIRE(until([&] { return told.seen.size() > before; }));
        CHECK(told.seen.size() == before + 1);
        return told.seen[before];
    }
    Observation look() { return look(order()); }
    // Until the server has read the question, which it will not answer.
    void ask_in_vain(ProbeOver over = ProbeOver::Open) {
        server.answers = false;
        prober->look(order(over));
        REQUIRE(until(
            [&] { return !server.connections.empty() && !server.latest().questions.empty(); }));
    }
    bool is_ended(const FakePostgresql::Connection& connection) {
        return until([&] { return is_closed(connection.socket); });
    }
};

}  // namespace pgweir::io::testing
