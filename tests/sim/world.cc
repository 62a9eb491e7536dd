// SPDX-License-Identifier: PostgreSQL
// Puts a run together.
#include "sim/world.h"

namespace pgweir::sim {

World::World(WorldOptions options)
    : options_(std::move(options)),
      random_(options_.seed),
      transcript_(agenda_, options_.transcript_lines),
      network_(agenda_, random_, transcript_),
      truth_(transcript_),
      watch_({agenda_, network_, transcript_, truth_}, options_.ceilings, options_.bounds),
      replication_(agenda_, random_, transcript_, options_.standbys) {
    for (std::uint32_t number = 0; number <= options_.standbys; ++number) {
        nodes_.push_back(std::make_unique<SimPostgres>(
            SimPostgres::Parts{agenda_, random_, network_, transcript_, truth_, replication_},
            options_.node, number));
    }
    if (!options_.direct) front_ = make_front(*this);
}

World::~World() = default;

SimClient& World::add_client(ClientOptions options) {
    Listener& listener = front_ ? static_cast<Listener&>(*front_) : *nodes_[options.node];
    clients_.push_back(
        std::make_unique<SimClient>(SimClient::Parts{agenda_, random_, network_, transcript_,
                                                     truth_, listener, options_.client_weather},
                                    std::move(options)));
    return *clients_.back();
}

SimPostgres& World::primary() {
    for (const auto& node : nodes_) {
        if (!node->is_standby() && !node->is_deposed()) return *node;
    }
    return *nodes_.front();
}

void World::promote(std::uint32_t number) {
    nodes_[number]->promote_over(primary());
    watch_.routing().promoted(*nodes_[number]);
}

SimPostgres* World::find_node(std::string_view host) {
    if (host.starts_with('/')) host.remove_prefix(1);
    for (const auto& node : nodes_) {
        if (node->name() == host) return node.get();
    }
    return nullptr;
}

void World::run_for(Duration time) {
    const Instant end = agenda_.now() + time;
    while (agenda_.next() <= end && !has_violations()) step();
    // Time passes even if nothing happens.
    class Nothing final : public Actor {
        void on_time(std::uint32_t, std::uint64_t) override {}
    };
    // It may stand in the agenda longer than this call takes.
    static Nothing nothing;
    agenda_.at(end, nothing, 0);
    while (agenda_.now() < end && step()) {
    }
}

bool World::run_until(const std::function<bool()>& wanted, Duration within) {
    const Instant end = agenda_.now() + within;
    while (!wanted()) {
        if (has_violations() || agenda_.next() > end || !step()) return wanted();
    }
    return true;
}

void World::heal() {
    transcript_.note("HEAL", 0, 0);
    is_healed_ = true;
    network_.heal();
    for (const auto& node : nodes_) node->heal();
    replication_.heal();
}

void World::shut_down_and_check(Duration within) {
    if (!front_) return;
    front_->shut_down();
    run_until([this] { return front_->is_stopped(); }, within);
    if (!front_->is_stopped()) {
        transcript_.violation("I11: shutdown did not end: " + std::to_string(front_->clients()) +
                              " clients, " + std::to_string(front_->servers()) + " servers");
        return;
    }
    run_for(Duration::seconds(6));  // Orderly closes linger.
    if (front_->clients() + front_->servers() > 0 || watch_.open_servers() > 0) {
        transcript_.violation("I11: connections are left after shutdown");
    }
    const std::string leftovers = front_->leftovers();
    if (!leftovers.empty()) transcript_.violation("I11: " + leftovers);
}

}  // namespace pgweir::sim
