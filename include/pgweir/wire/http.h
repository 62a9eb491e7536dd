// SPDX-License-Identifier: PostgreSQL
// HTTP as values: what was asked, and what is answered. io/http_server speaks the protocol;
// admin/http_api.h knows what there is to ask for.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pgweir/base/ids.h"

namespace pgweir {

// One request, never used again within a process.
using HttpRequestId = Id<struct HttpRequestTag>;

namespace wire {

using HttpPairs = std::vector<std::pair<std::string, std::string>>;

// Names and values are decoded: "%20" is a blank.
struct HttpRequest {
    std::string method = "GET";
    std::string path = {};           // "/metrics"
    HttpPairs arguments = {};        // Behind the "?", in order.
    std::string authorization = {};  // The header of that name. A secret.
    std::string from = {};           // Address and port of who asks.
};

struct HttpAnswer {
    int status = 200;
    std::string content_type = {};
    std::string body = {};
    HttpPairs headers = {};  // Beside those that the edge writes itself.
    bool operator==(const HttpAnswer&) const = default;
};

}  // namespace wire
}  // namespace pgweir
