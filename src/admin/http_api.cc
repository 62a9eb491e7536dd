// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/http_api.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "admin/command_table.h"
#include "admin/open_metrics.h"
#include "pgweir/auth/secret.h"

namespace pgweir::admin {
namespace {

using Json = nlohmann::ordered_json;
using wire::HttpAnswer;
using wire::HttpRequest;

constexpr std::string_view kPlain = "text/plain; charset=utf-8";
constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view kBearer = "Bearer ";

enum class Route : std::uint8_t { Health, Readiness, Metrics, Order };

struct RouteSpec {
    std::string_view path;
    Route route;
    std::string_view words = {};  // Of an order: those of its command in the console's table.
};
constexpr std::array kRoutes = {
    RouteSpec{"/healthz", Route::Health},
    RouteSpec{"/readyz", Route::Readiness},
    RouteSpec{"/metrics", Route::Metrics},
    RouteSpec{"/switchover", Route::Order, "SWITCHOVER"},
    RouteSpec{"/pause", Route::Order, "PAUSE"},
    RouteSpec{"/resume", Route::Order, "RESUME"},
    RouteSpec{"/drain", Route::Order, "DRAIN"},
    RouteSpec{"/undrain", Route::Order, "UNDRAIN"},
};

HttpAnswer plain(int status, std::string body) {
    return {.status = status, .content_type = std::string(kPlain), .body = std::move(body)};
}

HttpAnswer json(int status, const Json& value) {
    // Names come from requests: what is no UTF-8 in them must not throw.
    return {.status = status,
            .content_type = "application/json",
            .body = value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"};
}

HttpAnswer refused(int status, std::string_view error, std::string_view hint = {}) {
    Json value;
    value["error"] = error;
    if (!hint.empty()) value["hint"] = hint;
    return json(status, value);
}

// The row of the console's table; its argument is what the order takes.
const CommandSpec& spec_of(std::string_view words) {
    const auto table = command_table();
    return *std::find_if(table.begin(), table.end(),
                         [words](const CommandSpec& spec) { return spec.words == words; });
}

const CommandSpec& spec_of(Verb verb) {
    const auto table = command_table();
    return *std::find_if(table.begin(), table.end(),
                         [verb](const CommandSpec& spec) { return spec.verb == verb; });
}

// Nothing if the request may order; else why not.
std::optional<HttpAnswer> why_not_order(const HttpRequest& request, std::string_view token) {
    if (token.empty()) return refused(403, "orders are not taken", "Set token in [http].");
    const std::string_view given = request.authorization;
    // The scheme's name has no case.
    const bool is_bearer =
        given.size() > kBearer.size() &&
        std::equal(kBearer.begin(), kBearer.end(), given.begin(),
                   [](char a, char b) { return a == b || (a >= 'A' && a + ('a' - 'A') == b); });
    const std::string_view proof = is_bearer ? given.substr(kBearer.size()) : std::string_view();
    if (auth::equal_in_constant_time(as_bytes(proof), as_bytes(token))) return std::nullopt;
    HttpAnswer answer = refused(401, is_bearer ? "the token is wrong" : "a token is needed",
                                "Send \"Authorization: Bearer \" and the token of [http].");
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
    return answer;
}

std::variant<AdminCommand, HttpAnswer> read_order(const HttpRequest& request,
                                                  std::string_view words) {
    const CommandSpec& spec = spec_of(words);
    const bool is_about_node = spec.argument == Argument::Node;
    const std::string_view wanted = is_about_node ? "node" : "database";
    Statement statement{&spec, {}, {}};
    for (const auto& [name, value] : request.arguments) {
        if (name != wanted) {
            return refused(400, "unknown argument \"" + name + "\"",
                           "It takes \"" + std::string(wanted) + "\".");
        }
        // An empty one would mean all.
        if (value.empty()) return refused(400, "the argument \"" + name + "\" is empty");
        if (!statement.argument.empty()) {
            return refused(400, "the argument \"" + name + "\" is there twice");
        }
        statement.argument = value;
    }
    if (is_about_node && statement.argument.empty()) {
        return refused(400, "the argument \"node\" is missing", "Write ?node=host:port.");
    }
    return statement.command();
}

AdminCommand show(ShowTable table) {
    return {.verb = Verb::Show, .table = table};
}

int status_of(const wire::Refusal& refusal) {
    switch (refusal.reason) {
        case wire::RefusalReason::ConsoleUnknownDatabase:
        case wire::RefusalReason::ConsoleUnknownNode:
            return 404;
        default:
            return 409;
    }
}

HttpAnswer readiness(const ShowData& data) {
    std::string why;
    if (data.is_stopping) why += "pgweir is shutting down\n";
    for (const DatabaseRow& row : data.databases) {
        if (row.trouble.empty() || row.servers_ready > 0) continue;
        why += "database " + row.name + ": " + row.trouble + "\n";
    }
    return why.empty() ? plain(200, "ready\n") : plain(503, std::move(why));
}

}  // namespace

std::variant<AdminCommand, HttpAnswer> read_http(const HttpRequest& request,
                                                 std::string_view token) {
    const auto found = std::find_if(kRoutes.begin(), kRoutes.end(), [&](const RouteSpec& spec) {
        return spec.path == request.path;
    });
    if (found == kRoutes.end()) {
        std::string paths;
        for (const RouteSpec& spec : kRoutes) {
            paths += (paths.empty() ? "" : ", ") + std::string(spec.path);
        }
        return refused(404, "there is nothing at this path", "There are " + paths + ".");
    }
    const bool is_order = found->route == Route::Order;
    const bool fits =
        is_order ? request.method == "POST" : request.method == "GET" || request.method == "HEAD";
    if (!fits) {
        HttpAnswer answer = refused(
            405, std::string(found->path) + (is_order ? " takes POST only" : " takes GET only"));
        answer.headers.emplace_back("Allow", is_order ? "POST" : "GET, HEAD");
        return answer;
    }
    switch (found->route) {
        case Route::Health:
            return plain(200, "ok\n");
        case Route::Readiness:
            return show(ShowTable::Readiness);
        case Route::Metrics:
            return show(ShowTable::Metrics);
        case Route::Order:
            break;
    }
    if (auto refusal = why_not_order(request, token)) return *std::move(refusal);
    return read_order(request, found->words);
}

std::string words_of(const AdminCommand& command) {
    if (command.verb == Verb::Show) {
        return command.table == ShowTable::Metrics ? "GET /metrics" : "GET /readyz";
    }
    std::string words(spec_of(command.verb).words);
    const std::string& argument = command.node.empty() ? command.database : command.node;
    if (!argument.empty()) words += " " + argument;
    return words;
}

HttpAnswer http_done(const AdminCommand& command) {
    Json value;
    value["command"] = words_of(command);
    value["result"] = spec_of(command.verb).tag;
    return json(200, value);
}

HttpAnswer http_refused(const AdminCommand& command, const wire::Refusal& refusal) {
    const wire::RefusalText text = wire::describe(refusal);
    Json value;
    value["command"] = words_of(command);
    value["error"] = text.message;
    if (!text.detail.empty()) value["detail"] = text.detail;
    if (!text.hint.empty()) value["hint"] = text.hint;
    value["sqlstate"] = text.sqlstate;
    return json(status_of(refusal), value);
}

HttpAnswer http_late(const AdminCommand& command, const std::string& order_timeout) {
    Json value;
    value["command"] = words_of(command);
    value["error"] = words_of(command) + " is not done after order_timeout = " + order_timeout;
    value["detail"] = "It goes on.";
    return json(504, value);
}

HttpAnswer http_stopping() {
    return refused(503, "pgweir is shutting down");
}

HttpAnswer http_shown(const AdminCommand& command, const ShowData& data) {
    if (command.table == ShowTable::Readiness) return readiness(data);
    HttpAnswer answer = plain(200, open_metrics(data));
    answer.content_type = kMetricsType;
    return answer;
}

}  // namespace pgweir::admin
