// SPDX-License-Identifier: PostgreSQL
// Stands in for sim_front.cc in programs that know no core: only direct worlds.
#include "sim/world.h"

namespace pgweir::sim {

std::unique_ptr<Front> make_front(World&) {
    return nullptr;
}

}  // namespace pgweir::sim
