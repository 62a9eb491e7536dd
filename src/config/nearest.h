// SPDX-License-Identifier: PostgreSQL
// The right name for a wrong one.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace pgweir::config {

// The name in `names` that differs least from `wrong`, if it is near enough to be meant.
std::optional<std::string_view> nearest(std::string_view wrong,
                                        std::span<const std::string_view> names);

}  // namespace pgweir::config
