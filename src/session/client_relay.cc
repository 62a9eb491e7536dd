// SPDX-License-Identifier: PostgreSQL
#include "session/client_relay.h"

#include <algorithm>
#include <utility>

#include "pgweir/wire/backend_messages.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;
// A message up to this size is passed on when it is there whole, so that a server is not leased
// for a client that does not finish its sentence.
constexpr std::size_t kWholeBytesMax = 16 * 1024;
// PostgreSQL's PQ_SMALL_MESSAGE_LIMIT: messages without a payload worth the name.
constexpr std::uint32_t kSmallLengthMax = 10000;
// What a server may owe at once; a client that asks for more waits for answers.
constexpr std::size_t kAnswersMax = 4096;

bool is_small_message(Byte tag) {
    switch (tag) {
        case 'E':
        case 'D':
        case 'C':
        case 'S':
        case 'H':
        case 'X':
        case 'c':
        case 'f':
            return true;
        default:
            return false;
    }
}

}  // namespace

Step ClientSession::Relay::run(ByteView bytes) {
    client.is_stalled_ = false;
    client.is_partial_ = false;
    while (step.consumed < bytes.size()) {
        const ByteView rest = bytes.subspan(step.consumed);
        if (client.streaming_ > 0) {
            const std::size_t n = std::min<std::uint64_t>(client.streaming_, rest.size());
            if (client.streaming_to_server_ && server != nullptr) send(rest.first(n));
            client.streaming_ -= n;
            step.consumed += n;
            continue;
        }
        const std::size_t n = message(rest);
        if (n == 0) break;
        step.consumed += n;
    }
    return std::move(step);
}

std::size_t ClientSession::Relay::message(ByteView bytes) {
    const Byte tag = bytes[0];
    if (!wire::is_known(static_cast<wire::FrontendTag>(tag)) || tag == 'p') {
        return refuse(
            {.reason = wire::RefusalReason::InvalidMessageType, .subject = std::to_string(tag)});
    }
    if (bytes.size() < kHeaderBytes) {
        client.is_partial_ = true;
        return 0;
    }
    const std::uint32_t length = load_u32(bytes.data() + 1);
    const std::string name(wire::name_of(static_cast<wire::FrontendTag>(tag)));
    if (length < 4 || length > 0x7fffffff || (is_small_message(tag) && length > kSmallLengthMax)) {
        return refuse({.reason = wire::RefusalReason::InvalidMessageLength,
                       .subject = name,
                       .value = std::to_string(static_cast<std::int32_t>(length))});
    }
    const std::size_t size = 1 + std::size_t{length};
    if (size > client.rules_->message_bytes_max) {
        return refuse({.reason = wire::RefusalReason::MessageTooLarge,
                       .subject = name,
                       .value = std::to_string(size),
                       .limit = std::to_string(client.rules_->message_bytes_max)});
    }
    if (bytes.size() < size && size <= kWholeBytesMax) {
        client.is_partial_ = true;
        return 0;
    }
    if (client.lost_ != nullptr) return in_lost_transaction(tag, bytes, size);
    if (client.skips_to_sync_ && tag != 'S' && tag != 'X') return drop(bytes, size);
    return dispatch(tag, bytes, size);
}

std::size_t ClientSession::Relay::dispatch(Byte tag, ByteView bytes, std::size_t size) {
    switch (tag) {
        case 'X':
            return need(Need::Terminate);
        case 'S':
            return sync(bytes, size);
        case 'H':
            return server == nullptr ? drop(bytes, size) : forward(bytes, size);
        case 'd':
        case 'c':
        case 'f':
            return copy(tag, bytes, size);
        default:
            break;
    }
    if (server == nullptr) return need(Need::Lease);
    if (server->answers().size() >= kAnswersMax) {
        client.is_stalled_ = true;
        return 0;
    }
    switch (tag) {
        case 'Q':
            return query(bytes, size);
        case 'P':
            return parse(bytes, size);
        case 'B':
            return bind(bytes, size);
        case 'D':
            return describe(bytes, size);
        case 'C':
            return close(bytes, size);
        case 'E':
            expect(Expected::Execute);
            return forward(bytes, size);
        default:
            expect(Expected::FunctionCall);
            return forward(bytes, size);
    }
}

std::size_t ClientSession::Relay::refuse(wire::Refusal refusal) {
    step.refusal = std::move(refusal);
    return need(Need::Close);
}

