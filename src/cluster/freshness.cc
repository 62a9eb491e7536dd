// SPDX-License-Identifier: PostgreSQL
#include "pgweir/cluster/freshness.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace pgweir::cluster {

namespace {

// PostgreSQL makes a system identifier of the time (high) and of microseconds and the process ID
// (low): the low half tells clusters apart.
std::uint32_t low_half(std::uint64_t system_id) {
    return static_cast<std::uint32_t>(system_id);
}

struct Token {
    std::uint64_t system_id = 0;
    Position place;
};

// Decimal digits and nothing else.
template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<Token> parse_token(std::string_view text) {
    const std::size_t first = text.find(':');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = text.find(':', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const auto system_id = parse_number<std::uint64_t>(text.substr(0, first));
    const auto timeline = parse_number<std::uint32_t>(text.substr(first + 1, second - first - 1));
    const auto lsn = parse_lsn(text.substr(second + 1));
    if (!system_id || !timeline || !lsn) return std::nullopt;
    return Token{*system_id, {*lsn, *timeline}};
}

bool can_tell_no_more(const NodeView& node) {
    return node.trouble == Trouble::Stranger ||
           (node.trouble == Trouble::OldTimeline && node.role != Role::Primary);
}

}  // namespace

void Freshness::unit_ended(NodeId node, Instant now) {
    node_ = node;
    ended_at_ = now;
}

Freshness::Answer Freshness::may_read(const ClusterView& view, const NodeView& node) {
    resolve(view);
    const Answer answer = compare(view, node);
    if (answer != Answer::Fresh || node.id == view.primary) return answer;
    if (!wants_sample_of()) return Answer::Fresh;
    return node.id == node_ && is_same_incarnation(node) ? Answer::Fresh : Answer::NoSample;
}

bool Freshness::is_of_other_cluster(const ClusterView& view) const {
    return system_id_low_ != 0 && view.system_id != 0 && system_id_low_ != low_half(view.system_id);
}

// With what is known to be needed only.
Freshness::Answer Freshness::compare(const ClusterView& view, const NodeView& node) const {
    if (!lsn_) return Answer::Fresh;
    if (is_of_other_cluster(view)) return Answer::OtherHistory;
    const Position place = part_of(view);
    const History history = view.history_of(place);
    if (history == History::Future) return view.is_blind ? Answer::Fresh : Answer::Behind;
    if (history != History::Within) return Answer::OtherHistory;
    if (node.id == view.primary) return Answer::Fresh;
    const bool has_it = node.timeline == view.timeline && node.lsn >= place.lsn;
    return has_it ? Answer::Fresh : Answer::Behind;
}

// A primary that restarts as the primary has all that it ever acknowledged.
bool Freshness::is_same_incarnation(const NodeView& node) const {
    const bool was_primary = node.role == Role::Primary && node.role_since <= ended_at_;
    return was_primary || ended_at_ >= node.incarnation_since;
}

void Freshness::resolve(const ClusterView& view) {
    if (!wants_sample_of() || view.is_blind) return;
    const NodeView* last = view.find(node_);
    if (last == nullptr || can_tell_no_more(*last)) return move_to_primary(view);
    if (const Sample* sample = sample_that_counts(view, *last)) {
        const Lsn acknowledged = sample->acknowledged ? sample->acknowledged : sample->place.lsn;
        merge(view, sample->place, acknowledged);
        system_id_low_ = low_half(view.system_id);
        ended_at_ = Instant::never();
        return;
    }
    const bool is_gone = last->trouble == Trouble::OldTimeline || !is_same_incarnation(*last);
    if (is_gone) move_to_primary(view);
}

// A primary knows its timeline. What a standby tells may lag behind a promotion: only a sample of
// the cluster's timeline has an LSN whose history is certain.
const Sample* Freshness::sample_that_counts(const ClusterView& view, const NodeView& last) const {
    const bool knows_timeline = last.role == Role::Primary;
    const bool has_stayed = is_same_incarnation(last);
    for (const Sample& sample : last.samples) {
        if (sample.started_at < ended_at_) continue;
        if (!has_stayed && sample.started_at >= last.incarnation_since) return nullptr;
        if (knows_timeline || sample.place.timeline == view.timeline) return &sample;
    }
    return nullptr;
}

// The primary has whatever of it the cluster still has, from the moment it was seen as such.
void Freshness::move_to_primary(const ClusterView& view) {
    const NodeView* primary = view.find(view.primary);
    if (primary == nullptr) return;
    node_ = primary->id;
    ended_at_ = std::max(ended_at_, primary->role_since);
}

// Of what is needed, the part that the cluster's history has, if nobody was told of the rest.
Position Freshness::part_of(const ClusterView& view) const {
    const bool has_rest = acknowledged_ < lsn_;
    if (!has_rest || view.history_of(needed()) == History::Within) return needed();
    return view.history_of(acknowledged()) == History::Within ? acknowledged() : needed();
}

// Both are needed. A place that is lost stays what is needed, so that it is told.
void Freshness::merge(const ClusterView& view, Position place, Lsn acknowledged) {
    struct Known {
        Position place;
        Lsn acknowledged;
    };
    const Position mine = part_of(view);
    Known lower{mine, std::min(acknowledged_, mine.lsn)};
    Known higher{place, acknowledged};
    if (lower.place.timeline > higher.place.timeline) std::swap(lower, higher);
    const bool is_common = lower.place.timeline == higher.place.timeline ||
                           view.history_of(lower.place) == History::Within;
    const bool is_future = view.history_of(higher.place) == History::Future;
    Known both = lower;
    if (!lower.place.lsn || is_future) both = higher;
    if (is_common) {
        both = {{std::max(lower.place.lsn, higher.place.lsn), higher.place.timeline},
                std::max(lower.acknowledged, higher.acknowledged)};
    }
    lsn_ = both.place.lsn;
    timeline_ = both.place.timeline;
    acknowledged_ = both.acknowledged;
}

std::optional<std::string> Freshness::token(const ClusterView& view) {
    resolve(view);
    if (wants_sample_of()) return std::nullopt;
    if (!lsn_) return "0:0:0/0";
    const bool is_ours = !is_of_other_cluster(view) && view.system_id != 0;
    const std::uint64_t system_id = is_ours ? view.system_id : system_id_low_;
    return std::to_string(system_id) + ":" + std::to_string(timeline_) + ":" + text(lsn_);
}

TokenAnswer Freshness::set_token(std::string_view text, const ClusterView& view) {
    const auto token = parse_token(text);
    if (!token) return TokenAnswer::Malformed;
    if (!token->place.lsn) return TokenAnswer::Accepted;
    const bool is_known = token->system_id != 0 && view.system_id != 0;
    if (is_known && low_half(token->system_id) != low_half(view.system_id)) {
        return TokenAnswer::OtherCluster;
    }
    merge(view, token->place, token->place.lsn);
    if (token->system_id != 0) system_id_low_ = low_half(token->system_id);
    return TokenAnswer::Accepted;
}

}  // namespace pgweir::cluster
