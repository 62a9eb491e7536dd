// SPDX-License-Identifier: PostgreSQL
#include "route/balance.h"

#include <algorithm>
#include <limits>

#include "pgweir/base/assert.h"

namespace pgweir::route {

namespace {

// Zones are left when ours has this many times the work of the others, and some more.
constexpr std::uint32_t kSpillFactor = 2;
constexpr std::uint32_t kSpillMore = 8;
// A session stays on its node up to this many times the other draw's score.
constexpr double kStayFactor = 2;
// What a node that has just come back gets at least.
constexpr double kShareMin = 0.1;

// From kShareMin to 1 during `slow_start`.
double share_of(const cluster::NodeView& node, Duration slow_start, Instant now) {
    const Duration since = now - node.usable_since;
    if (!slow_start || since >= slow_start) return 1;
    const double part = static_cast<double>(since.us) / static_cast<double>(slow_start.us);
    return std::max(kShareMin, part);
}

std::uint32_t least_outstanding(std::span<const Candidate> list, std::string_view zone,
                                bool in_zone) {
    std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
    for (const Candidate& candidate : list) {
        if ((candidate.node->zone == zone) != in_zone) continue;
        least = std::min(least, candidate.load.outstanding);
    }
    return least;
}

}  // namespace

void Candidates::add(const cluster::NodeView& node, const NodeLoad& load) {
    PGWEIR_ASSERT(size_ < list_.size());
    list_[size_++] = {&node, load, 0};
}

const cluster::NodeView& Candidates::draw(NodeId stay, const RouteRules& rules, Instant now,
                                          Random& random) {
    PGWEIR_ASSERT(!empty());
    keep_near(rules.zone);
    if (size_ == 1) return *list_.front().node;
    rate(rules, now);
    const Candidate* home = find(stay);
    const Candidate& first = home != nullptr ? *home : any_but(nullptr, random);
    const Candidate& second = any_but(&first, random);
    const double patience = home != nullptr ? kStayFactor : 1;
    return first.score <= patience * second.score ? *first.node : *second.node;
}

void Candidates::keep_near(std::string_view zone) {
    if (zone.empty()) return;
    const auto is_far = [zone](const Candidate& candidate) { return candidate.node->zone != zone; };
    const auto list = all();
    const auto far = std::count_if(list.begin(), list.end(), is_far);
    if (far == 0 || static_cast<std::size_t>(far) == size_) return;
    const std::uint64_t near_least = least_outstanding(list, zone, true);
    const std::uint64_t far_least = least_outstanding(list, zone, false);
    if (near_least > kSpillFactor * far_least + kSpillMore) return;
    std::stable_partition(list.begin(), list.end(),
                          [&](const Candidate& candidate) { return !is_far(candidate); });
    size_ -= static_cast<std::size_t>(far);
}

// A node that nobody used yet is taken for as quick as the others are on average.
void Candidates::rate(const RouteRules& rules, Instant now) {
    double sum = 0;
    double known = 0;
    for (const Candidate& candidate : all()) {
        if (candidate.load.latency_us <= 0) continue;
        sum += candidate.load.latency_us;
        known += 1;
    }
    const double usual = known > 0 ? sum / known : 1;
    for (Candidate& candidate : all()) {
        const double latency = candidate.load.latency_us > 0 ? candidate.load.latency_us : usual;
        const double weight = std::max(1U, candidate.node->weight);
        const double share = weight * share_of(*candidate.node, rules.slow_start, now);
        candidate.score = latency * (candidate.load.outstanding + 1.0) / share;
    }
}

const Candidate* Candidates::find(NodeId node) const {
    for (std::size_t i = 0; i < size_; ++i) {
        if (list_[i].node->id == node) return &list_[i];
    }
    return nullptr;
}

const Candidate& Candidates::any_but(const Candidate* other, Random& random) const {
    if (other == nullptr) return list_[random.below(size_)];
    const std::size_t i = random.below(size_ - 1);
    const auto skipped = static_cast<std::size_t>(other - list_.data());
    return list_[i < skipped ? i : i + 1];
}

}  // namespace pgweir::route
