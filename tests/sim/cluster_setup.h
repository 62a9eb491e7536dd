// SPDX-License-Identifier: PostgreSQL
// The worlds of the routing stories: a primary "n1" and its standbys, of which the core has seen
// enough to route by.
#pragma once

#include <string>

#include "sim/setup.h"

namespace pgweir::sim {

struct ClusterSetup {
    std::uint32_t standbys = 1;
    std::uint32_t workers = 1;
    unsigned pool_size = 2;
    std::string mode = "transaction";
    std::string routing{};   // More lines of [routing].
    std::string cluster{};   // Of [cluster].
    std::string timeouts{};  // Of [timeouts].
    std::string database{};  // Of [databases.app].
    bool catalog_lies = false;
    std::uint64_t seed = 1;
};

inline WorldOptions with(const ClusterSetup& setup) {
    WorldOptions options;
    options.seed = setup.seed;
    options.workers = setup.workers;
    options.standbys = setup.standbys;
    options.node.catalog_lies = setup.catalog_lies;
    options.ceilings.pool = setup.pool_size;
    options.bounds.lag_max = Duration::seconds(1);
    options.bounds.evidence_age_max = Duration::milliseconds(500);
    std::string nodes = "\"n1\"";
    for (std::uint32_t i = 1; i <= setup.standbys; ++i) {
        nodes += ", \"n" + std::to_string(i + 1) + "\"";
    }
    options.settings =
        "[pgweir]\nauth_type = \"any\"\nlisten = [\"127.0.0.1:6432\"]\npool_mode = \"" +
        setup.mode + "\"\nworkers = " + std::to_string(setup.workers) +
        "\n[limits]\ndefault_pool_size = " + std::to_string(setup.pool_size) +
        "\n[routing]\nmax_replica_lag = \"1s\"\nslow_start = \"0s\"\n" + setup.routing +
        "[cluster]\nmonitor_user = \"monitor\"\nprobe_interval = \"50ms\"\n"
        "probe_timeout = \"200ms\"\nevidence_age_max = \"500ms\"\n" +
        setup.cluster + "[timeouts]\n" + setup.timeouts + "[databases.app]\nnodes = [" + nodes +
        "]\n" + setup.database;
    return options;
}

// A story whose reader asks where work was done.
class ClusterStory : public Story {
 public:
    explicit ClusterStory(const ClusterSetup& setup) : Story(with(setup)) {}

    // A client for whom everything is known: the nodes, the catalog, and what it has seen.
    SimClient& settled(std::string_view user, ReadLevel level = ReadLevel::Session,
                       ClientOptions options = {}) {
        options.level = level;
        SimClient& made = client(user, std::move(options));
        for (int i = 0; i < 4; ++i) {
            get(made, 15);
            pass(Duration::milliseconds(300));
        }
        return made;
    }
    static std::string reading(SimClient& reader, int id) {
        return "SELECT value FROM registers WHERE id = " + std::to_string(id) + " /* " +
               reader.token() + " */";
    }
    static std::string writing(int id, const std::string& token) {
        return "UPDATE registers SET value = '" + token + "' WHERE id = " + std::to_string(id);
    }
    std::string get(SimClient& reader, int id) { return ask(reader, reading(reader, id)).value(); }
    // The value that was written.
    std::string put(SimClient& writer, int id) {
        std::string token = writer.token();
        ask(writer, writing(id, token));
        return token;
    }
    // Turns of clients that each node has served.
    std::uint64_t on_primary() { return world().watch().routing().turns_on(0); }
    std::uint64_t on_standbys() {
        std::uint64_t all = 0;
        for (std::uint32_t node = 1; node < world().nodes(); ++node) {
            all += world().watch().routing().turns_on(node);
        }
        return all;
    }
    // Where `act` was served: "primary", "standby", "both" or "nowhere".
    template <typename Act>
    std::string served_by(Act act) {
        const std::uint64_t primary = on_primary();
        const std::uint64_t standbys = on_standbys();
        act();
        const bool by_primary = on_primary() > primary;
        const bool by_standby = on_standbys() > standbys;
        if (by_primary && by_standby) return "both";
        if (by_primary) return "primary";
        return by_standby ? "standby" : "nowhere";
    }
};

}  // namespace pgweir::sim
