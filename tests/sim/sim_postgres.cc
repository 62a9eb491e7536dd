// SPDX-License-Identifier: PostgreSQL
// The node: who may connect, and what befalls it.
#include "sim/sim_postgres.h"

#include <algorithm>
#include <utility>

#include "sim/pg_session.h"

namespace pgweir::sim {

SimPostgres::SimPostgres(Parts parts, NodeOptions options, std::uint32_t number)
    : parts_(parts),
      options_(std::move(options)),
      number_(number),
      is_primary_(number == 0),
      has_committed_(number == 0),
      next_process_(1000 + 100'000 * number) {}

SimPostgres::~SimPostgres() = default;

Endpoint* SimPostgres::accept(Socket socket) {
    if (state_ == State::Down) return nullptr;
    backends_.push_back(std::make_unique<SimBackend>(*this, socket));
    const std::size_t link = socket >> 1;
    if (by_link_.size() <= link) by_link_.resize(link + 1, nullptr);
    by_link_[link] = backends_.back().get();
    return backends_.back().get();
}

const SimBackend* SimPostgres::backend_behind(Socket dialer) const {
    const std::size_t link = dialer >> 1;
    return link < by_link_.size() ? by_link_[link] : nullptr;
}

const SimBackend* SimPostgres::backend_by_key(std::uint32_t process, std::uint32_t secret) const {
    const auto found = by_process_.find(process);
    if (found == by_process_.end() || found->second->secret_ != secret) return nullptr;
    return found->second;
}

std::size_t SimPostgres::sessions() const {
    std::size_t count = 0;
    for (const auto& [process, backend] : by_process_) count += backend->counts() ? 1 : 0;
    return count;
}

std::size_t SimPostgres::sessions_of(std::string_view database, std::string_view user) const {
    std::size_t count = 0;
    for (const auto& [process, backend] : by_process_) {
        if (backend->is_session() && backend->database_ == database && backend->user_ == user) {
            ++count;
        }
    }
    return count;
}

WalPlace SimPostgres::place() const {
    if (is_deposed_) return dead_end_;
    return is_standby() ? parts_.replication.replayed(standby()) : parts_.replication.inserted();
}

Duration SimPostgres::lag() const {
    return is_standby() ? parts_.replication.lag(standby()) : Duration{};
}

void SimPostgres::crash(Duration down, Duration starting) {
    if (state_ != State::Up) return;
    parts_.transcript.fault("node.crash", incarnation_);
    state_ = State::Down;
    ++incarnation_;
    starting_ = starting;
    recovery_ended_at_ = 0;
    is_deposed_ ? become_standby() : stops();
    if (is_standby() && options_.goes_back_max > 0) {
        parts_.replication.restart(standby(), parts_.random.below(options_.goes_back_max));
    }
    for (const Mourner& one : mourners_) parts_.agenda.after({}, *one.actor, one.what, number_);
    // A session's end changes the table of sessions.
    std::vector<SimBackend*> all;
    for (const auto& [process, backend] : by_process_) all.push_back(backend);
    for (SimBackend* backend : all) {
        const Socket socket = backend->socket_;
        if (parts_.random.one_in(2)) {
            backend->die("57P02",
                         "terminating connection because of crash of another server process");
        } else {
            backend->vanish();
            parts_.network.reset(socket);
        }
    }
    parts_.agenda.after(down, *this, Recover, ++recovery_);
}

void SimPostgres::promote_over(SimPostgres& before) {
    parts_.transcript.fault("node.promoted", number_);
    parts_.replication.catch_up(standby());
    is_primary_ = true;
    timeline_ = parts_.replication.next_timeline();
    recovery_ended_at_ = parts_.replication.inserted();
    before.is_deposed_ = true;
    before.successor_ = this;
    has_committed_ = false;
    predecessors_ = before.predecessors_;
    predecessors_.push_back(&before);
    before.dead_end_ = parts_.replication.inserted();
    if (!before.is_up()) before.become_standby();
    parts_.replication.set_primary_alive(true);
}

// Whoever writes here knows that it is the primary: by then nobody can write to one before it.
void SimPostgres::check_first_writes(const Token& token) {
    has_committed_ = true;
    if (options_.catalog_lies) return;  // A "read" that writes may come as to a standby.
    for (const SimPostgres* old : predecessors_) {
        // Of a primary that nobody has ever written to nobody need know.
        if (old == this || !old->has_committed_) continue;
        if (!old->is_deposed() || !old->is_in_use()) continue;
        parts_.transcript.violation("I22: " + token_text(token) + " was committed on " + name() +
                                    " while servers of " + old->name() +
                                    ", a primary before it, were open");
    }
}

// REQUIRES: it is down.
void SimPostgres::become_standby() {
    is_primary_ = is_deposed_ = false;
    parts_.replication.catch_up(standby());
    parts_.replication.pause(standby());
}

void SimPostgres::rejoin(Duration down) {
    if (!is_deposed_) return;
    if (std::exchange(frozen_, false)) parts_.transcript.fault("node.rejoin", number_);
    crash(down, Duration::milliseconds(10));
}

bool SimPostgres::is_in_use() const {
    return std::any_of(by_process_.begin(), by_process_.end(), [this](const auto& one) {
        const SimBackend& backend = *one.second;
        return backend.is_session() && backend.owner() != 0 &&
               parts_.network.is_open(other_end(backend.socket()));
    });
}

void SimPostgres::freeze(Duration time) {
    if (frozen_) return;
    parts_.transcript.fault("node.freeze", incarnation_);
    frozen_ = true;
    stops();
    parts_.agenda.after(time, *this, Thaw);
}

SimBackend* SimPostgres::pick(bool idle) {
    std::vector<SimBackend*> fit;
    for (const auto& [process, backend] : by_process_) {
        if (backend->is_session() && (!idle || backend->is_quiet())) fit.push_back(backend);
    }
    return fit.empty() ? nullptr : fit[parts_.random.below(fit.size())];
}

void SimPostgres::terminate_one() {
    if (SimBackend* backend = pick(false)) {
        parts_.transcript.fault("node.terminate", backend->process_);
        backend->die("57P01", "terminating connection due to administrator command");
    }
}

void SimPostgres::babble() {
    if (SimBackend* backend = pick(true)) {
        parts_.transcript.fault("node.babble", backend->process_);
        backend->say_something();
    }
}

void SimPostgres::conflict() {
    std::vector<SimBackend*> all;
    for (const auto& [process, backend] : by_process_) all.push_back(backend);
    const std::size_t from = all.empty() ? 0 : parts_.random.below(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[(from + i) % all.size()]->conflict_now()) return;
    }
}

void SimPostgres::heal() {
    // Too few connections for those who keep theirs is a misfortune, too.
    options_.max_connections = std::max<std::uint32_t>(options_.max_connections, 100);
    if (frozen_) thaw();
    if (is_deposed_) crash({}, {});
    if (state_ == State::Up) return;
    ++recovery_;
    came_up();
}

void SimPostgres::came_up() {
    state_ = State::Up;
    goes_on();
}

// What the node does by itself: replay, or the noise of a primary.
void SimPostgres::stops() {
    if (is_deposed_) return;
    if (is_standby())
        parts_.replication.pause(standby());
    else
        parts_.replication.set_primary_alive(false);
}

void SimPostgres::goes_on() {
    if (is_deposed_) return;
    if (is_standby())
        parts_.replication.resume(standby());
    else
        parts_.replication.set_primary_alive(is_up() && !frozen_);
}

void SimPostgres::thaw() {
    if (std::exchange(frozen_, false)) goes_on();
    for (const auto& [process, backend] : by_process_) backend->plan_work();
}

void SimPostgres::on_time(std::uint32_t what, std::uint64_t detail) {
    switch (static_cast<What>(what)) {
        case Recover:
            if (detail != recovery_) return;
            state_ = State::Starting;
            parts_.agenda.after(starting_, *this, Ready, recovery_);
            return;
        case Ready:
            if (detail == recovery_) came_up();
            return;
        case Thaw:
            return thaw();
    }
}

void SimPostgres::signal(std::uint32_t process, std::uint32_t secret) {
    ++cancels_received_;
    const auto found = by_process_.find(process);
    if (found == by_process_.end() || found->second->secret_ != secret) return;
    found->second->cancel_now();
}

}  // namespace pgweir::sim