std::size_t ClientSession::Relay::need(Need what) {
    step.need = what;
    return 0;
}

std::size_t ClientSession::Relay::drop(ByteView bytes, std::size_t size) {
    const std::size_t n = std::min(size, bytes.size());
    client.streaming_ = size - n;
    client.streaming_to_server_ = false;
    return n;
}

std::size_t ClientSession::Relay::forward(ByteView bytes, std::size_t size) {
    const std::size_t n = std::min(size, bytes.size());
    send(bytes.first(n));
    client.streaming_ = size - n;
    client.streaming_to_server_ = true;
    return n;
}

void ClientSession::Relay::send(ByteView bytes) {
    const bool must_keep = source == Source::Held || (gathers && bytes.size() <= kWholeBytesMax);
    effects.send(server->id(), must_keep ? effects.keep(bytes) : bytes);
}

void ClientSession::Relay::send_scratch(ByteView bytes) {
    effects.send(server->id(), bytes);
    gathers = true;
}

Expectation& ClientSession::Relay::expect(Expected kind) {
    return server->expect(kind, Asker::Client);
}

// --- Messages ---------------------------------------------------------------------------------

std::size_t ClientSession::Relay::query(ByteView bytes, std::size_t size) {
    const std::size_t there = std::min(size, bytes.size());
    const std::string_view text = as_text(bytes.subspan(kHeaderBytes, there - kHeaderBytes));
    if (client.statements_ != nullptr && client.statements_->size() > 0 && there == size) {
        const std::string name = deallocated_name(text.substr(0, text.find('\0')));
        if (!name.empty()) {
            if (const StatementRef statement = find(name)) return deallocate(name, statement, size);
        }
    }
    Expectation& entry = expect(Expected::Query);
    if (server->status() != wire::TransactionStatus::Idle) {
        entry.may_commit = text_may_commit(text);
    }
    // A simple Query destroys the unnamed statement (Message Flow, "Extended Query").
    client.unnamed_ = StatementRef();
    server->set_unnamed(StatementRef());
    return forward(bytes, size);
}

// DEALLOCATE of a statement that the client prepared at protocol level: the server knows it by
// another name.
std::size_t ClientSession::Relay::deallocate(std::string_view name, const StatementRef& statement,
                                             std::size_t size) {
    auto number = server->statements().find(statement);
    if (!number) {
        make_room_for_statement();
        number = server->statements().add(statement);
        send_parse(server_statement_name(*number), statement->definition());
        Expectation& parse = server->expect(Expected::Parse, Asker::Quiet);
        parse.statement = statement;
        server->send_sync(Asker::Quiet, effects);
    }
    Bytes message;
    wire::query(message, "DEALLOCATE " + server_statement_name(*number));
    send_scratch(effects.keep(message));
    Expectation& entry = expect(Expected::Query);
    entry.statement = statement;
    entry.name = name;
    client.unnamed_ = StatementRef();
    server->set_unnamed(StatementRef());
    return size;
}

std::size_t ClientSession::Relay::sync(ByteView bytes, std::size_t size) {
    if (size != kHeaderBytes) {
        return refuse({.reason = wire::RefusalReason::MalformedMessage, .subject = "Sync"});
    }
    client.skips_to_sync_ = false;
    if (server == nullptr) {
        // Nothing is open: the answer is known.
        Bytes answer;
        wire::ready_for_query(answer, wire::TransactionStatus::Idle);
        effects.send(client.id_, effects.keep(answer));
        return size;
    }
    if (server->answers().size() >= kAnswersMax) {
        client.is_stalled_ = true;
        return 0;
    }
    if (!server->ignores_sync()) expect(Expected::Sync);
    return forward(bytes, size);
}

std::size_t ClientSession::Relay::copy(Byte tag, ByteView bytes, std::size_t size) {
    // PostgreSQL ignores COPY messages outside of COPY: they may follow a COPY that failed.
    if (server == nullptr || server->answers().empty()) return drop(bytes, size);
    if (tag != 'd') {
        server->copy_ended_by_client();
        expect(Expected::CopyEnd);
    }
    return forward(bytes, size);
}

