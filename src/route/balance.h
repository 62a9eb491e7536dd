// SPDX-License-Identifier: PostgreSQL
// Which of several nodes, each of which may serve a read: the less busy of two that are drawn.
// Zones, weights and slow start are considered here; whether a node may serve at all is not.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "pgweir/base/instant.h"
#include "pgweir/base/random.h"
#include "pgweir/cluster/cluster_view.h"
#include "pgweir/route/router.h"

namespace pgweir::route {

struct Candidate {
    const cluster::NodeView* node = nullptr;
    NodeLoad load;
    double score = 0;  // The time that a unit may take there, by its share; less is better.
};

// A list without memory of its own: nodes are few.
class Candidates {
 public:
    void add(const cluster::NodeView& node, const NodeLoad& load);
    bool empty() const { return size_ == 0; }
    std::span<Candidate> all() { return {list_.data(), size_}; }

    // REQUIRES: not empty. `stay` is the node that is preferred, if it is among them.
    const cluster::NodeView& draw(NodeId stay, const RouteRules& rules, Instant now,
                                  Random& random);

 private:
    void keep_near(std::string_view zone);
    void rate(const RouteRules& rules, Instant now);
    const Candidate* find(NodeId node) const;
    const Candidate& any_but(const Candidate* other, Random& random) const;

    std::array<Candidate, cluster::kNodesMax> list_;
    std::size_t size_ = 0;
};

}  // namespace pgweir::route
