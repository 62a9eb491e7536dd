// SPDX-License-Identifier: PostgreSQL
// Records and the times at which they are replayed.
#include "sim/replication.h"

#include <algorithm>

namespace pgweir::sim {
namespace {

constexpr WalPlace kFirstPlace = 0x3000028;  // Of a fresh cluster, after its first segments.
constexpr std::uint64_t kNoiseEvery = 20'000;

Duration up_to(Random& random, Duration most) {
    return Duration::microseconds(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.us) + 1)));
}

}  // namespace

Replication::Replication(Agenda& agenda, Random& random, Transcript& transcript,
                         std::uint32_t standbys)
    : agenda_(agenda),
      random_(random),
      transcript_(transcript),
      standbys_(standbys > 0 ? standbys + 1 : 0),
      inserted_(kFirstPlace) {
    if (standbys > 0) plan_noise();
}

void Replication::plan_noise() {
    agenda_.after(Duration::microseconds(static_cast<std::int64_t>(1 + random_.below(kNoiseEvery))),
                  *this, 0);
}

void Replication::on_time(std::uint32_t, std::uint64_t) {
    if (primary_is_alive_) append();
    plan_noise();
}

WalPlace Replication::append() {
    inserted_ += standbys_.empty() ? 64 : 24 + 8 * random_.below(64);
    if (standbys_.empty()) return inserted_;
    records_.push_back({inserted_, agenda_.now()});
    for (Standby& standby : standbys_) standby.due.push_back(due_time(standby));
    return inserted_;
}

Instant Replication::due_time(Standby& standby) {
    Instant due = agenda_.now() + up_to(random_, standby.weather.delay_max);
    if (!standby.due.empty()) due = std::max(due, standby.due.back() + standby.weather.each);
    return due;
}

WalPlace Replication::replayed(std::uint32_t number) {
    Standby& standby = at(number);
    while (standby.pauses == 0 && standby.next < records_.size() &&
           standby.due[standby.next] <= agenda_.now()) {
        ++standby.next;
    }
    return standby.next == 0 ? kFirstPlace : records_[standby.next - 1].end;
}

Duration Replication::lag(std::uint32_t number) {
    replayed(number);
    const std::size_t next = at(number).next;
    return next < records_.size() ? agenda_.now() - records_[next].when : Duration{};
}

void Replication::set_weather(std::uint32_t number, ReplayWeather weather) {
    transcript_.fault("replay.weather", number, static_cast<std::uint64_t>(weather.delay_max.us));
    replayed(number);
    at(number).weather = weather;
}

void Replication::pause(std::uint32_t number) {
    replayed(number);
    ++at(number).pauses;
}

void Replication::resume(std::uint32_t number) {
    if (at(number).pauses > 0) --at(number).pauses;
}

void Replication::restart(std::uint32_t number, std::uint64_t records_back) {
    replayed(number);
    Standby& standby = at(number);
    const std::size_t back = std::min<std::size_t>(standby.next, records_back);
    standby.next -= back;
    // It replays again what it has in its own log, one record after the other.
    Instant due = agenda_.now();
    for (std::size_t i = standby.next; i < standby.due.size(); ++i) {
        due = due + up_to(random_, Duration::milliseconds(1));
        standby.due[i] = std::max(standby.due[i], due);
        due = standby.due[i];
    }
}

void Replication::catch_up(std::uint32_t number) {
    at(number).next = records_.size();
}

void Replication::heal() {
    for (Standby& standby : standbys_) {
        standby.weather = {};
        standby.pauses = 0;
        // What slow replay has put off comes at once.
        for (std::size_t i = standby.next; i < standby.due.size(); ++i) {
            standby.due[i] = std::min(standby.due[i], agenda_.now());
        }
    }
}

}  // namespace pgweir::sim
