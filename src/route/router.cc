// SPDX-License-Identifier: PostgreSQL
#include "pgweir/route/router.h"

#include <algorithm>

#include "route/balance.h"

namespace pgweir::route {

namespace {

using cluster::ClusterView;
using cluster::Freshness;
using cluster::NodeView;
using sql::Consistency;
using Verdict = Route::Verdict;

Route run_on(NodeId node, Reason reason, NodeId sample = {}) {
    return {Verdict::Node, node, reason, {}, sample};
}

Route wait_for(Reason reason, NodeId otherwise = {}, NodeId sample = {}) {
    return {Verdict::Wait, {}, reason, otherwise, sample};
}

Route fail(Reason reason) {
    return {Verdict::Fail, {}, reason, {}, {}};
}

// What the standbys are good for.
struct Standbys {
    Candidates fresh;
    bool has_any = false;               // Eligible, but for freshness.
    bool lacks_sample = false;          // For one of them a sample is missing.
    const NodeView* nearest = nullptr;  // Of those behind, the furthest.
    const NodeView* avoided = nullptr;  // It could serve, but has just refused to.
};

class Decision {
 public:
    Decision(const Request& request, const ClusterView& view, Freshness& freshness,
             std::span<const NodeLoad> loads, const RouteRules& rules, Instant now, Random& random)
        : request_(request),
          view_(view),
          freshness_(freshness),
          loads_(loads),
          rules_(rules),
          now_(now),
          random_(random),
          primary_(usable_primary()) {}

    Route make() {
        if (view_.nodes.empty()) return fail(Reason::NoNode);
        if (const auto lost = lost_history(); lost.reason != Reason::Read) return lost;
        if (!request_.is_read) return on_primary(Reason::Write);
        if (request_.hint == sql::RouteHint::Primary) return on_primary(Reason::PrimaryHint);
        if (request_.consistency == Consistency::Primary) return on_primary(Reason::PrimaryLevel);
        if (view_.is_blind) return on_primary(Reason::Blind);
        return request_.consistency == Consistency::Strong ? strong_read() : read();
    }

 private:
    bool is_evidence_fresh(const NodeView& node) const {
        return view_.is_blind || !rules_.evidence_age_max ||
               now_ - node.evidence_at <= rules_.evidence_age_max;
    }

    // The primary if it is certain enough to be written to.
    const NodeView* usable_primary() const {
        const NodeView* node = view_.find(view_.primary);
        if (node == nullptr || node->trouble != cluster::Trouble::None) return nullptr;
        if (!is_evidence_fresh(*node)) return nullptr;
        const bool is_doubtful =
            node->id == request_.avoid && node->evidence_at < request_.avoid_since;
        return is_doubtful && !view_.is_blind ? nullptr : node;
    }

    bool may_use_primary() const {
        return primary_ != nullptr && rules_.primary_reads != PrimaryReads::Never;
    }

    NodeId otherwise() const { return may_use_primary() ? primary_->id : NodeId{}; }

    // Reason::Read: nothing is lost.
    Route lost_history() {
        const NodeView* node = view_.find(view_.primary);
        if (request_.consistency == Consistency::Eventual) return run_on({}, Reason::Read);
        if (node == nullptr) node = &view_.nodes.front();
        const Freshness::Answer answer = freshness_.may_read(view_, *node);
        if (answer == Freshness::Answer::OtherHistory) {
            // Where the newest timeline began is known with its first primary.
            const bool may_be_told_yet =
                !view_.primary && std::none_of(view_.forks.begin(), view_.forks.end(),
                                               [this](const cluster::TimelineFork& fork) {
                                                   return fork.timeline == view_.timeline;
                                               });
            return may_be_told_yet ? wait_for(Reason::NoPrimary) : fail(Reason::LostHistory);
        }
        const bool is_deposed = answer == Freshness::Answer::Behind && node->id == view_.primary;
        return is_deposed ? wait_for(Reason::NotFresh, {}, node->id) : run_on({}, Reason::Read);
    }

    // A look at it may be what is missing.
    Route on_primary(Reason reason) const {
        if (primary_ == nullptr) return wait_for(Reason::NoPrimary, {}, view_.primary);
        return run_on(primary_->id, view_.is_blind ? Reason::Blind : reason);
    }

    NodeLoad load_of(std::size_t place) const {
        return place < loads_.size() ? loads_[place] : NodeLoad{};
    }

    bool is_eligible(const NodeView& node) const {
        return node.role == cluster::Role::Standby && node.trouble == cluster::Trouble::None &&
               is_evidence_fresh(node);
    }

    // `answer_of`: whether a standby is fresh enough.
    template <typename AnswerOf>
    void survey(Standbys& standbys, AnswerOf answer_of) {
        const std::size_t count = std::min(view_.nodes.size(), cluster::kNodesMax);
        for (std::size_t i = 0; i < count; ++i) {
            const NodeView& node = view_.nodes[i];
            if (!is_eligible(node)) continue;
            const Freshness::Answer answer = answer_of(node);
            if (node.id == request_.avoid) {
                if (answer == Freshness::Answer::Fresh) standbys.avoided = &node;
                continue;
            }
            standbys.has_any = true;
            note(standbys, node, answer, load_of(i));
        }
    }

