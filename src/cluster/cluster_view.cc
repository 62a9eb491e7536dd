// SPDX-License-Identifier: PostgreSQL
#include "pgweir/cluster/cluster_view.h"

#include <algorithm>

namespace pgweir::cluster {

std::string_view words(Trouble trouble) {
    switch (trouble) {
        case Trouble::None:
            return "none";
        case Trouble::NotSeenYet:
            return "not seen yet";
        case Trouble::Unreachable:
            return "unreachable";
        case Trouble::Stranger:
            return "belongs to another cluster";
        case Trouble::OldTimeline:
            return "on an old timeline";
        case Trouble::TwoPrimaries:
            return "not the only primary";
        case Trouble::LagTime:
            return "too far behind in time";
        case Trouble::LagBytes:
            return "too far behind in bytes";
        case Trouble::LagUnknown:
            return "lag not known";
        case Trouble::Slow:
            return "much slower than the others";
        case Trouble::Drained:
            return "drained";
        case Trouble::Stopping:
            return "shutting down";
    }
    return "";
}

const Sample* NodeView::first_sample_since(Instant since) const {
    const auto first = std::find_if(samples.begin(), samples.end(), [since](const Sample& sample) {
        return sample.started_at >= since;
    });
    return first == samples.end() ? nullptr : &*first;
}

const NodeView* ClusterView::find(NodeId id) const {
    if (!id) return nullptr;
    const auto node = std::find_if(nodes.begin(), nodes.end(),
                                   [id](const NodeView& candidate) { return candidate.id == id; });
    return node == nodes.end() ? nullptr : &*node;
}

// From the cluster's timeline back to the place's, through the forks that are known: the place has
// to lie before each of them. (Forks of ancestors lie at ever smaller LSNs.)
History ClusterView::history_of(Position place) const {
    if (place.timeline > timeline) return History::Future;
    std::uint32_t at = timeline;
    while (at != place.timeline) {
        const auto fork = std::find_if(forks.begin(), forks.end(), [at](const TimelineFork& known) {
            return known.timeline == at;
        });
        if (fork == forks.end()) return History::Doubtful;
        if (fork->began_before && place.lsn > fork->began_before) return History::Lost;
        // A timeline that was skipped is none of this one's ancestors.
        const bool is_ancestor = fork->parent != 0 && fork->parent >= place.timeline;
        if (!is_ancestor || place.lsn > fork->began_after) return History::Doubtful;
        at = fork->parent;
    }
    return History::Within;
}

// The earliest of the forks behind it counts: that is where the cluster's history went elsewhere.
std::uint64_t ClusterView::bytes_past_fork(Position place) const {
    Lsn left_at;
    for (const TimelineFork& fork : forks) {
        if (fork.timeline <= place.timeline || fork.timeline > timeline) continue;
        if (!fork.began_before || place.lsn <= fork.began_before) continue;
        if (!left_at || fork.began_before < left_at) left_at = fork.began_before;
    }
    return left_at ? place.lsn.value - left_at.value : 0;
}

}  // namespace pgweir::cluster
