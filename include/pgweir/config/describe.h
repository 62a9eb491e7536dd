// SPDX-License-Identifier: PostgreSQL
// Settings as people see them: SHOW CONFIG, and etc/pgweir.toml. Both are made from the options'
// own descriptions, so that they can't lie.
#pragma once

#include <string>
#include <vector>

#include "pgweir/config/settings.h"

namespace pgweir::config {

// One row of SHOW CONFIG, with PgBouncer's columns. Secrets are shown as "****".
struct ConfigRow {
    std::string key;
    std::string value;
    std::string fallback;    // Column "default".
    std::string changeable;  // "yes": a reload applies it; "no": it takes a restart.
};

// The sections for the whole process, in the order of the file.
std::vector<ConfigRow> config_rows(const Settings& settings);

// A configuration file that says nothing but what the defaults are: each option commented out.
std::string sample_file();

}  // namespace pgweir::config
