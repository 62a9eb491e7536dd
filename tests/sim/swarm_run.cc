// SPDX-License-Identifier: PostgreSQL
// Draws a world from a seed, lets it run under faults, heals it, and waits until everybody is
// done: safety all the time, liveness at the end.
#include "sim/swarm_run.h"

#include <algorithm>
#include <memory>

#include "sim/wanderer.h"
#include "sim/world.h"

namespace pgweir::sim {
namespace {

// Which misfortunes a run may have.
struct Fates {
    bool mischief = false;      // Clients that vanish, babble, cancel, stop reading.
    bool client_links = false;  // Faults between clients and pgweir.
    bool node = false;          // Crashes, and faults between pgweir and the node.
    bool cancels = false;
    bool short_waits = false;  // query_wait_timeout may strike.
    bool reloads = false;
};

struct Draw {
    WorldOptions world;
    Fates fates;
    std::string mode;
    std::uint32_t pool_size = 1;
    std::uint32_t wanderers = 1;
    bool passwords = false;
    std::string plan;
};

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

Draw draw_world(const RunRequest& request) {
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
    if (fates.short_waits) errors.insert({"53300", "57P03"});
    if (fates.client_links) {
        plan.client.tolerance.may_close = true;
        // Who is gone and does not say so holds its server.
        errors.insert({"57014", "08P01", "53300"});
    }
    if (fates.node) {
        plan.client.tolerance.may_close = true;
        errors.insert(
            {"08006", "08007", "40001", "57P01", "57P02", "57P03", "53300", "08P01", "57014"});
    }
    return plan;
}

// Strikes the node from time to time.
class Chaos final : public Actor {
 public:
    explicit Chaos(World& world) : world_(world) { plan(); }
    void heal() { healed_ = true; }
    void on_time(std::uint32_t, std::uint64_t) override {
        if (healed_) return;
        const auto some = [this](std::uint64_t milliseconds) {
            return Duration::milliseconds(
                static_cast<std::int64_t>(world_.random().below(milliseconds)));
        };
        switch (world_.random().below(6)) {
            case 0:
                world_.node().crash(some(200), some(400));
                break;
            case 1:
                world_.node().freeze(some(3000));
                break;
            case 2:
                world_.node().babble();
                break;
            default:
                world_.node().terminate_one();
                break;
        }
        plan();
    }

 private:
    void plan() {
        world_.agenda().after(
            Duration::microseconds(static_cast<std::int64_t>(world_.random().below(150'000))),
            *this, 0);
    }
    World& world_;
    bool healed_ = false;
};

// Reloads the same settings from time to time: nobody may notice (I35).
class Reloader final : public Actor {
 public:
    explicit Reloader(World& world) : world_(world) { plan(); }
    void heal() { healed_ = true; }
    void on_time(std::uint32_t, std::uint64_t) override {
        if (healed_) return;
        world_.transcript().fault("front.reload", 0);
        world_.front()->reload(world_.options().settings);
        plan();
    }

 private:
    void plan() {
        world_.agenda().after(
            Duration::microseconds(static_cast<std::int64_t>(world_.random().below(60'000))), *this,
            0);
    }
    World& world_;
    bool healed_ = false;
};

void say_who_waits(World& world, const std::vector<std::unique_ptr<Wanderer>>& wanderers) {
    std::string who;
    for (const auto& one : wanderers) {
        if (one->is_done() || one->client() == nullptr) continue;
        SimClient& client = *world.clients()[one->client()->number() - 1];
        who += " client " + std::to_string(client.number()) + " (state " +
               std::to_string(static_cast<int>(client.state())) + ", owed " +
               (client.check() != nullptr ? client.check()->owed() : "a login") + ")";
    }
    world.transcript().violation("I31: after all faults healed these still wait:" + who);
}

}  // namespace

RunResult run_swarm(const RunRequest& request) {
    const Draw draw = draw_world(request);
    World world(draw.world);
    Random random(request.seed + 77);
    std::vector<std::unique_ptr<Wanderer>> wanderers;
    for (std::uint32_t i = 0; i < draw.wanderers; ++i) {
        wanderers.push_back(std::make_unique<Wanderer>(world, draw_wanderer(draw, random)));
        wanderers.back()->start(
            Duration::microseconds(static_cast<std::int64_t>(random.below(5000))));
    }
    std::unique_ptr<Chaos> chaos;
    if (draw.fates.node) chaos = std::make_unique<Chaos>(world);
    std::unique_ptr<Reloader> reloader;
    if (draw.fates.reloads) reloader = std::make_unique<Reloader>(world);
    const auto all_done = [&wanderers] {
        return std::all_of(wanderers.begin(), wanderers.end(),
                           [](const auto& one) { return one->is_done(); });
    };
    std::uint64_t quiet_check = 0;
    while (!world.has_violations() && world.agenda().happened() < request.steps && world.step()) {
        if (++quiet_check % 64 == 0 && all_done()) break;
    }
    world.heal();
    if (chaos) chaos->heal();
    if (reloader) reloader->heal();
    for (const auto& one : wanderers) one->heal();
    if (!world.run_until(all_done, Duration::seconds(300)) && !world.has_violations()) {
        say_who_waits(world, wanderers);
    }
    for (const auto& client : world.clients()) {
        if (client->check() == nullptr || world.has_violations()) continue;
        std::string verdict = client->check()->final_verdict();
        if (!verdict.empty()) world.transcript().violation(std::move(verdict));
    }
    if (!world.has_violations()) world.shut_down_and_check(Duration::seconds(60));
    RunResult result;
    result.events = world.agenda().happened();
    result.hash = world.transcript().hash();
    result.plan = draw.plan;
    result.violations = world.transcript().violations();
    if (!result.violations.empty())
        result.last_lines = world.transcript().last_lines(request.lines);
    result.faults = world.transcript().faults();
    result.messages = world.transcript().messages();
    return result;
}

}  // namespace pgweir::sim
