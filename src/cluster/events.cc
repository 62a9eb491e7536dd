// SPDX-License-Identifier: PostgreSQL
#include "cluster/events.h"

#include <algorithm>

namespace pgweir::cluster {

namespace {

// What an operator has to look after.
bool is_alarming(const NodeState& node) {
    if (node.trouble == Trouble::OldTimeline) return node.role == Role::Primary;
    return node.trouble == Trouble::Stranger || node.trouble == Trouble::TwoPrimaries;
}

std::string particulars(const NodeState& node, const Primacy& primacy) {
    switch (node.trouble) {
        case Trouble::Stranger:
            return ": system identifier " + std::to_string(node.system_id) + ", not " +
                   std::to_string(primacy.system_id());
        case Trouble::OldTimeline:
            return ": " + (node.timeline == 0 ? "unknown" : std::to_string(node.timeline)) +
                   ", the cluster is on " + std::to_string(primacy.timeline());
        case Trouble::TwoPrimaries:
            return ": another node is not in recovery on timeline " +
                   std::to_string(primacy.timeline()) + ", too; neither gets any work";
        case Trouble::LagTime:
            return ": " + std::to_string(node.lag_time.us / 1000) + " ms";
        case Trouble::LagBytes:
            return ": " + std::to_string(node.lag_bytes) + " bytes";
        case Trouble::Slow:
            return ": " + std::to_string(node.round_trips.smoothed().us / 1000) + " ms";
        case Trouble::Unreachable:
            return node.failure.empty() ? "" : ": " + node.failure;
        default:
            return "";
    }
}

std::string on_timeline(const Primacy& primacy) {
    if (primacy.timeline() == 0) return "";
    return " on timeline " + std::to_string(primacy.timeline());
}

}  // namespace

void Events::add(ClusterEvent event) {
    if (events_.size() == kEventsMax) events_.erase(events_.begin());
    events_.push_back(std::move(event));
}

Events::Known& Events::known(NodeId node) {
    const auto found = std::find_if(known_.begin(), known_.end(),
                                    [node](const Known& known) { return known.node == node; });
    if (found != known_.end()) return *found;
    known_.push_back({.node = node});
    return known_.back();
}

void Events::forget_others(std::span<const NodeState> nodes) {
    std::erase_if(known_, [nodes](const Known& known) {
        return std::none_of(nodes.begin(), nodes.end(), [&known](const NodeState& node) {
            return node.config.id == known.node;
        });
    });
}

void Events::compare(std::span<const NodeState> nodes, const Primacy& primacy, Instant now) {
    if (known_.size() > nodes.size()) forget_others(nodes);
    compare_primary(nodes, primacy, now);
    for (const NodeState& node : nodes) compare_node(node, primacy, now);
}

void Events::compare_primary(std::span<const NodeState> nodes, const Primacy& primacy,
                             Instant now) {
    if (primacy.primary() == primary_) return;
    const NodeId before = std::exchange(primary_, primacy.primary());
    for (const NodeState& node : nodes) {
        if (node.config.id == before) {
            const bool is_lost = !primary_;
            add({now, before,
                 name_of(node) + " is no longer the primary" + (is_lost ? ", and none is" : ""),
                 is_lost});
        }
    }
    for (const NodeState& node : nodes) {
        if (node.config.id != primary_) continue;
        const bool was_promoted = node.promoted_at.lsn || had_primary_;
        add({now, primary_,
             name_of(node) + (was_promoted ? " is the primary now" : " is the primary") +
                 on_timeline(primacy),
             false});
        had_primary_ = true;
    }
    if (!primary_ || primacy.timeline() == timeline_) return;
    if (timeline_ != 0) tell_lost_log(nodes, primacy, now);
    timeline_ = primacy.timeline();
}

// What the old primary was seen to have written beyond the place where the new timeline left its.
void Events::tell_lost_log(std::span<const NodeState> nodes, const Primacy& primacy, Instant now) {
    if (primacy.forks().empty() || primacy.forks().back().timeline != primacy.timeline()) return;
    const TimelineFork& fork = primacy.forks().back();
    if (fork.parent == 0 || !fork.began_before) return;
    for (const NodeState& node : nodes) {
        const bool is_beyond = node.role == Role::Primary && node.timeline == fork.parent &&
                               node.lsn > fork.began_before;
        if (!is_beyond) continue;
        add({now, node.config.id,
             "the last " + std::to_string(node.lsn.value - fork.began_before.value) +
                 " bytes of log that " + name_of(node) + " was seen to write, beyond " +
                 text(fork.began_before) + ", are not part of timeline " +
                 std::to_string(fork.timeline) + ": commits that it has acknowledged may be lost",
             true});
    }
}

void Events::compare_node(const NodeState& node, const Primacy& primacy, Instant now) {
    Known& before = known(node.config.id);
    const bool is_seen_before = before.role != Role::Unknown;
    if (is_seen_before && node.incarnation_since != before.incarnation_since) {
        add({now, node.config.id,
             name_of(node) + " has restarted" + (node.role == Role::Standby ? " as a standby" : ""),
             false});
    } else if (is_seen_before && node.role != before.role) {
        add({now, node.config.id, name_of(node) + " has left recovery: it was promoted", false});
    }
    if (node.trouble != before.trouble) tell_trouble(node, primacy, now);
    if (node.refuses_new && !before.refuses_new && node.failures == 0) {
        add({now, node.config.id,
             name_of(node) + " answers, but takes no new connections: " + node.failure, true});
    }
    before = {node.config.id, node.role, node.trouble, node.incarnation_since,
              node.refuses_new && node.failures == 0};
}

void Events::tell_trouble(const NodeState& node, const Primacy& primacy, Instant now) {
    std::string text = name_of(node) + " is ";
    if (node.trouble == Trouble::None) {
        text += "usable";
    } else if (node.trouble == Trouble::Stranger) {
        text = name_of(node) + " " + std::string(words(node.trouble));
    } else {
        text += words(node.trouble);
    }
    add({now, node.config.id, text + particulars(node, primacy), is_alarming(node)});
}

}  // namespace pgweir::cluster
