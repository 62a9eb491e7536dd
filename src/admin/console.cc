// SPDX-License-Identifier: PostgreSQL
#include "pgweir/admin/console.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "admin/console_tables.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"

namespace pgweir::admin {
namespace {

using wire::FrontendTag;
using wire::Refusal;
using wire::RefusalReason;
using wire::TransactionStatus;

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kParameters = {{
    {"server_version", "15.0 (pgweir " PGWEIR_VERSION ")"},
    {"server_encoding", "UTF8"},
    {"client_encoding", "UTF8"},
    {"application_name", ""},
    {"default_transaction_read_only", "off"},
    {"in_hot_standby", "off"},
    {"is_superuser", "on"},
    {"DateStyle", "ISO, MDY"},
    {"IntervalStyle", "postgres"},
    {"TimeZone", "UTC"},
    {"integer_datetimes", "on"},
    {"standard_conforming_strings", "on"},
}};

bool ends_transaction(Verb verb) {
    return verb == Verb::Commit || verb == Verb::Rollback;
}

}  // namespace

bool is_console_database(std::string_view database) {
    return database == "pgweir" || database == "pgbouncer";
}

std::span<const std::pair<std::string_view, std::string_view>> console_parameters() {
    return kParameters;
}

void ConsoleSession::become(State state) {
    PGWEIR_ASSERT(state_ != State::Closed || state == State::Closed);
    PGWEIR_ASSERT((state == State::Waiting) == request_.has_value());
    state_ = state;
}

void ConsoleSession::take(FrontendTag tag, ByteView body, Bytes& out) {
    if (state_ == State::Closed) return;
    if (body.size() > kBodyBytesMax) {
        return break_off({.reason = RefusalReason::MessageTooLarge,
                          .subject = std::string(wire::name_of(tag)),
                          .value = std::to_string(body.size()),
                          .limit = std::to_string(kBodyBytesMax)},
                         out);
    }
    if (state_ == State::Waiting) return enqueue(tag, body, out);
    dispatch(tag, body, out);
}

void ConsoleSession::enqueue(FrontendTag tag, ByteView body, Bytes& out) {
    queued_bytes_ += body.size() + sizeof(Frame);
    if (queued_bytes_ > kQueuedBytesMax) {
        return break_off({.reason = RefusalReason::MessageTooLarge,
                          .subject = std::string(wire::name_of(tag)),
                          .value = std::to_string(queued_bytes_),
                          .limit = std::to_string(kQueuedBytesMax)},
                         out);
    }
    queue_.push_back({tag, Bytes(body.begin(), body.end())});
}

void ConsoleSession::drain_queue(Bytes& out) {
    while (!queue_.empty() && (state_ == State::Ready || state_ == State::Skipping)) {
        const Frame frame = std::move(queue_.front());
        queue_.pop_front();
        queued_bytes_ -= frame.body.size() + sizeof(Frame);
        dispatch(frame.tag, frame.body, out);
    }
}

void ConsoleSession::dispatch(FrontendTag tag, ByteView body, Bytes& out) {
    if (tag == FrontendTag::Terminate) return become(State::Closed);
    if (!wire::is_known(tag) || tag == FrontendTag::PasswordMessage) {
        return break_off({.reason = RefusalReason::UnexpectedMessage,
                          .subject = std::string(wire::name_of(tag))},
                         out);
    }
    // Message Flow, "Extended Query": after an error everything up to Sync is skipped.
    if (state_ == State::Skipping && tag != FrontendTag::Sync) return;
    protocol_ = tag == FrontendTag::Query || tag == FrontendTag::FunctionCall ? Protocol::Simple
                                                                              : Protocol::Extended;
    switch (tag) {
        case FrontendTag::Query:
            return on_query(body, out);
        case FrontendTag::Parse:
            return on_parse(body, out);
        case FrontendTag::Bind:
            return on_bind(body, out);
        case FrontendTag::Describe:
            return on_describe(body, out);
        case FrontendTag::Execute:
            return on_execute(body, out);
        case FrontendTag::Close:
            return on_close(body, out);
        case FrontendTag::Sync:
            if (!body.empty()) return break_off_malformed(tag, out);
            return on_sync(out);
        case FrontendTag::FunctionCall:
            return refuse({.reason = RefusalReason::ConsoleUnsupportedMessage,
                           .subject = std::string(wire::name_of(tag))},
                          out);
        case FrontendTag::Flush:  // Every reply goes out at once.
        // Message Flow, "COPY Operations": outside of COPY these are passed over.
        case FrontendTag::CopyData:
        case FrontendTag::CopyDone:
        case FrontendTag::CopyFail:
        case FrontendTag::PasswordMessage:
        case FrontendTag::Terminate:
            return;
    }
}

void ConsoleSession::on_query(ByteView body, Bytes& out) {
    const auto text = wire::read_query(body);
    if (!text) return break_off_malformed(FrontendTag::Query, out);
    // Message Flow, "Extended Query": a simple query destroys the unnamed statement and portal.
    statements_.erase("");
    portals_.erase("");
    auto statements = parse_console(*text, role_);
    if (!statements) return refuse(statements.error(), out);
    if (statements->empty()) {
        wire::empty_query_response(out);
        return ready(out);
    }
    query_.assign(std::make_move_iterator(statements->begin()),
                  std::make_move_iterator(statements->end()));
    continue_query(out);
}

void ConsoleSession::continue_query(Bytes& out) {
    while (!query_.empty() && state_ == State::Ready) {
        const Statement statement = query_.front();
        run(statement, out);
    }
}

void ConsoleSession::run(const Statement& statement, Bytes& out) {
    if (status_ == TransactionStatus::Failed && !ends_transaction(statement.spec->verb)) {
        return refuse({.reason = RefusalReason::TransactionAborted}, out);
    }
    switch (statement.spec->verb) {
        case Verb::Show:
            if (!parts_of(statement.spec->table).any()) {
                return finish(render(statement.spec->table, {}), out);
            }
            [[fallthrough]];
        case Verb::Pause:
        case Verb::Resume:
        case Verb::Reconnect:
        case Verb::Kill:
        case Verb::Switchover:
        case Verb::Drain:
        case Verb::Undrain:
        case Verb::Reload:
        case Verb::Shutdown:
            request_ = statement.command();
            return become(State::Waiting);
        case Verb::Answer:
            return finish(answer_table(*statement.spec), out);
        case Verb::Begin:
            status_ = TransactionStatus::InTransaction;
            break;
        case Verb::Commit:
        case Verb::Rollback:
        case Verb::Accept:
        case Verb::Unsupported:
            break;
    }
    finish({}, out);
}

void ConsoleSession::finish(std::optional<TableText> table, Bytes& out) {
    if (protocol_ == Protocol::Extended) {
        Portal& portal = portals_.at(executing_);
        portal.table = std::move(table);
        portal.is_done = true;
        return send_rows(portal, out);
    }
    if (table) {
        describe_columns(out, table->columns);
        for (const TableRow& row : table->rows) wire::data_row(out, row);
    }
    wire::command_complete(out, complete(query_.front()));
    query_.pop_front();
    if (query_.empty()) ready(out);
}

std::string_view ConsoleSession::complete(const Statement& statement) {
    if (!ends_transaction(statement.spec->verb)) return statement.spec->tag;
    // COMMIT of a failed transaction says what it did.
    const bool has_failed = status_ == TransactionStatus::Failed;
    status_ = TransactionStatus::Idle;
    return has_failed ? "ROLLBACK" : statement.spec->tag;
}

void ConsoleSession::ready(Bytes& out) {
    // Portals end with their transaction.
    if (status_ == TransactionStatus::Idle) portals_.clear();
    wire::ready_for_query(out, status_);
}

void ConsoleSession::answer(const ShowData& data, Bytes& out) {
    if (!request_) return;  // The session broke off meanwhile.
    const ShowTable table = request_->table;
    request_.reset();
    become(State::Ready);
    finish(render(table, data), out);
    go_on(out);
}

void ConsoleSession::done(std::span<const std::string> notices, Bytes& out) {
    if (!request_) return;
    request_.reset();
    become(State::Ready);
    for (const std::string& notice : notices) {
        wire::notice_response(out, {.severity = "NOTICE", .sqlstate = "00000", .message = notice});
    }
    finish({}, out);
    go_on(out);
}

void ConsoleSession::fail(const Refusal& refusal, Bytes& out) {
    if (!request_) return;
    request_.reset();
    become(State::Ready);
    refuse(refusal, out);
    go_on(out);
}

void ConsoleSession::go_on(Bytes& out) {
    continue_query(out);
    drain_queue(out);
}

void ConsoleSession::refuse(const Refusal& refusal, Bytes& out) {
    wire::append(out, refusal);
    if (wire::is_fatal(refusal)) return become(State::Closed);
    if (status_ == TransactionStatus::InTransaction) status_ = TransactionStatus::Failed;
    if (protocol_ == Protocol::Extended) return become(State::Skipping);
    // Message Flow, "Simple Query": an error ends the whole query.
    query_.clear();
    ready(out);
}

void ConsoleSession::break_off(Refusal refusal, Bytes& out) {
    refusal.moment = wire::RefusalMoment::Login;  // Whatever it is, the connection ends.
    wire::append(out, refusal);
    request_.reset();
    query_.clear();
    queue_.clear();
    become(State::Closed);
}

void ConsoleSession::break_off_malformed(FrontendTag tag, Bytes& out) {
    break_off(
        {.reason = RefusalReason::MalformedMessage, .subject = std::string(wire::name_of(tag))},
        out);
}

}  // namespace pgweir::admin
