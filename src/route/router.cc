// SPDX-License-Identifier: PostgreSQL
#include "pgweir/route/router.h"

namespace pgweir::route {

Route route_of(const config::EffectivePool& pool) {
    if (pool.nodes.empty()) return {nullptr, "the database is not configured"};
    return {&pool.nodes.front(), "the first node of the database"};
}

}  // namespace pgweir::route
