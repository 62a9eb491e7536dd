// SPDX-License-Identifier: PostgreSQL
#include "cluster/node_state.h"

#include <algorithm>

namespace pgweir::cluster {

namespace {
// Of a server that starts, recovers or shuts down. Its old sessions go on only in the last case.
constexpr std::string_view kCannotConnectNow = "57P03";
}  // namespace

void NodeState::learn(const Observation& seen) {
    looked_at = seen.started_at;
    seen.answered() ? learn_answer(seen) : learn_failure(seen);
}

void NodeState::learn_failure(const Observation& seen) {
    ++failures;
    failure = seen.failure;
    if (seen.over != ProbeOver::New) return;
    refuses_new = true;
    says_not_now = seen.sqlstate == kCannotConnectNow;
}

void NodeState::learn_answer(const Observation& seen) {
    // After two failures, one over each kind, the open connection has been opened anew.
    if (seen.over == ProbeOver::New || failures > 1) refuses_new = says_not_now = false;
    is_stopping = says_not_now;
    failures = 0;
    if (!refuses_new) failure.clear();
    if (seen.over == ProbeOver::Open) round_trips.add(seen.ended_at - seen.started_at);

    const bool is_first = !has_answered();
    const bool is_new = is_first || is_new_incarnation(seen);
    if (is_new) begin_incarnation(seen);
    take_role(seen);
    lsn = std::max(lsn, seen.reached());
    timeline = std::max(timeline, seen.timeline);
    if (seen.system_id != 0) system_id = seen.system_id;
    if (seen.timeline_began_at.lsn) timeline_began_at = seen.timeline_began_at;
    evidence_at = seen.started_at;
    evidence_end = seen.ended_at;
    // The look that finds a new incarnation says nothing about units that ended on the old one.
    if ((is_first || !is_new) && seen.lsn) {
        samples.add({seen.started_at, {lsn, timeline}, std::min(lsn, seen.acknowledged)});
    }
}

// An LSN that goes back tells a restart, too: within an incarnation it never does.
bool NodeState::is_new_incarnation(const Observation& seen) const {
    const bool has_restarted = seen.started_unix_us != 0 && started_unix_us != 0 &&
                               seen.started_unix_us != started_unix_us;
    const bool is_another = seen.system_id != 0 && system_id != 0 && seen.system_id != system_id;
    const bool is_demoted = role == Role::Primary && seen.in_recovery;
    const bool goes_back = seen.lsn && seen.reached() < lsn;
    return has_restarted || is_another || is_demoted || goes_back;
}

void NodeState::begin_incarnation(const Observation& seen) {
    lsn = {};
    timeline = 0;
    system_id = 0;
    promoted_at = {};
    recovery_ended_at = {};
    timeline_began_at = {};
    started_unix_us = seen.started_unix_us;
    incarnation_since = seen.ended_at;
}

void NodeState::take_role(const Observation& seen) {
    if (seen.started_unix_us != 0) started_unix_us = seen.started_unix_us;
    const Role told = seen.in_recovery ? Role::Standby : Role::Primary;
    if (told == role) return;
    if (role == Role::Standby) {
        promoted_at = {lsn, timeline};
        recovery_ended_at = seen.recovery_ended_at;
    }
    role = told;
    role_since = seen.ended_at;
}

std::string name_of(const NodeState& node) {
    return node.config.address.host + ":" + std::to_string(node.config.address.port);
}

}  // namespace pgweir::cluster
