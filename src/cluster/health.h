// SPDX-License-Identifier: PostgreSQL
// Which nodes get no work, and why: from what each told (NodeState), who the primary is (Primacy)
// and where the primary's log was when (LagHistory).
#pragma once

#include <span>

#include "cluster/lag.h"
#include "cluster/node_state.h"
#include "cluster/primacy.h"

namespace pgweir::cluster {

// Sets trouble, usable_since, is_slow and the lags of all nodes.
void judge_health(std::span<NodeState> nodes, const Primacy& primacy, const LagHistory& history,
                  const ClusterRules& rules, Instant now);

}  // namespace pgweir::cluster
