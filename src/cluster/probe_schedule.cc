// SPDX-License-Identifier: PostgreSQL
#include "cluster/probe_schedule.h"

#include <algorithm>

namespace pgweir::cluster {

namespace {

// What is usual for a node, times this, is the timeout of a look; but never less than the floor:
// a busy machine may well leave a process without the processor for so long.
constexpr std::int64_t kPatience = 20;
constexpr Duration kTimeoutMin = Duration::milliseconds(100);
constexpr Duration kTimeoutMinNew = Duration::milliseconds(250);
// The pace while there is no primary is this part of the time it has been missing.
constexpr std::int64_t kPartOfOutage = 1000;

}  // namespace

void ProbeSchedule::configure(const std::vector<NodeConfig>& nodes, const ClusterRules& rules,
                              Instant now) {
    rules_ = rules;
    std::vector<Entry> entries;
    for (const NodeConfig& node : nodes) {
        if (Entry* known = find(node.id)) {
            entries.push_back(*known);
            entries.back().regular_at = std::min(known->regular_at, now + rules.probe_interval);
            continue;
        }
        Entry entry;
        entry.node = node.id;
        entry.regular_at = now;
        entry.new_at = next_new(now);
        entries.push_back(entry);
    }
    entries_ = std::move(entries);
}

ProbeSchedule::Entry* ProbeSchedule::find(NodeId node) {
    const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                    [node](const Entry& known) { return known.node == node; });
    return entry == entries_.end() ? nullptr : &*entry;
}

void ProbeSchedule::due(Instant now, std::vector<ProbeOrder>& orders) {
    for (Entry& entry : entries_) {
        if (!entry.is_under_way && due_at(entry) <= now) send(entry, now, orders);
    }
}

Instant ProbeSchedule::due_at(const Entry& entry) const {
    Instant at = entry.regular_at;
    if (entry.confirm) at = std::min(at, entry.sent_at);
    // Who waits for a node that does not answer gets no more looks than the pace allows.
    if (!entry.wanted_at.is_never() && entry.failures < 2) {
        at = std::min(at, std::max(entry.wanted_at, entry.sent_at + rules_.sample_interval));
    }
    return at;
}

ProbeOver ProbeSchedule::over_of(const Entry& entry, Instant now) const {
    if (entry.is_only_new) return ProbeOver::New;
    if (entry.confirm) return *entry.confirm;
    return entry.new_at <= now ? ProbeOver::New : ProbeOver::Open;
}

// Doubled with each failure in a row, but for the look that makes certain of the first one: so a
// node that has become slow is not lost for ever.
Duration ProbeSchedule::timeout_of(const Entry& entry, ProbeOver over) const {
    const bool is_new = over == ProbeOver::New;
    // New connections are seldom looked over: until enough is known of them, the open one has to
    // do.
    Duration usual = (is_new ? entry.fresh : entry.open).median();
    if (is_new && !usual) usual = entry.open.median();
    if (!usual) return rules_.probe_timeout;
    const Duration floor = is_new ? kTimeoutMinNew : kTimeoutMin;
    const Duration patience = std::max(floor, usual * kPatience);
    return std::min(rules_.probe_timeout,
                    patience * (std::int64_t{1} << std::clamp(entry.failures - 1, 0, 8)));
}

void ProbeSchedule::send(Entry& entry, Instant now, std::vector<ProbeOrder>& orders) {
    entry.over = over_of(entry, now);
    orders.push_back({entry.node, entry.over, timeout_of(entry, entry.over)});
    entry.is_under_way = true;
    entry.confirm.reset();
    entry.wanted_at = Instant::never();
    entry.sent_at = now;
    entry.regular_at = now + jittered(pace(now));
    if (entry.over == ProbeOver::New) entry.new_at = next_new(now);
}

std::optional<NodeId> ProbeSchedule::overdue(Instant now) const {
    for (const Entry& entry : entries_) {
        if (entry.is_under_way && entry.sent_at + rules_.probe_timeout * 2 <= now) {
            return entry.node;
        }
    }
    return std::nullopt;
}

