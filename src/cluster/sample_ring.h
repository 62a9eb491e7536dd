// SPDX-License-Identifier: PostgreSQL
// The samples of one node that are kept, oldest first: the newer the denser, so that one is about
// as old as any session's last unit, however often the node is sampled.
#pragma once

#include <cstddef>
#include <vector>

#include "pgweir/cluster/cluster_view.h"

namespace pgweir::cluster {

class SampleRing {
 public:
    static constexpr std::size_t kSamplesMax = 16;

    // REQUIRES: it started no earlier than the last one.
    void add(const Sample& sample);
    void clear() { samples_.clear(); }
    const std::vector<Sample>& all() const { return samples_; }

 private:
    void thin_out();
    std::vector<Sample> samples_;
};

}  // namespace pgweir::cluster
