// SPDX-License-Identifier: PostgreSQL
// Worlds with a primary and standbys, in which reads are split from writes.
#include <algorithm>

#include "sim/swarm_draw.h"

namespace pgweir::sim {
namespace {

using Texts = std::initializer_list<const char*>;

std::string pick(Random& random, Texts texts) {
    return *(texts.begin() + static_cast<std::ptrdiff_t>(random.below(texts.size())));
}

std::string duration(std::int64_t milliseconds) {
    return "\"" + std::to_string(milliseconds) + "ms\"\n";
}

// In any order: who is the primary shows.
std::string node_list(std::uint32_t nodes, Random& random) {
    std::string text;
    const auto first = static_cast<std::uint32_t>(random.below(nodes));
    for (std::uint32_t i = 0; i < nodes; ++i) {
        if (i > 0) text += ", ";
        text += "\"n" + std::to_string((first + i) % nodes + 1) + "\"";
    }
    return "nodes = [" + text + "]\n";
}

std::string draw_level(Random& random, ReadLevel& level) {
    const std::string name = pick(random, {"eventual", "session", "session", "strong", "primary"});
    level = ReadLevel::Strong;
    if (name == "eventual") level = ReadLevel::Eventual;
    if (name == "session") level = ReadLevel::Session;
    return "consistency = \"" + name + "\"\n";
}

std::string timeouts(const Fates& fates, Random& random) {
    return "[timeouts]\nserver_connect_timeout = \"2s\"\nserver_login_timeout = \"2s\"\n"
           "query_wait_timeout = \"" +
           std::string(fates.short_waits ? "500ms" : "600s") + "\"\nserver_lifetime = \"" +
           pick(random, {"3600s", "50ms", "1s"}) + "\"\nserver_idle_timeout = \"" +
           pick(random, {"600s", "20ms"}) +
           "\"\nserver_login_retry_max = \"1s\"\ncancel_wait_timeout = \"2s\"\n"
           "server_clean_timeout = \"1s\"\nclient_login_timeout = \"60s\"\n"
           "partial_frame_timeout = \"20s\"\n" +
           std::string(fates.node || fates.standbys || fates.failovers ? "query_timeout = \"20s\"\n"
                                                                       : "");
}

std::string routing(Draw& draw, Random& random) {
    RoutingBounds& bounds = draw.world.bounds;
    bounds.lag_max = Duration::milliseconds(random.one_in(2) ? 300 : 2000);
    bounds.evidence_age_max = Duration::milliseconds(random.one_in(2) ? 500 : 1500);
    const std::string split = pick(random, {"on", "on", "on", "on", "on", "on", "off", "shadow"});
    draw.plan += ", split " + split;
    return "[routing]\nsplit = \"" + split + "\"\nreads_on_primary = \"" +
           pick(random, {"fallback", "share", "never"}) +
           "\"\nmax_replica_lag = " + duration(bounds.lag_max.us / 1000) + "replica_wait = \"" +
           pick(random, {"0s", "5ms", "200ms"}) + "\"\nslow_start = \"" +
           pick(random, {"0s", "1s"}) + "\"\ncatalog_interval = \"" + pick(random, {"1s", "60s"}) +
           "\"\nretry_budget = 100\n" +
           "[cluster]\nmonitor_user = \"monitor\"\nfailover_timeout = \"" +
           std::string(draw.fates.short_waits ? "500ms" : "600s") +
           "\"\nwarm_servers = " + pick(random, {"0", "1", "2"}) + "\nprobe_interval = \"" +
           pick(random, {"50ms", "200ms"}) + "\"\nprobe_timeout = \"" +
           pick(random, {"100ms", "400ms"}) +
           "\"\nevidence_age_max = " + duration(bounds.evidence_age_max.us / 1000);
}

std::string settings_text(Draw& draw, Random& random) {
    const std::uint32_t nodes = draw.world.standbys + 1;
    std::string text = "[pgweir]\nlisten = [\"127.0.0.1:6432\"]\nauth_type = \"any\"\nworkers = " +
                       std::to_string(draw.world.workers) + "\npool_mode = \"" + draw.mode +
                       "\"\nlog_connections = false\nlog_disconnections = false\n";
    text += "[limits]\ndefault_pool_size = " + std::to_string(draw.pool_size) +
            "\nmax_prepared_statements = " + pick(random, {"1", "3", "200"}) +
            "\nmin_pool_size = " + pick(random, {"0", "0", "1"}) + "\n";
    text += timeouts(draw.fates, random) + routing(draw, random);
    text += "[tls]\nserver_tls_sslmode = \"disable\"\n";
    text += "[databases.app]\n" + node_list(nodes, random) + draw_level(random, draw.levels[0]);
    text += "[databases.other]\n" + node_list(nodes, random) + draw_level(random, draw.levels[1]);
    return text + "[users.alice]\n[users.bob]\n";
}

void draw_fates(Draw& draw, Random& random) {
    Fates& fates = draw.fates;
    fates.lags = !random.one_in(4);
    fates.lies = random.one_in(4);
    if (!random.one_in(4)) {
        fates.conflicts = random.one_in(3);
        fates.standbys = random.one_in(2);
        fates.node = random.one_in(4);
        fates.failovers = random.one_in(3);
        fates.mischief = random.one_in(4);
        fates.cancels = random.one_in(4);
        fates.client_links = random.one_in(6);
        fates.short_waits = random.one_in(6);
    }
    fates.reloads = random.one_in(6) && !draw.world.direct;
}

void draw_weather(Draw& draw, Random& random) {
    WorldOptions& world = draw.world;
    const Fates& fates = draw.fates;
    world.client_weather.split_one_in = 1 + random.below(6);
    world.server_weather.split_one_in = 1 + random.below(6);
    if (random.one_in(2)) {
        world.look_weather.late_one_in = 5;
        world.look_weather.fail_one_in = random.one_in(2) ? 12 : 0;
        world.look_weather.hang_one_in = random.one_in(2) ? 20 : 0;
    }
    if (fates.client_links) world.client_weather.reset_one_in = 6;
    // Workers with much to do: what one of them has seen another hears of late.
    if (random.one_in(4)) world.post_delay_max = Duration::milliseconds(20);
    if (!fates.standbys && !fates.node && !fates.failovers) return;
    world.server_weather.reset_one_in = random.one_in(2) ? 6 : 0;
    world.server_weather.silent_one_in = random.one_in(3) ? 12 : 0;
    world.server_weather.refuse_one_in = random.one_in(3) ? 6 : 0;
    world.server_weather.hang_one_in = random.one_in(3) ? 12 : 0;
}

}  // namespace

Draw draw_cluster(const RunRequest& request) {
    Random random(request.seed * 0x9E3779B97F4A7C15ULL + 2);
    Draw draw;
    WorldOptions& world = draw.world;
    world.seed = request.seed;
    world.direct = request.direct;
    world.transcript_lines = std::max<std::size_t>(request.lines, 64);
    world.workers = 1 + static_cast<std::uint32_t>(random.below(3));
    world.standbys = 1 + static_cast<std::uint32_t>(random.below(3));
    draw.pool_size = 1 + static_cast<std::uint32_t>(random.below(4));
    draw.wanderers = 1 + static_cast<std::uint32_t>(random.below(12));
    draw.mode = random.one_in(8) ? "statement" : "transaction";
    draw_fates(draw, random);
    if (request.kind == WorldKind::Failover) draw.fates.failovers = true;
    draw_weather(draw, random);
    const Fates& fates = draw.fates;
    world.node.databases = {"app", "other"};
    world.node.notice_one_in = random.one_in(2) ? 10 : 0;
    world.node.catalog_lies = fates.lies;
    world.node.goes_back_max = random.one_in(2) ? 20 : 0;
    world.ceilings.pool = draw.pool_size;
    leave_out(request, draw);
    if (!request.direct) world.settings = settings_text(draw, random);
    draw.plan = "cluster, " + draw.mode + draw.plan + ", " + std::to_string(world.standbys) +
                " standbys, " + std::to_string(world.workers) + " workers, pool " +
                std::to_string(draw.pool_size) + ", " + std::to_string(draw.wanderers) +
                " wanderers" + (fates.lags ? ", lags" : "") + (fates.lies ? ", lies" : "") +
                (fates.conflicts ? ", conflicts" : "") + (fates.standbys ? ", standbys" : "") +
                (fates.node ? ", node" : "") + (fates.failovers ? ", failovers" : "") +
                (fates.mischief ? ", mischief" : "") + (fates.cancels ? ", cancels" : "") +
                (fates.client_links ? ", client links" : "") +
                (fates.short_waits ? ", short waits" : "") + (fates.reloads ? ", reloads" : "");
    return draw;
}

}  // namespace pgweir::sim