std::size_t ClientSession::Relay::parse(ByteView bytes, std::size_t size) {
    if (!client.rules_->carries_statements) {
        expect(Expected::Parse);
        return forward(bytes, size);
    }
    const ByteView body = bytes.subspan(kHeaderBytes, std::min(size, bytes.size()) - kHeaderBytes);
    if (bytes.size() < size) return parse_large(bytes, size);
    const auto message = wire::read_parse(body);
    if (!message) {
        // The server says what is wrong with it.
        expect(Expected::Parse).is_duplicate = true;
        return forward(bytes, size);
    }
    const ByteView definition = body.subspan(message->statement.size() + 1);
    close_leftovers();
    return message->statement.empty() ? parse_unnamed(bytes, size, definition)
                                      : parse_named(bytes, size, message->statement, definition);
}

// Not there whole. An unnamed statement is passed on as it comes, and lives as long as its lease.
std::size_t ClientSession::Relay::parse_large(ByteView bytes, std::size_t size) {
    const bool is_unnamed = bytes.size() > kHeaderBytes && bytes[kHeaderBytes] == 0;
    if (is_unnamed && size > client.rules_->buffered_bytes_max) {
        StatementRef statement = StatementDirectory::opaque();
        Expectation& entry = expect(Expected::Parse);
        entry.previous = client.unnamed_;
        entry.statement = statement;
        client.unnamed_ = statement;
        server->set_unnamed(statement);
        return forward(bytes, size);
    }
    if (size > client.rules_->buffered_bytes_max) {
        return refuse({.reason = wire::RefusalReason::MessageTooLarge,
                       .subject = "Parse",
                       .value = std::to_string(size),
                       .limit = std::to_string(client.rules_->buffered_bytes_max)});
    }
    client.is_partial_ = true;
    return 0;
}

std::size_t ClientSession::Relay::parse_unnamed(ByteView bytes, std::size_t size,
                                                ByteView definition) {
    StatementRef statement = client.statement_directory_->intern(definition);
    // Over the bound of memory: it can't be prepared anew elsewhere, but works in this lease.
    if (!statement) statement = StatementDirectory::opaque();
    Expectation& entry = expect(Expected::Parse);
    entry.may_commit = statement->may_commit();
    entry.previous = std::move(client.unnamed_);
    entry.statement = statement;
    server->set_unnamed(statement);
    client.unnamed_ = std::move(statement);
    return forward(bytes, size);
}

std::size_t ClientSession::Relay::parse_named(ByteView bytes, std::size_t size,
                                              std::string_view name, ByteView definition) {
    if (const StatementRef existing = find(name)) {
        // The server refuses it as PostgreSQL would: the name is taken there, too.
        const std::uint64_t number = ensure_prepared(existing);
        send_parse(server_statement_name(number), definition);
        Expectation& entry = expect(Expected::Parse);
        entry.is_duplicate = true;
        entry.statement = existing;
        entry.name = name;
        return size;
    }
    if (client.statements_ == nullptr) {
        client.statements_ = std::make_unique<ClientStatements>(*client.statement_directory_);
    }
    if (client.statements_->size() >= client.rules_->client_statements_max) {
        answer_error({.reason = wire::RefusalReason::TooManyStatements,
                      .option = "max_client_prepared_statements",
                      .value = std::to_string(client.statements_->size()),
                      .limit = std::to_string(client.rules_->client_statements_max)});
        return size;
    }
    const StatementRef statement = client.statement_directory_->intern(definition);
    if (!statement || !client.statements_->put(name, statement)) {
        answer_error({.reason = wire::RefusalReason::StatementMemory});
        return size;
    }
    if (server->statements().find(statement)) {
        // Another client, or this one under another name, has it prepared there already.
        if (server->answers().empty()) {
            Bytes answer;
            wire::parse_complete(answer);
            effects.send(client.id_, effects.keep(answer));
            server->note_unsynced();
        } else {
            Expectation& entry = expect(Expected::LocalParseComplete);
            entry.statement = statement;
            entry.name = name;
        }
        return size;
    }
    make_room_for_statement();
    const std::uint64_t number = server->statements().add(statement);
    send_parse(server_statement_name(number), definition);
    Expectation& entry = expect(Expected::Parse);
    entry.may_commit = statement->may_commit();
    entry.statement = statement;
    entry.name = name;
    return bytes.empty() ? 0 : size;
}