Instant ProbeSchedule::next_deadline() const {
    Instant next = Instant::never();
    for (const Entry& entry : entries_) {
        next = std::min(
            next, entry.is_under_way ? entry.sent_at + rules_.probe_timeout * 2 : due_at(entry));
    }
    return next;
}

void ProbeSchedule::ended(NodeId node, const Observation& seen, Instant now) {
    Entry* entry = find(node);
    if (entry == nullptr) return;
    if (entry->given_up > 0 && (!entry->is_under_way || seen.started_at < entry->sent_at)) {
        --entry->given_up;
        return;
    }
    if (!entry->is_under_way) return;
    // How long a look was waited for in vain says nothing of what is usual.
    if (seen.answered()) {
        const Duration took = seen.ended_at - seen.started_at;
        (entry->over == ProbeOver::New ? entry->fresh : entry->open).add(took);
    }
    settle(*entry, !seen.answered(), now);
}

void ProbeSchedule::gave_up(NodeId node, Instant now) {
    Entry* entry = find(node);
    if (entry == nullptr) return;
    ++entry->given_up;
    settle(*entry, true, now);
}

Instant ProbeSchedule::next_new(Instant now) {
    if (!rules_.probe_new_interval) return Instant::never();
    return now + jittered(rules_.probe_new_interval);
}

// A new connection that is refused is tried again soon, but not so often that its timeout keeps
// the looks over the open one waiting.
void ProbeSchedule::settle(Entry& entry, bool has_failed, Instant now) {
    entry.is_under_way = false;
    if (!has_failed) {
        entry.failures = 0;
        return;
    }
    const bool was_new = entry.over == ProbeOver::New;
    if (was_new) entry.new_at = std::min(entry.new_at, now + rules_.probe_interval * 2);
    if (++entry.failures == 1) entry.confirm = was_new ? ProbeOver::Open : ProbeOver::New;
}

void ProbeSchedule::want(NodeId node, Instant now) {
    Entry* entry = find(node);
    if (entry != nullptr) entry->wanted_at = std::min(entry->wanted_at, now);
}

void ProbeSchedule::want_new(NodeId node, Instant now) {
    Entry* entry = find(node);
    if (entry == nullptr || entry->failures > 0) return;
    entry->new_at = std::min(entry->new_at, now);
    want(node, now);
}

void ProbeSchedule::only_new(NodeId node, bool only) {
    if (Entry* entry = find(node)) entry->is_only_new = only;
}

bool ProbeSchedule::suspect_all(Instant now) {
    if (is_suspicious(now)) return false;
    suspicious_until_ = now + rules_.suspicion_time;
    hasten(now);
    return true;
}

bool ProbeSchedule::may_doubt_delay(Instant now) const {
    return suspicious_until_ == Instant{} || suspicious_until_ + rules_.suspicion_time <= now;
}

void ProbeSchedule::no_primary_since(Instant since, Instant now) {
    if (since == no_primary_since_) return;
    no_primary_since_ = since;
    if (!since.is_never()) hasten(now);
}

// A look that is under way may have asked before the sign came: another one follows it.
void ProbeSchedule::hasten(Instant now) {
    for (Entry& entry : entries_) {
        entry.regular_at = std::min(entry.regular_at, now + rules_.probe_interval_suspicious);
        want(entry.node, now);
    }
}

Duration ProbeSchedule::pace(Instant now) const {
    if (is_suspicious(now)) return rules_.probe_interval_suspicious;
    if (no_primary_since_.is_never()) return rules_.probe_interval;
    const Duration part{(now - no_primary_since_).us / kPartOfOutage};
    const Duration longest = std::max(rules_.probe_interval, rules_.probe_interval_suspicious);
    return std::clamp(part, rules_.probe_interval_suspicious, longest);
}

// Half to five quarters of a pace that is in a hurry, three to five quarters of a quiet one.
Duration ProbeSchedule::jittered(Duration interval) {
    const std::int64_t quarter = std::max<std::int64_t>(interval.us / 4, 1);
    const std::int64_t least = interval < rules_.probe_interval ? 2 * quarter : 3 * quarter;
    const auto width = static_cast<std::uint64_t>(5 * quarter - least + 1);
    return Duration{least + static_cast<std::int64_t>(random_.below(width))};
}

}  // namespace pgweir::cluster
