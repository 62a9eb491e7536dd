// SPDX-License-Identifier: PostgreSQL
// Worlds with one node, and the clients of all worlds.
#include "sim/swarm_draw.h"

#include <algorithm>

namespace pgweir::sim {
namespace {

std::string settings_text(const Draw& draw, Random& random) {
    const auto pick = [&random](std::initializer_list<const char*> texts) {
        return std::string(
            *(texts.begin() + static_cast<std::ptrdiff_t>(random.below(texts.size()))));
    };
    std::string text = "[pgweir]\nlisten = [\"127.0.0.1:6432\"]\n";
    text += "auth_type = \"" + std::string(draw.passwords ? "password" : "any") + "\"\n";
    text += "workers = " + std::to_string(draw.world.workers) + "\n";
    text += "pool_mode = \"" + draw.mode + "\"\n";
    text += "log_connections = false\nlog_disconnections = false\n";
    text += "[limits]\ndefault_pool_size = " + std::to_string(draw.pool_size) + "\n";
    text += "max_prepared_statements = " + pick({"1", "3", "200"}) + "\n";
    text += "min_pool_size = " + pick({"0", "0", "1"}) + "\n";
    if (draw.world.ceilings.database != 0) {
        text += "max_db_connections = " + std::to_string(draw.world.ceilings.database) + "\n";
    }
    text += "[timeouts]\nserver_connect_timeout = \"2s\"\nserver_login_timeout = \"2s\"\n";
    text +=
        "query_wait_timeout = \"" + std::string(draw.fates.short_waits ? "500ms" : "600s") + "\"\n";
    text += "query_wait_notify = \"" + pick({"0s", "20ms", "5s"}) + "\"\n";
    text += "server_lifetime = \"" + pick({"3600s", "50ms", "1s"}) + "\"\n";
    text += "server_idle_timeout = \"" + pick({"600s", "20ms"}) + "\"\n";
    text += "server_login_retry_max = \"1s\"\ncancel_wait_timeout = \"2s\"\n";
    text += "server_clean_timeout = \"1s\"\n";
    text += "client_login_timeout = \"60s\"\npartial_frame_timeout = \"20s\"\n";
    if (draw.fates.node) text += "query_timeout = \"20s\"\n";
    text += "[tls]\nserver_tls_sslmode = \"" + pick({"disable", "prefer"}) + "\"\n";
    // A password in clear goes out over a Unix socket only.
    const std::string host = draw.passwords ? "/n1" : "n1";
    for (const char* database : {"app", "other"}) {
        text += "[databases." + std::string(database) + "]\nhost = \"" + host + "\"\n";
    }
    for (const char* user : {"alice", "bob"}) {
        text += "[users." + std::string(user) + "]\n";
        if (draw.passwords) text += "password = \"secret-" + std::string(user) + "\"\n";
    }
    return text;
}

// Registers, and in worlds without a core a node to speak to.
void draw_registers(const Draw& draw, Random& random, WandererPlan& plan) {
    plan.registers = true;
    plan.sneaks = random.one_in(2);
    plan.names_in_blocks = true;
    if (!draw.world.direct) return;
    plan.client.node = static_cast<std::uint32_t>(random.below(draw.world.standbys + 1));
    if (plan.client.node == 0) return;
    plan.client.chooses_node = true;
    plan.client.level = ReadLevel::Session;
}

}  // namespace

Draw draw_single(const RunRequest& request) {
    Random random(request.seed * 0x9E3779B97F4A7C15ULL + 1);
    Draw draw;
    draw.world.seed = request.seed;
    draw.world.direct = request.direct;
    draw.world.transcript_lines = std::max<std::size_t>(request.lines, 64);
    draw.world.workers = 1 + static_cast<std::uint32_t>(random.below(3));
    draw.pool_size = 1 + static_cast<std::uint32_t>(random.below(4));
    draw.wanderers = 1 + static_cast<std::uint32_t>(random.below(16));
    draw.mode = "transaction";
    if (random.one_in(6))
        draw.mode = "session";
    else if (random.one_in(8))
        draw.mode = "statement";
    draw.passwords = random.one_in(3);
    Fates& fates = draw.fates;
    if (!random.one_in(4)) {
        fates.mischief = random.one_in(2);
        fates.cancels = random.one_in(2);
        fates.client_links = random.one_in(3);
        fates.node = random.one_in(2);
        fates.short_waits = random.one_in(4);
    }
    fates.reloads = random.one_in(5) && !request.direct;
    WorldOptions& world = draw.world;
    world.node.databases = {"app", "other"};
    world.node.notice_one_in = random.one_in(2) ? 10 : 0;
    if (draw.passwords) {
        world.node.roles["alice"].password = "secret-alice";
        world.node.roles["bob"].password = "secret-bob";
    }
    world.ceilings.pool = draw.pool_size;
    if (random.one_in(3)) world.ceilings.database = draw.pool_size;
    world.client_weather.split_one_in = 1 + random.below(6);
    world.server_weather.split_one_in = 1 + random.below(6);
    if (random.one_in(4)) world.server_weather.drip_one_in = 4;
    if (random.one_in(4)) world.client_weather.drip_one_in = 4;
    if (fates.client_links) {
        world.client_weather.reset_one_in = 6;
        world.client_weather.silent_one_in = random.one_in(2) ? 10 : 0;
        world.client_weather.slow_accept_one_in = 10;
    }
    if (fates.node) {
        world.server_weather.reset_one_in = random.one_in(2) ? 6 : 0;
        world.server_weather.silent_one_in = random.one_in(3) ? 12 : 0;
        world.server_weather.refuse_one_in = random.one_in(3) ? 6 : 0;
        world.server_weather.hang_one_in = random.one_in(3) ? 12 : 0;
        if (random.one_in(3)) world.node.max_connections = 2;
    }
    leave_out(request, draw);
    if (!request.direct) world.settings = settings_text(draw, random);
    draw.plan = draw.mode + ", " + std::to_string(world.workers) + " workers, pool " +
                std::to_string(draw.pool_size) + ", " + std::to_string(draw.wanderers) +
                " wanderers" + (draw.passwords ? ", passwords" : "") +
                (fates.mischief ? ", mischief" : "") + (fates.cancels ? ", cancels" : "") +
                (fates.client_links ? ", client links" : "") + (fates.node ? ", node" : "") +
                (fates.short_waits ? ", short waits" : "") + (fates.reloads ? ", reloads" : "");
    return draw;
}

WandererPlan draw_wanderer(const Draw& draw, Random& random) {
    const Fates& fates = draw.fates;
    WandererPlan plan;
    plan.client.user = random.one_in(3) ? "bob" : "alice";
    plan.client.database = random.one_in(4) ? "other" : "app";
    plan.client.level = draw.levels[plan.client.database == "app" ? 0 : 1];
    if (draw.world.standbys > 0) draw_registers(draw, random, plan);
    if (draw.passwords) plan.client.password = "secret-" + plan.client.user;
    plan.client.asks_for_tls = random.one_in(4);
    if (random.one_in(2)) plan.client.startup.emplace_back("application_name", "start");
    if (random.one_in(4)) plan.client.startup.emplace_back("TimeZone", "Europe/Berlin");
    if (random.one_in(4)) plan.client.startup.emplace_back("client_encoding", "UTF8");
    plan.sessions = 1 + static_cast<std::uint32_t>(random.below(4));
    plan.actions = 2 + static_cast<std::uint32_t>(random.below(30));
    plan.pipeline_one_in = random.below(4);
    plan.depth_max = random.one_in(10) ? 150 : 15;
    plan.pause_max = Duration::milliseconds(static_cast<std::int64_t>(random.below(30)));
    plan.transactions = draw.mode != "statement";
    plan.settings = plan.transactions;
    plan.unreported_settings = draw.mode == "session";
    plan.cancels = fates.cancels && random.one_in(2);
    if (fates.mischief) {
        plan.vanishes = random.one_in(2);
        plan.stops_reading = random.one_in(3);
        plan.is_hostile = random.one_in(5);
    }
    auto& errors = plan.client.tolerance.errors;
    const Fates& tolerated = draw.tolerated;
    if (tolerated.short_waits) errors.insert({"53300", "57P03"});
    if (tolerated.standbys) {
        plan.client.tolerance.may_close = true;
        // The links to the primary have the same weather.
        errors.insert(
            {"08006", "08007", "40001", "57P01", "57P02", "57P03", "53300", "08P01", "57014"});
    }
    if (tolerated.conflicts) errors.insert("40001");
    if (tolerated.lies) errors.insert("25006");
    if (tolerated.client_links) {
        plan.client.tolerance.may_close = true;
        // Who is gone and does not say so holds its server.
        errors.insert({"57014", "08P01", "53300"});
    }
    if (tolerated.node || tolerated.failovers) {
        plan.client.tolerance.may_close = true;
        errors.insert(
            {"08006", "08007", "40001", "57P01", "57P02", "57P03", "53300", "08P01", "57014"});
    }
    return plan;
}

}  // namespace pgweir::sim