std::size_t ClientSession::Relay::bind(ByteView bytes, std::size_t size) {
    if (!client.rules_->carries_statements) {
        expect(Expected::Bind);
        return forward(bytes, size);
    }
    const std::size_t there = std::min(size, bytes.size());
    const auto head = wire::read_bind_head(bytes.subspan(kHeaderBytes, there - kHeaderBytes),
                                           size - kHeaderBytes);
    if (!head) {
        if (head.error() == wire::HeadError::NeedMore && there <= kWholeBytesMax) {
            client.is_partial_ = true;
            return 0;
        }
        expect(Expected::Bind);
        return forward(bytes, size);
    }
    close_leftovers();
    if (head->statement.empty()) {
        if (!ensure_unnamed()) return drop(bytes, size);
        Expectation& entry = expect(Expected::Bind);
        entry.may_commit = client.unnamed_ && client.unnamed_->may_commit();
        return forward(bytes, size);
    }
    const StatementRef statement = find(head->statement);
    if (!statement) {
        answer_error({.reason = wire::RefusalReason::StatementUnknown,
                      .subject = std::string(head->statement)});
        return drop(bytes, size);
    }
    const std::uint64_t number = ensure_prepared(statement);
    const std::string name = server_statement_name(number);
    const std::size_t rest_size = size - kHeaderBytes - head->rest_at;
    const std::size_t head_size = kHeaderBytes + head->portal.size() + name.size() + 2;
    Byte* at = effects.scratch(head_size);
    at[0] = 'B';
    store_u32(at + 1, static_cast<std::uint32_t>(head_size - 1 + rest_size));
    std::memcpy(at + kHeaderBytes, head->portal.data(), head->portal.size());
    at[kHeaderBytes + head->portal.size()] = 0;
    std::memcpy(at + kHeaderBytes + head->portal.size() + 1, name.c_str(), name.size() + 1);
    send_scratch({at, head_size});
    Expectation& entry = expect(Expected::Bind);
    entry.statement = statement;
    entry.may_commit = statement->may_commit();
    const std::size_t rest_at = kHeaderBytes + head->rest_at;
    return rest_at + forward(bytes.subspan(rest_at), rest_size);
}

std::size_t ClientSession::Relay::describe(ByteView bytes, std::size_t size) {
    const auto target = wire::read_describe(bytes.subspan(kHeaderBytes, size - kHeaderBytes));
    if (!target || target->kind == wire::TargetKind::Portal) {
        expect(Expected::DescribePortal);
        return forward(bytes, size);
    }
    if (!client.rules_->carries_statements) {
        expect(Expected::DescribeStatement);
        return forward(bytes, size);
    }
    close_leftovers();
    if (target->name.empty()) {
        if (!ensure_unnamed()) return size;
        expect(Expected::DescribeStatement);
        return forward(bytes, size);
    }
    const StatementRef statement = find(target->name);
    if (!statement) {
        answer_error({.reason = wire::RefusalReason::StatementUnknown,
                      .subject = std::string(target->name)});
        return size;
    }
    const std::uint64_t number = ensure_prepared(statement);
    Bytes message;
    wire::describe(message, wire::TargetKind::Statement, server_statement_name(number));
    send_scratch(effects.keep(message));
    expect(Expected::DescribeStatement).statement = statement;
    return size;
}

std::size_t ClientSession::Relay::close(ByteView bytes, std::size_t size) {
    const auto target = wire::read_close(bytes.subspan(kHeaderBytes, size - kHeaderBytes));
    if (!target || target->kind == wire::TargetKind::Portal || !client.rules_->carries_statements) {
        expect(Expected::Close);
        return forward(bytes, size);
    }
    if (target->name.empty()) {
        client.unnamed_ = StatementRef();
        server->set_unnamed(StatementRef());
        expect(Expected::Close);
        return forward(bytes, size);
    }
    // The server's copy serves others; number 0 is never given, so that this closes nothing and
    // still brings the answer at its place.
    send_close(server_statement_name(0));
    Expectation& entry = expect(Expected::Close);
    entry.name = target->name;
    entry.previous =
        client.statements_ != nullptr ? client.statements_->remove(target->name) : StatementRef();
    return size;
}

std::size_t ClientSession::Relay::in_lost_transaction(Byte tag, ByteView bytes, std::size_t size) {
    if (tag == 'X') return need(Need::Terminate);
    const std::size_t there = std::min(size, bytes.size());
    Bytes out;
    client.lost_->answer(tag, bytes.subspan(kHeaderBytes, there - kHeaderBytes), out);
    if (!out.empty()) effects.send(client.id_, effects.keep(out));
    if (client.lost_->is_over()) client.lost_.reset();
    return drop(bytes, size);
}

