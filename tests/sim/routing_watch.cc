// SPDX-License-Identifier: PostgreSQL
// Turns against the truth about the nodes that serve them.
#include "sim/routing_watch.h"

#include <algorithm>

namespace pgweir::sim {

RoutingWatch::Node& RoutingWatch::facts(std::uint32_t node) {
    if (nodes_.size() <= node) nodes_.resize(node + 1);
    return nodes_[node];
}

void RoutingWatch::looked(const SimPostgres& node, Instant started, bool answered) {
    Node& seen = facts(node.number());
    if (answered) {
        const bool had_gap = started > seen.evidence + bounds_.evidence_age_max;
        if (!node.is_standby() && had_gap) primary_seen_since_ = agenda_.now();
        seen.evidence = std::max(seen.evidence, started);
        seen.failed = Instant::never();
    } else if (seen.failed.is_never()) {
        seen.failed = agenda_.now();
    }
}

void RoutingWatch::turn_begins(const SimPostgres& node, const Token& token, Instant began) {
    Node& seen = facts(node.number());
    ++seen.turns;
    if (!node.is_standby()) return check_primary(node, token);
    const std::string story =
        "the read " + token_text(token) + " was sent to the standby " + node.name() + ", ";
    check_evidence(seen, began, story);
    if (began == agenda_.now()) check_lag(node, story);
}

void RoutingWatch::promoted(const SimPostgres& node) {
    primary_ = node.number();
    primary_seen_since_ = agenda_.now();
}

void RoutingWatch::check_primary(const SimPostgres& node, const Token& token) {
    if (!node.is_known_as_deposed()) return;
    transcript_.violation("I23: " + token_text(token) + " was sent to " + node.name() +
                          ", which is on an old timeline");
}

// The core knows the lag of the time of its evidence, from what it had seen of the primary by then:
// where that was not seen for long, nobody can say when it passed a place.
void RoutingWatch::check_lag(const SimPostgres& node, const std::string& story) {
    if (!bounds_.lag_max) return;
    const Duration most = bounds_.lag_max + bounds_.evidence_age_max * 2 + bounds_.margin;
    const bool primary_is_seen =
        agenda_.now() <= facts(primary_).evidence + bounds_.evidence_age_max;
    if (!primary_is_seen || agenda_.now() < primary_seen_since_ + most) return;
    if (node.lag() <= most) return;
    transcript_.violation("I28: " + story + "which is " + std::to_string(node.lag().us) +
                          " us behind");
}

void RoutingWatch::check_evidence(const Node& seen, Instant began, const std::string& story) {
    if (!bounds_.evidence_age_max) return;
    const Duration age = began - seen.evidence;
    if (age > bounds_.evidence_age_max + bounds_.margin) {
        transcript_.violation("I28: " + story + "and the evidence of it was " +
                              std::to_string(age.us) + " us old");
    }
    if (!seen.failed.is_never() && began > seen.failed + bounds_.margin) {
        transcript_.violation("I28: " + story + "and the last look at it had failed " +
                              std::to_string((began - seen.failed).us) + " us before");
    }
}

}  // namespace pgweir::sim
