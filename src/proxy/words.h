// SPDX-License-Identifier: PostgreSQL
// How values are written for people, in errors and in the console.
#pragma once

#include <string>
#include <string_view>

#include "pgweir/base/instant.h"
#include "pgweir/config/node_address.h"
#include "pgweir/sql/verdict.h"

namespace pgweir::proxy {

// "5s", "300ms"
std::string text(Duration duration);
// "10.0.0.1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432": also the name of a node among the
// limits.
std::string text(const NodeAddress& address);
std::string_view words(sql::Consistency consistency);
// As SET pgweir.route takes them.
std::string_view words(sql::RouteHint route);

}  // namespace pgweir::proxy
