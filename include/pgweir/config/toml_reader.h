// SPDX-License-Identifier: PostgreSQL
// TOML → Settings. Every error names the file, the line and what to write instead.
#pragma once

#include <memory>
#include <string_view>

#include "pgweir/config/settings.h"

namespace pgweir::config {

// Checked (Settings::check) as well. `file_name` is for error texts only. Throws ConfigError.
std::unique_ptr<Settings> read_toml(std::string_view text, std::string_view file_name);

}  // namespace pgweir::config
