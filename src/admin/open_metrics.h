// SPDX-License-Identifier: PostgreSQL
// /metrics in Prometheus' text format 0.0.4.
#pragma once

#include <string>

#include "pgweir/admin/show.h"

namespace pgweir::admin {

// REQUIRES: the parts of ShowTable::Metrics are filled.
std::string open_metrics(const ShowData& data);

}  // namespace pgweir::admin
