// SPDX-License-Identifier: PostgreSQL
// Where a unit may run: the nodes that may serve it, with the reason. A lease is always asked for
// by a route, so that there is one place that decides.
#pragma once

#include <string_view>

#include "pgweir/config/node_address.h"
#include "pgweir/config/settings.h"

namespace pgweir::route {

struct Route {
    const NodeAddress* node = nullptr;  // Nothing may serve it: the database is not configured.
    std::string_view reason;
};

// The node of a database for any unit: the first that is configured.
Route route_of(const config::EffectivePool& pool);

}  // namespace pgweir::route
