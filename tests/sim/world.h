// SPDX-License-Identifier: PostgreSQL
// A whole run: nodes, clients, and between them the workers under test, or nothing: a direct
// connection, by which the simulated PostgreSQL itself is checked.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/base/random.h"
#include "sim/agenda.h"
#include "sim/checkers.h"
#include "sim/sim_client.h"
#include "sim/sim_network.h"
#include "sim/sim_postgres.h"
#include "sim/transcript.h"
#include "sim/truth.h"

namespace pgweir::sim {

// How looks at nodes fare; "one in n" of 0 means never.
struct LookWeather {
    Duration delay_max = Duration::microseconds(400);  // Each way.
    std::uint64_t late_one_in = 0;                     // Takes up to half of its timeout.
    std::uint64_t fail_one_in = 0;
    std::uint64_t hang_one_in = 0;
    std::uint64_t silent_one_in = 8;  // Looks that tell no system identifier.
};

struct WorldOptions {
    std::uint64_t seed = 1;
    bool direct = false;   // Clients speak to the node themselves.
    std::string settings;  // pgweir.toml; the nodes are the hosts "n1", "n2", …
    std::uint32_t standbys = 0;
    std::uint32_t workers = 1;
    NodeOptions node;
    LinkWeather client_weather;
    LinkWeather server_weather;
    Duration timer_late_max = Duration::milliseconds(2);
    Duration post_delay_max = Duration::microseconds(200);
    LookWeather look_weather;
    Ceilings ceilings;
    RoutingBounds bounds;
    std::size_t transcript_lines = 256;
};

// What stands between clients and nodes.
class Front : public Listener {
 public:
    virtual void shut_down() = 0;
    virtual void reload(const std::string& settings) = 0;
    virtual bool is_stopped() const = 0;
    virtual std::size_t clients() const = 0;
    virtual std::size_t servers() const = 0;
    // Permits that are still claimed; a sentence, empty if there is none.
    virtual std::string leftovers() const = 0;
};

class World {
 public:
    explicit World(WorldOptions options);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    SimClient& add_client(ClientOptions options);
    SimPostgres& node(std::uint32_t number = 0) { return *nodes_[number]; }
    // Of the highest timeline.
    SimPostgres& primary();
    // `number` becomes the primary.
    void promote(std::uint32_t number);
    std::uint32_t nodes() const { return static_cast<std::uint32_t>(nodes_.size()); }
    // "n2", or "/n2"; null if nobody has that name.
    SimPostgres* find_node(std::string_view host);
    // The host that refuses every connection.
    Listener& nobody() { return nobody_; }
    Replication& replication() { return replication_; }
    Front* front() { return front_.get(); }
    Agenda& agenda() { return agenda_; }
    Random& random() { return random_; }
    SimNetwork& network() { return network_; }
    Transcript& transcript() { return transcript_; }
    Truth& truth() { return truth_; }
    BorderWatch& watch() { return watch_; }
    const WorldOptions& options() const { return options_; }
    Instant now() const { return agenda_.now(); }
    std::vector<std::unique_ptr<SimClient>>& clients() { return clients_; }

    // One happening; false if nothing is planned.
    bool step() { return agenda_.run_next(); }
    void run_for(Duration time);
    // True if it came true within the time.
    bool run_until(const std::function<bool()>& wanted, Duration within);
    void heal();
    bool is_healed() const { return is_healed_; }
    bool has_violations() const { return !transcript_.violations().empty(); }
    // After the last client: nothing may be left over (I11). Ends the run.
    void shut_down_and_check(Duration within);

 private:
    class Nobody final : public Listener {
        Endpoint* accept(Socket) override { return nullptr; }
    };

    WorldOptions options_;
    Nobody nobody_;
    bool is_healed_ = false;
    Agenda agenda_;
    Random random_;
    Transcript transcript_;
    SimNetwork network_;
    Truth truth_;
    BorderWatch watch_;
    Replication replication_;
    std::vector<std::unique_ptr<SimPostgres>> nodes_;
    std::unique_ptr<Front> front_;
    std::vector<std::unique_ptr<SimClient>> clients_;
};

// The workers under test. REQUIRES: the world outlives it.
std::unique_ptr<Front> make_front(World& world);

}  // namespace pgweir::sim
