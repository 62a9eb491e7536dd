// SPDX-License-Identifier: PostgreSQL
// How values are written for people, in errors and in the console.
#pragma once

#include <string>
#include <string_view>

#include "pgweir/base/instant.h"
#include "pgweir/sql/verdict.h"

namespace pgweir::proxy {

// "5s", "300ms"
std::string text(Duration duration);
std::string_view words(sql::Consistency consistency);
// As SET pgweir.route takes them.
std::string_view words(sql::RouteHint route);

}  // namespace pgweir::proxy
