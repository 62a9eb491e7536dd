// SPDX-License-Identifier: PostgreSQL
#include "cluster/sample_ring.h"

namespace pgweir::cluster {

void SampleRing::add(const Sample& sample) {
    samples_.reserve(kSamplesMax + 1);
    samples_.push_back(sample);
    if (samples_.size() > kSamplesMax) thin_out();
}

// Without a sample, whoever would have found it finds the next one. So the one goes whose next one
// is nearest, measured by the age of the one before: ages stay spread like a geometric series.
void SampleRing::thin_out() {
    const Instant now = samples_.back().started_at;
    std::size_t least = 1;
    double least_gap = 0;
    for (std::size_t i = 1; i + 1 < samples_.size(); ++i) {
        const auto gap = (samples_[i + 1].started_at - samples_[i - 1].started_at).us;
        const auto age = (now - samples_[i - 1].started_at).us + 1;
        const double relative = static_cast<double>(gap) / static_cast<double>(age);
        if (i > 1 && relative >= least_gap) continue;
        least = i;
        least_gap = relative;
    }
    samples_.erase(samples_.begin() + static_cast<std::ptrdiff_t>(least));
}

}  // namespace pgweir::cluster
