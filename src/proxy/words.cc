// SPDX-License-Identifier: PostgreSQL
#include "proxy/words.h"

namespace pgweir::proxy {

std::string text(Duration duration) {
    if (duration.us % 1'000'000 == 0) return std::to_string(duration.us / 1'000'000) + "s";
    return std::to_string(duration.us / 1000) + "ms";
}

std::string text(const NodeAddress& address) {
    if (!address.host.empty() && address.host[0] == '/') {
        return address.host + "/.s.PGSQL." + std::to_string(address.port);
    }
    const bool is_v6 = address.host.find(':') != std::string::npos;
    return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::string_view words(sql::Consistency consistency) {
    switch (consistency) {
        case sql::Consistency::Eventual:
            return "eventual";
        case sql::Consistency::Session:
            return "session";
        case sql::Consistency::Strong:
            return "strong";
        case sql::Consistency::Primary:
            return "primary";
    }
    return {};
}

std::string_view words(sql::RouteHint route) {
    switch (route) {
        case sql::RouteHint::None:
            return "auto";
        case sql::RouteHint::Primary:
            return "primary";
        case sql::RouteHint::Replica:
            return "replica";
    }
    return {};
}

}  // namespace pgweir::proxy
