// SPDX-License-Identifier: PostgreSQL
// The extended protocol of the console: Parse to Sync.
#include <algorithm>
#include <string>

#include "admin/console_tables.h"
#include "pgweir/admin/console.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/fields.h"

namespace pgweir::admin {
namespace {

using wire::FrontendTag;
using wire::Refusal;
using wire::RefusalReason;
using wire::TargetKind;
using wire::TransactionStatus;

Refusal not_taken(std::string_view what) {
    return {.reason = RefusalReason::ConsoleUnsupportedMessage, .subject = std::string(what)};
}

// Bind = portal:cstring statement:cstring
//        count:u16 format:u16[count]                      of the parameters
//        count:u16 { length:i32 value:u8[length] }[count]
//        count:u16 format:u16[count]                      of the results
struct BindFields {
    std::string_view portal;
    std::string_view statement;
    bool has_parameters = false;
    bool wants_binary = false;
};

bool read_formats(wire::FieldReader& fields) {
    bool is_binary = false;
    for (std::uint16_t left = fields.u16(); left > 0 && fields.ok(); --left) {
        is_binary = fields.u16() != 0 || is_binary;
    }
    return is_binary;
}

std::optional<BindFields> read_bind(ByteView body) {
    wire::FieldReader fields(body);
    BindFields bind;
    bind.portal = fields.cstring();
    bind.statement = fields.cstring();
    read_formats(fields);
    const std::uint16_t parameters = fields.u16();
    bind.has_parameters = parameters > 0;
    for (std::uint16_t left = parameters; left > 0 && fields.ok(); --left) {
        const std::int32_t length = fields.i32();
        if (length < -1) return {};
        if (length > 0) fields.take(static_cast<std::size_t>(length));
    }
    bind.wants_binary = read_formats(fields);
    if (!fields.at_end()) return {};
    return bind;
}

}  // namespace

void ConsoleSession::on_parse(ByteView body, Bytes& out) {
    const auto parse = wire::read_parse(body);
    if (!parse) return break_off_malformed(FrontendTag::Parse, out);
    if (!parse->type_oids.empty()) return refuse(not_taken("parameters"), out);
    auto statements = parse_console(parse->text, role_);
    if (!statements) return refuse(statements.error(), out);
    if (statements->size() > 1) return refuse(not_taken("several commands in one Parse"), out);
    const std::string name(parse->statement);
    if (!name.empty() && statements_.contains(name)) {
        return refuse({.reason = RefusalReason::StatementExists, .subject = name}, out);
    }
    if (statements_.size() >= kNamesMax) {
        return refuse({.reason = RefusalReason::TooManyStatements,
                       .value = std::to_string(statements_.size()),
                       .limit = std::to_string(kNamesMax)},
                      out);
    }
    std::optional<Statement> statement;
    if (!statements->empty()) statement = std::move(statements->front());
    statements_.insert_or_assign(name, std::move(statement));
    wire::parse_complete(out);
}

void ConsoleSession::on_bind(ByteView body, Bytes& out) {
    const auto bind = read_bind(body);
    if (!bind) return break_off_malformed(FrontendTag::Bind, out);
    const auto statement = statements_.find(bind->statement);
    if (statement == statements_.end()) {
        return refuse(
            {.reason = RefusalReason::StatementUnknown, .subject = std::string(bind->statement)},
            out);
    }
    if (bind->has_parameters) return refuse(not_taken("parameters"), out);
    if (bind->wants_binary) return refuse(not_taken("a request for results in binary format"), out);
    if (portals_.size() >= kNamesMax && !portals_.contains(bind->portal)) {
        return refuse(not_taken("more than " + std::to_string(kNamesMax) + " portals"), out);
    }
    portals_.insert_or_assign(
        std::string(bind->portal),
        Portal{.statement = statement->second, .table = {}, .rows_sent = 0, .is_done = false});
    wire::bind_complete(out);
}

void ConsoleSession::on_describe(ByteView body, Bytes& out) {
    const auto target = wire::read_describe(body);
    if (!target) return break_off_malformed(FrontendTag::Describe, out);
    const std::optional<Statement>* statement = nullptr;
    if (target->kind == TargetKind::Statement) {
        const auto found = statements_.find(target->name);
        if (found == statements_.end()) {
            return refuse(
                {.reason = RefusalReason::StatementUnknown, .subject = std::string(target->name)},
                out);
        }
        statement = &found->second;
        wire::parameter_description(out, {});
    } else {
        const auto found = portals_.find(target->name);
        if (found == portals_.end()) {
            return refuse({.reason = RefusalReason::ConsolePortalUnknown,
                           .subject = std::string(target->name)},
                          out);
        }
        statement = &found->second.statement;
    }
    if (!statement->has_value() || !returns_rows(**statement)) return wire::no_data(out);
    describe_columns(out, columns_of(**statement));
}

void ConsoleSession::on_execute(ByteView body, Bytes& out) {
    const auto execute = wire::read_execute(body);
    if (!execute) return break_off_malformed(FrontendTag::Execute, out);
    const auto found = portals_.find(execute->portal);
    if (found == portals_.end()) {
        return refuse({.reason = RefusalReason::ConsolePortalUnknown,
                       .subject = std::string(execute->portal)},
                      out);
    }
    Portal& portal = found->second;
    if (!portal.statement) return wire::empty_query_response(out);
    executing_ = found->first;
    // A number of rows is signed in the protocol, and none or less means all.
    rows_wanted_ = execute->rows_max > 0x7FFFFFFF ? 0 : execute->rows_max;
    if (portal.is_done) return send_rows(portal, out);
    const Statement statement = *portal.statement;
    run(statement, out);
}

void ConsoleSession::send_rows(Portal& portal, Bytes& out) {
    if (portal.table) {
        const std::size_t left = portal.table->rows.size() - portal.rows_sent;
        const std::size_t count = rows_wanted_ == 0 ? left : std::min(left, rows_wanted_);
        for (std::size_t i = 0; i < count; ++i) {
            wire::data_row(out, portal.table->rows[portal.rows_sent++]);
        }
        if (count < left) return wire::portal_suspended(out);
    }
    wire::command_complete(out, complete(*portal.statement));
}

void ConsoleSession::on_close(ByteView body, Bytes& out) {
    const auto target = wire::read_close(body);
    if (!target) return break_off_malformed(FrontendTag::Close, out);
    // Closing what does not exist is no error.
    if (target->kind == TargetKind::Statement) {
        if (const auto at = statements_.find(target->name); at != statements_.end()) {
            statements_.erase(at);
        }
    } else if (const auto at = portals_.find(target->name); at != portals_.end()) {
        portals_.erase(at);
    }
    wire::close_complete(out);
}

void ConsoleSession::on_sync(Bytes& out) {
    if (state_ == State::Skipping) become(State::Ready);
    ready(out);
}

}  // namespace pgweir::admin
