// SPDX-License-Identifier: PostgreSQL
// When nodes are looked at, and over which connection.
#include <map>

#include "unit/cluster/story.h"

namespace pgweir::cluster {

namespace {

struct Prober : Story {
    using Story::Story;

    std::vector<ProbeOrder> due() {
        std::vector<ProbeOrder> orders;
        cluster.due(now, orders);
        return orders;
    }
    // Answers what is ordered, until `until`. One is the primary unless it is dead.
    void run_until(Instant until) {
        while (true) {
            const Instant next = cluster.next_deadline();
            if (next > until) break;
            now = std::max(now, next);
            for (const ProbeOrder& order : due()) {
                looks[order.node]++;
                if (order.over == ProbeOver::New) new_looks[order.node]++;
                times[order.node].push_back(now);
                carry_out(order);
            }
        }
        now = std::max(now, until);
    }
    void run_ms(std::int64_t ms) { run_until(now + Duration::milliseconds(ms)); }
    void carry_out(const ProbeOrder& order) {
        if (dead.contains(order.node)) return fails(order.node, "refused", order.over);
        const bool is_primary = order.node == kOne;
        answer(order.node, {.in_recovery = !is_primary, .over = order.over});
    }
    void forget_counts() {
        looks.clear();
        new_looks.clear();
        times.clear();
    }