    static void note(Standbys& standbys, const NodeView& node, Freshness::Answer answer,
                     const NodeLoad& load) {
        if (answer == Freshness::Answer::Fresh) return standbys.fresh.add(node, load);
        if (answer == Freshness::Answer::NoSample) standbys.lacks_sample = true;
        const bool is_nearest = standbys.nearest == nullptr || node.lsn > standbys.nearest->lsn;
        if (answer == Freshness::Answer::Behind && is_nearest) standbys.nearest = &node;
    }

    Route read() {
        Standbys standbys;
        const bool is_eventual = request_.consistency == Consistency::Eventual;
        survey(standbys, [&](const NodeView& node) {
            return is_eventual ? Freshness::Answer::Fresh : freshness_.may_read(view_, node);
        });
        if (!standbys.fresh.empty()) return draw(standbys, is_eventual);
        if (!standbys.has_any) return without_standby(standbys);
        return standbys.lacks_sample ? without_sample() : without_fresh(standbys);
    }

    Route draw(Standbys& standbys, bool is_eventual) {
        const bool is_shared = rules_.primary_reads == PrimaryReads::Share &&
                               request_.hint != sql::RouteHint::Replica && primary_ != nullptr &&
                               primary_->id != request_.avoid;
        if (is_shared) {
            const auto place = static_cast<std::size_t>(primary_ - view_.nodes.data());
            if (place < cluster::kNodesMax) standbys.fresh.add(*primary_, load_of(place));
        }
        // The last node of a session that reads only is a standby; one that writes was on the
        // primary and shall not stay there.
        const NodeId last = is_eventual ? NodeId{} : freshness_.last_node();
        const NodeId stay = last == view_.primary ? NodeId{} : last;
        const NodeView& chosen = standbys.fresh.draw(stay, rules_, now_, random_);
        const bool is_primary = chosen.id == view_.primary;
        return run_on(chosen.id, is_primary ? Reason::SharedPrimary : Reason::Read);
    }

    Route without_standby(const Standbys& standbys) const {
        if (may_use_primary()) return run_on(primary_->id, Reason::NoStandby);
        if (standbys.avoided != nullptr) return run_on(standbys.avoided->id, Reason::Read);
        return wait_for(primary_ == nullptr ? Reason::NoPrimary : Reason::NoStandby);
    }

    Route without_sample() const {
        const NodeId sample = freshness_.wants_sample_of();
        if (may_use_primary()) return run_on(primary_->id, Reason::NoSample, sample);
        return wait_for(Reason::NoSample, {}, sample);
    }

    Route without_fresh(const Standbys& standbys) const {
        const NodeId sample = standbys.nearest != nullptr ? standbys.nearest->id : NodeId{};
        const bool may_wait = rules_.replica_wait || !may_use_primary();
        if (may_wait) return wait_for(Reason::NotFresh, otherwise(), sample);
        return run_on(primary_->id, Reason::NotFresh, sample);
    }

    // Samples from before a promotion are of another timeline, and compare with nothing.
    const cluster::Sample* read_index() const {
        for (const cluster::Sample& sample : primary_->samples) {
            if (sample.started_at < request_.arrived_at) continue;
            if (sample.place.timeline == view_.timeline) return &sample;
        }
        return nullptr;
    }

    // A read index: the first sample of the primary that started after the read arrived.
    Route strong_read() {
        if (primary_ == nullptr) return wait_for(Reason::NoPrimary, {}, view_.primary);
        const cluster::Sample* index = read_index();
        Standbys standbys;
        survey(standbys, [&](const NodeView& node) {
            if (index == nullptr) return Freshness::Answer::NoSample;
            // SET pgweir.token may have asked for more than the index.
            const Freshness::Answer answer = freshness_.may_read(view_, node);
            if (answer == Freshness::Answer::Behind) return answer;
            const bool has_it = node.timeline == index->place.timeline &&
                                node.timeline == view_.timeline && node.lsn >= index->place.lsn;
            return has_it ? Freshness::Answer::Fresh : Freshness::Answer::Behind;
        });
        if (!standbys.fresh.empty()) return draw(standbys, false);
        if (!standbys.has_any) return without_standby(standbys);
        if (index == nullptr) return wait_for(Reason::NoSample, otherwise(), primary_->id);
        const NodeId nearest = standbys.nearest != nullptr ? standbys.nearest->id : NodeId{};
        return wait_for(Reason::NotFresh, otherwise(), nearest);
    }

    const Request& request_;
    const ClusterView& view_;
    Freshness& freshness_;
    std::span<const NodeLoad> loads_;
    const RouteRules& rules_;
    const Instant now_;
    Random& random_;
    const NodeView* const primary_;
};

}  // namespace

Route decide(const Request& request, const ClusterView& view, Freshness& freshness,
             std::span<const NodeLoad> loads, const RouteRules& rules, Instant now,
             Random& random) {
    return Decision(request, view, freshness, loads, rules, now, random).make();
}

}  // namespace pgweir::route
