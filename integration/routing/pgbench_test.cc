// SPDX-License-Identifier: PostgreSQL
// pgbench through pgweir with splitting: no transaction fails, in any of its ways to speak.
#include <doctest/doctest.h>

#include "routed.h"

using namespace pgweir::integration;

namespace {

std::string bench(const Target& target, std::vector<std::string> more) {
    std::vector<std::string> words{postgresql_bin() + "/pgbench", "--host=127.0.0.1",
                                   "--port=" + std::to_string(target.port),
                                   "--username=" + target.user};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(target.database);
    return run(std::move(words));
}

void fill() {
    static const bool is_done = [] {
        const Target app = routed().primary.target();
        bench(app, {"--initialize", "--quiet", "--scale=1"});
        routed().catch_up();
        return true;
    }();
    CHECK(is_done);
}

// An error of a client aborts it, and pgbench then ends with another status: run() throws.
void check_bench(const Target& target, std::vector<std::string> more) {
    more.insert(more.end(), {"--no-vacuum", "--client=4", "--transactions=150"});
    const std::string words = bench(target, std::move(more));
    CAPTURE(words);
    CHECK(words.find("number of failed transactions: 0 ") != std::string::npos);
    CHECK(words.find("actually processed: 600/600") != std::string::npos);
}

}  // namespace

TEST_CASE("pgbench runs through pgweir without a failed transaction") {
    fill();
    PgweirProcess pgweir(routed().config());
    wait_for_both(pgweir);
    for (const std::string mode : {"simple", "extended", "prepared"}) {
        CAPTURE(mode);
        check_bench(routed_by(pgweir), {"--select-only", "--protocol=" + mode});
        check_bench(routed_by(pgweir), {"--builtin=tpcb-like", "--protocol=" + mode});
    }
}

TEST_CASE("pgbench's sums agree after a mixed run at every level") {
    fill();
    for (const char* level : {"session", "strong", "eventual"}) {
        CAPTURE(std::string(level));
        PgweirConfig config = routed().config();
        config.set("routing", "consistency", "\"" + std::string(level) + "\"");
        config.general("workers", "2");
        PgweirProcess pgweir(config);
        wait_for_both(pgweir);
        check_bench(routed_by(pgweir), {"--builtin=select-only@5", "--builtin=simple-update@1",
                                        "--protocol=prepared"});
    }
    Connection primary(routed().primary.target());
    CHECK(primary.value("select sum(abalance) from pgbench_accounts") ==
          primary.value("select sum(delta) from pgbench_history"));
}
