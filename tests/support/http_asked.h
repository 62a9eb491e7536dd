// SPDX-License-Identifier: PostgreSQL
// Requests over HTTP, as the edge hands them on.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "pgweir/wire/http.h"

namespace pgweir::testing {

inline constexpr std::string_view kHttpToken = "0123456789abcdef";

inline wire::HttpRequest get(std::string path) {
    return {.method = "GET", .path = std::move(path)};
}

// With the right token.
inline wire::HttpRequest order(std::string path, wire::HttpPairs arguments = {}) {
    return {.method = "POST",
            .path = std::move(path),
            .arguments = std::move(arguments),
            .authorization = "Bearer " + std::string(kHttpToken),
            .from = "10.0.0.9:4000"};
}

}  // namespace pgweir::testing