// --- Statements -------------------------------------------------------------------------------

StatementRef ClientSession::Relay::find(std::string_view name) const {
    return client.statements_ != nullptr ? client.statements_->find(name) : StatementRef();
}

std::uint64_t ClientSession::Relay::ensure_prepared(const StatementRef& statement) {
    if (const auto number = server->statements().find(statement)) return *number;
    make_room_for_statement();
    const std::uint64_t number = server->statements().add(statement);
    send_parse(server_statement_name(number), statement->definition());
    Expectation& entry = server->expect(Expected::Parse, Asker::Pgweir);
    entry.statement = statement;
    return number;
}

bool ClientSession::Relay::ensure_unnamed() {
    if (server->unnamed() == client.unnamed_) return true;
    if (!client.unnamed_) {
        // Somebody else's: it must not be found.
        send_close({});
        server->expect(Expected::Close, Asker::Pgweir);
        server->set_unnamed(StatementRef());
        return true;
    }
    if (client.unnamed_->is_opaque()) {
        answer_error({.reason = wire::RefusalReason::StatementUnknown});
        return false;
    }
    send_parse({}, client.unnamed_->definition());
    Expectation& entry = server->expect(Expected::Parse, Asker::Pgweir);
    entry.statement = client.unnamed_;
    server->set_unnamed(client.unnamed_);
    return true;
}

void ClientSession::Relay::make_room_for_statement() {
    while (server->statements().size() >= client.rules_->server_statements_max) {
        const std::uint64_t number = server->statements().evict();
        send_close(server_statement_name(number));
        server->expect(Expected::Close, Asker::Pgweir).number = number;
    }
}

void ClientSession::Relay::close_leftovers() {
    if (server->unclosed().empty()) return;
    for (const std::uint64_t number : std::exchange(server->unclosed(), {})) {
        send_close(server_statement_name(number));
        server->expect(Expected::Close, Asker::Pgweir).number = number;
    }
}

void ClientSession::Relay::send_parse(std::string_view name, ByteView definition) {
    const std::size_t size = kHeaderBytes + name.size() + 1 + definition.size();
    Byte* at = effects.scratch(size);
    at[0] = 'P';
    store_u32(at + 1, static_cast<std::uint32_t>(size - 1));
    std::memcpy(at + kHeaderBytes, name.data(), name.size());
    at[kHeaderBytes + name.size()] = 0;
    std::memcpy(at + kHeaderBytes + name.size() + 1, definition.data(), definition.size());
    send_scratch({at, size});
}

void ClientSession::Relay::send_close(std::string_view name) {
    Bytes message;
    wire::close_statement(message, name);
    send_scratch(effects.keep(message));
}

// An error in the middle of a batch, at its place among the answers; the batch ends there.
void ClientSession::Relay::answer_error(const wire::Refusal& refusal) {
    Bytes error;
    wire::append(error, refusal);
    if (server->answers().empty()) {
        effects.send(client.id_, effects.keep(error));
        server->note_unsynced();
    } else {
        expect(Expected::LocalError).name = to_string(error);
    }
    client.skips_to_sync_ = true;
}

std::string deallocated_name(std::string_view text) {
    static constexpr std::string_view kSpace = " \t\r\n\f\v";
    auto lower = [](std::string_view word) {
        std::string result(word);
        for (char& c : result) {
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        }
        return result;
    };
    auto next = [&text]() -> std::string_view {
        const std::size_t begin = text.find_first_not_of(kSpace);
        if (begin == std::string_view::npos) return {};
        text.remove_prefix(begin);
        if (text[0] == '"') {
            const std::size_t end = text.find('"', 1);
            if (end == std::string_view::npos) return {};
            const std::string_view word = text.substr(0, end + 1);
            text.remove_prefix(end + 1);
            return word;
        }
        const std::string_view word = text.substr(0, text.find_first_of(" \t\r\n\f\v;"));
        text.remove_prefix(word.size());
        return word;
    };
    if (lower(next()) != "deallocate") return {};
    std::string_view name = next();
    if (lower(name) == "prepare") name = next();
    if (name.empty() || lower(name) == "all") return {};
    if (text.find_first_not_of(" \t\r\n\f\v;") != std::string_view::npos) return {};
    if (name.front() == '"') return std::string(name.substr(1, name.size() - 2));
    return lower(name);
}

}  // namespace pgweir::session
