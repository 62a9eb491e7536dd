// SPDX-License-Identifier: PostgreSQL
// What can be asked for over HTTP. An order is a console command by another door: it is found in
// the console's table, carried out as it is there, and answered with the console's words as JSON.
//
//   GET /healthz                     200: the process answers
//   GET /readyz                      200: each database has a node that it can use; else 503
//   GET /metrics                     Prometheus' text format
//   POST /switchover?database=app    SWITCHOVER app; /pause and /resume alike, without a database
//                                    all of them
//   POST /drain?node=db1:5432        DRAIN db1:5432; /undrain alike
//
// Orders need the token of [http], as "Authorization: Bearer …". What does not exist is refused
// before the token is looked at, what is wrong about an order after it.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "pgweir/admin/command.h"
#include "pgweir/admin/show.h"
#include "pgweir/wire/http.h"
#include "pgweir/wire/refusal.h"

namespace pgweir::admin {

// A command for the proxy, or the answer at once. An empty `token` takes no orders.
std::variant<AdminCommand, wire::HttpAnswer> read_http(const wire::HttpRequest& request,
                                                       std::string_view token);

// The order is carried out.
wire::HttpAnswer http_done(const AdminCommand& command);
wire::HttpAnswer http_refused(const AdminCommand& command, const wire::Refusal& refusal);
// It is not done after so long, and goes on.
wire::HttpAnswer http_late(const AdminCommand& command, const std::string& order_timeout);
// pgweir ends before it is done.
wire::HttpAnswer http_stopping();
// The answer to Show. REQUIRES: command.table is Metrics or Readiness.
wire::HttpAnswer http_shown(const AdminCommand& command, const ShowData& data);

// "PAUSE app": for the log, and in answers.
std::string words_of(const AdminCommand& command);

}  // namespace pgweir::admin