    std::map<NodeId, int> looks;
    std::map<NodeId, int> new_looks;
    std::map<NodeId, std::vector<Instant>> times;
    std::map<NodeId, bool> dead;
};

}  // namespace

TEST_CASE("all nodes are looked at when it begins, one look each") {
    Prober p;
    CHECK(p.cluster.next_deadline() <= p.now);
    const auto orders = p.due();
    REQUIRE(orders.size() == 3);
    CHECK(orders[0].node == kOne);
    CHECK(orders[2].node == kThree);
    CHECK(orders[0].over == ProbeOver::Open);
    CHECK(orders[0].timeout == Duration::seconds(1));
    CHECK(p.due().empty());
}

TEST_CASE("while all is quiet each node is looked at about once a second, not in step") {
    Prober p;
    p.run_ms(2000);
    p.forget_counts();
    p.run_ms(60'000);
    for (const NodeId node : {kOne, kTwo, kThree}) {
        CHECK(p.looks[node] > 50);
        CHECK(p.looks[node] < 75);
        CHECK(p.new_looks[node] >= 4);
        CHECK(p.new_looks[node] <= 8);
    }
    CHECK(p.times[kOne] != p.times[kTwo]);
}

TEST_CASE("a look that somebody waits for is due at once, but only one at a time") {
    Prober p;
    p.run_ms(100);
    p.cluster.want_sample(kTwo, p.now);
    p.cluster.want_sample(kTwo, p.now);
    CHECK(p.cluster.next_deadline() <= p.now);
    const auto orders = p.due();
    REQUIRE(orders.size() == 1);
    CHECK(orders[0].node == kTwo);
    // Wanted while one is under way: right after it, though not sooner than sample_interval.
    p.cluster.want_sample(kTwo, p.now);
    CHECK(p.due().empty());
    p.answer(kTwo, {});
    CHECK(p.due().empty());
    CHECK(p.cluster.next_deadline() <= p.now + Duration::milliseconds(1));
    p.pass_ms(1);
    CHECK(p.due().size() == 1);
}

TEST_CASE("looks that are wanted all the time are sample_interval apart") {
    Prober p;
    p.run_ms(100);
    p.forget_counts();
    for (int i = 0; i < 10'000; ++i) {
        p.cluster.want_sample(kTwo, p.now);
        p.run_until(p.now + Duration::microseconds(100));
    }
    CHECK(p.looks[kTwo] > 500);
    for (std::size_t i = 1; i < p.times[kTwo].size(); ++i) {
        REQUIRE(p.times[kTwo][i] - p.times[kTwo][i - 1] >= Duration::milliseconds(1));
    }
    CHECK(p.looks[kOne] < 5);
}

TEST_CASE("a sign of trouble has all nodes looked at often, for a bounded time") {
    Prober p;
    p.run_ms(5000);
    p.events();
    p.forget_counts();
    p.cluster.suspect(kOne, Suspicion::ConnectionLost, p.now);
    CHECK(p.cluster.next_deadline() <= p.now + Duration::milliseconds(1));
    CHECK(says(p.events(), "db1:5432 is under suspicion: a connection was lost"));
    p.run_ms(10'000);
    for (const NodeId node : {kOne, kTwo, kThree}) {
        CHECK(p.looks[node] > 400);
        CHECK(p.looks[node] < 1000);
    }
    p.forget_counts();
    p.run_ms(10'000);
    CHECK(p.looks[kOne] < 15);
}

TEST_CASE("signs do not prolong a suspicion, and tell nothing new of a node that is dead") {
    Prober p;
    p.dead[kThree] = true;
    p.run_ms(5000);
    p.forget_counts();
    for (int i = 0; i < 1000; ++i) {
        p.cluster.suspect(kThree, Suspicion::ConnectRefused, p.now);
        p.run_ms(10);
    }
    CHECK(p.looks[kOne] < 15);
    CHECK(p.looks[kThree] < 15);
    CHECK(says(p.events(), "db3:5432 is unreachable: refused"));
    CHECK(p.events().empty());
    p.cluster.suspect(kThree, Suspicion::Hint, p.now);
    p.run_ms(1000);
    CHECK(p.looks[kThree] > 40);
}

TEST_CASE("nobody's wish makes a dead node be looked at more often") {
    Prober p;
    p.dead[kThree] = true;
    p.run_ms(5000);
    p.forget_counts();
    for (int i = 0; i < 1000; ++i) {
        p.cluster.want_sample(kThree, p.now);
        p.run_ms(10);
    }
    CHECK(p.looks[kThree] < 20);
}

TEST_CASE("a failed look is followed at once by one over the other kind of connection") {
    Prober p;
    p.run_ms(1500);
    p.cluster.want_sample(kTwo, p.now);
    REQUIRE(p.due().size() == 1);
    p.fails(kTwo);
    const auto orders = p.due();
    REQUIRE(orders.size() == 1);
    CHECK(orders[0].over == ProbeOver::New);
    p.fails(kTwo, "refused", ProbeOver::New);
    CHECK(p.due().empty());
}

TEST_CASE("a failed look at the primary has all nodes looked at") {
    Prober p;
    p.run_ms(1500);
    p.cluster.want_sample(kOne, p.now);
    REQUIRE(p.due().size() == 1);
    p.fails(kOne);
    p.pass_ms(1);
    CHECK(p.due().size() == 3);
}

TEST_CASE("a dead primary is given up within milliseconds, and a promotion noticed as soon") {
    Prober p;
    p.run_ms(5000);
    p.dead[kOne] = true;
    p.cluster.suspect(kOne, Suspicion::ConnectionLost, p.now);
    p.run_ms(5);
    CHECK_FALSE(p.view().primary);
    p.forget_counts();
    p.run_ms(45'000);
    REQUIRE(p.times[kTwo].size() > 2);
    // 45 s later it is still looked for every 50 ms or so.
    const Instant last = p.times[kTwo].back();
    CHECK(p.now - last < Duration::milliseconds(70));
    p.forget_counts();
    p.run_ms(3600'000);
    p.forget_counts();
    p.run_ms(60'000);
    CHECK(p.looks[kTwo] < 90);
}

TEST_CASE("an order that nobody answers counts as failed, and its late answer for nothing") {
    Prober p;
    p.run_ms(1500);
    p.cluster.want_sample(kTwo, p.now);
    REQUIRE(p.due().size() == 1);
    const Instant asked = p.now;
    Observation late;
    late.started_at = asked;
    late.in_recovery = true;
    late.lsn = Lsn{999};
    p.run_until(asked + Duration::milliseconds(1990));
    CHECK(p.trouble(kTwo) == Trouble::None);
    p.now = asked + Duration::milliseconds(2000);
    const auto orders = p.due();
    CHECK(p.trouble(kTwo) == Trouble::Unreachable);
    REQUIRE_FALSE(orders.empty());
    late.ended_at = p.now;
    p.cluster.observe(kTwo, late, p.now);
    CHECK(p.trouble(kTwo) == Trouble::Unreachable);
    CHECK(p.node(kTwo).lsn == Lsn{100});
    for (const ProbeOrder& order : p.due()) CHECK(order.node != kTwo);  // Still under way.
    p.answer(kTwo, {});
    CHECK(p.trouble(kTwo) == Trouble::None);
}

TEST_CASE("a look's timeout follows what is usual, and grows while looks fail") {
    Prober p;
    p.run_ms(8000);
    p.cluster.want_sample(kTwo, p.now);
    auto orders = p.due();
    REQUIRE(orders.size() == 1);
    CHECK(orders[0].timeout == Duration::milliseconds(100));
    Duration last;
    p.fails(kTwo, "timeout");
    p.fails(kTwo, "timeout");
    for (int i = 0; i < 6; ++i) {
        p.pass_ms(1500);
        for (const ProbeOrder& order : p.due()) {
            if (order.node != kTwo) {
                p.carry_out(order);
                continue;
            }
            if (order.over == ProbeOver::Open) {
                CHECK(order.timeout >= last);
                last = order.timeout;
            }
            p.fails(kTwo, "timeout", order.over);
        }
    }
    CHECK(last == Duration::seconds(1));
}

TEST_CASE("a first failure is made certain of soon, though nothing is known of new connections") {
    Prober p;
    p.run_ms(8000);
    p.cluster.want_sample(kTwo, p.now);
    REQUIRE(p.due().size() == 1);
    p.pass_ms(100);
    p.fails(kTwo, "timeout");
    int seen = 0;
    for (const ProbeOrder& order : p.due()) {
        if (order.node != kTwo) continue;
        ++seen;
        CHECK(order.over == ProbeOver::New);
        CHECK(order.timeout == Duration::milliseconds(250));
    }
    CHECK(seen == 1);
}

TEST_CASE("looks that were waited for in vain make no later one wait longer") {
    Prober p;
    p.run_ms(8000);
    int seen = 0;
    for (int i = 0; i < 20; ++i) {
        p.cluster.want_sample(kTwo, p.now);
        p.due();
        p.fails(kTwo, "timeout");
        for (const ProbeOrder& order : p.due()) {
            if (order.node != kTwo) continue;
            ++seen;
            REQUIRE(order.over == ProbeOver::New);
            CHECK(order.timeout == Duration::milliseconds(250));
        }
        Observation silent;
        silent.started_at = p.now;
        p.pass_ms(900);
        silent.ended_at = p.now;
        silent.over = ProbeOver::New;
        silent.failure = "timeout";
        p.cluster.observe(kTwo, silent, p.now);
        p.run_ms(1500);
    }
    CHECK(seen == 20);
}

TEST_CASE("a late look raises suspicion, but a network that is always slow does not for ever") {
    Prober p;
    p.run_ms(8000);
    p.events();
    p.answer(kTwo, {.took_us = 15'000});
    CHECK(says(p.events(), "db2:5432 is under suspicion: a look took long"));
    p.run_ms(11'000);
    for (int i = 0; i < 8; ++i) {
        p.answer(kTwo, {.took_us = 15'000});
        CHECK_FALSE(says(p.events(), "suspicion"));
    }
}

TEST_CASE("a new node is looked at after a reload, and one that stays keeps its pace") {
    Prober p;
    p.run_ms(1500);
    p.due();
    p.cluster.configure({node_config(1), node_config(4)}, {}, p.now);
    const auto orders = p.due();
    REQUIRE(orders.size() == 1);
    CHECK(orders[0].node == NodeId{4});
}

}  // namespace pgweir::cluster
