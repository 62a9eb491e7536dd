// SPDX-License-Identifier: PostgreSQL
// The messages that name prepared statements: under which name they go on, and what must be
// prepared on the server in front of them. Everything else is in client_relay.cc.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"
#include "session/client_relay.h"
#include "session/words.h"

namespace pgweir::session {

namespace {

// As server_statement_name, in place.
class ServerName {
 public:
    explicit ServerName(std::uint64_t number) {
        std::memcpy(text_.data(), kServerStatementPrefix.data(), kServerStatementPrefix.size());
        char* const digits = text_.data() + kServerStatementPrefix.size();
        end_ = std::to_chars(digits, text_.data() + text_.size(), number).ptr;
    }
    ServerName(const ServerName&) = delete;
    ServerName& operator=(const ServerName&) = delete;
    operator std::string_view() const {
        return {text_.data(), static_cast<std::size_t>(end_ - text_.data())};
    }

 private:
    static constexpr std::size_t kDigitsMax = 20;
    std::array<char, kServerStatementPrefix.size() + kDigitsMax> text_;
    const char* end_;
};

}  // namespace

// DEALLOCATE of a statement that the client prepared at protocol level: the server knows it by
// another name.
std::size_t ClientSession::Relay::deallocate(std::string_view name, const StatementRef& statement,
                                             std::size_t size) {
    if (!is_name_certain(name)) return stall();
    auto number = server->statements().find(statement);
    if (!number) {
        make_room_for_statement();
        number = server->statements().add(statement, server->unit());
        send_parse(ServerName(*number), statement->definition());
        Expectation& parse = server->expect(Expected::Parse, Asker::Quiet);
        parse.statement = statement;
        parse.number = *number;
        server->send_sync(Asker::Quiet, effects);
    }
    Bytes message;
    wire::query(message, "DEALLOCATE " + server_statement_name(*number));
    send_scratch(effects.keep(message));
    Expectation& entry = expect(Expected::Query);
    entry.statement = statement;
    entry.name = name;
    drop_unnamed(entry);
    return size;
}

// The client's unnamed statement is gone once the message of `entry` has run.
void ClientSession::Relay::drop_unnamed(Expectation& entry) {
    if (!client.unnamed_ && !server->unnamed()) return;
    server->answers().touch_unnamed(entry);
    entry.previous = std::move(client.unnamed_);
    client.unnamed_ = StatementRef();
    server->set_unnamed(StatementRef());
}

// Nothing is in flight in most cases, and everything is certain.
bool ClientSession::Relay::is_name_certain(std::string_view name) const {
    if (server->answers().empty()) return true;
    if (name.empty()) return server->is_unnamed_certain();
    if (!server->is_name_certain(name)) return false;
    const StatementRef statement = find(name);
    return !statement || server->statements().is_certain(statement, server->unit());
}

// What the message names depends on messages of an earlier unit that are not answered yet: if they
// are skipped after an error, it means something else. It waits for the answers.
std::size_t ClientSession::Relay::stall() {
    client.is_stalled_ = true;
    return 0;
}

std::size_t ClientSession::Relay::parse(ByteView bytes, std::size_t size) {
    if (bytes.size() >= size) ++step.client_parses;
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
    if (client.is_split() && !client.unit_.is_whole) {
        note_statement(judge_text(message->text, client.unit_context()), message->text);
    }
    close_leftovers();
    return message->statement.empty() ? parse_unnamed(bytes, size, definition)
                                      : parse_named(bytes, size, message->statement, definition);
}

// Not there whole. An unnamed statement is passed on as it comes, and lives as long as its lease.
std::size_t ClientSession::Relay::parse_large(ByteView bytes, std::size_t size) {
    // Whether it is named decides what becomes of it.
    if (bytes.size() <= kHeaderBytes) {
        client.is_partial_ = true;
        return 0;
    }
    const bool is_unnamed = bytes.size() > kHeaderBytes && bytes[kHeaderBytes] == 0;
    if (is_unnamed && size > client.rules_->buffered_bytes_max) {
        StatementRef statement = StatementDirectory::opaque();
        Expectation& entry = expect(Expected::Parse);
        server->answers().touch_unnamed(entry);
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
    server->answers().touch_unnamed(entry);
    server->note_may_commit(statement->may_commit());
    entry.previous = std::move(client.unnamed_);
    entry.statement = statement;
    server->set_unnamed(statement);
    client.unnamed_ = std::move(statement);
    ++step.server_parses;
    return forward(bytes, size);
}

std::size_t ClientSession::Relay::parse_named(ByteView bytes, std::size_t size,
                                              std::string_view name, ByteView definition) {
    if (!is_name_certain(name)) return stall();
    if (const StatementRef existing = find(name)) {
        // The server refuses it as PostgreSQL would: the name is taken there, too.
        const std::uint64_t number = ensure_prepared(existing);
        send_parse(ServerName(number), definition);
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
    if (statement && !server->statements().is_certain(statement, server->unit())) return stall();
    if (!statement || !client.statements_->put(name, statement)) {
        answer_error({.reason = wire::RefusalReason::StatementMemory});
        return size;
    }
    if (server->status() == wire::TransactionStatus::Failed && !statement->may_commit()) {
        // In a failed transaction nothing is parsed but what ends it; PostgreSQL says so.
        client.statements_->remove(name);
        if (server->owes_ready()) return stall();
        send_parse(ServerName(0), definition);
        expect(Expected::Parse).is_duplicate = true;
        return size;
    }
    if (server->statements().find(statement) && server->owes_ready()) {
        // Whether a transaction has failed by then is not known yet.
        client.statements_->remove(name);
        return stall();
    }
    if (server->statements().find(statement)) {
        // Another client, or this one under another name, has it prepared there already.
        if (may_answer_now()) {
            server->answer_in_place(client.id_, wire::kParseComplete, effects);
            if (server->replay().holds()) server->replay().note_change(std::string(name), {});
            server->note_unsynced();
        } else {
            Expectation& entry = expect(Expected::LocalParseComplete);
            server->answers().touch_name(entry);
            entry.statement = statement;
            entry.name = name;
        }
        return size;
    }
    make_room_for_statement();
    const std::uint64_t number = server->statements().add(statement, server->unit());
    send_parse(ServerName(number), definition);
    Expectation& entry = expect(Expected::Parse);
    server->answers().touch_name(entry);
    server->note_may_commit(statement->may_commit());
    entry.statement = statement;
    entry.number = number;
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
    if (!is_name_certain(head->statement)) return stall();
    close_leftovers();
    ++step.binds;
    if (head->statement.empty()) {
        if (!ensure_unnamed()) return drop(bytes, size);
        expect(Expected::Bind).statement = client.unnamed_;
        server->note_may_commit(client.unnamed_ && client.unnamed_->may_commit());
        return forward(bytes, size);
    }
    const StatementRef statement = find(head->statement);
    if (!statement) {
        if (server->owes_ready()) return stall();
        answer_error({.reason = wire::RefusalReason::StatementUnknown,
                      .subject = std::string(head->statement)});
        return drop(bytes, size);
    }
    if (client.is_split() && !client.unit_.is_whole) {
        note_statement(verdict_of(*statement.get(), client.unit_context()), statement->text());
    }
    const std::uint64_t number = ensure_prepared(statement);
    const ServerName server_name(number);
    const std::string_view name = server_name;
    const std::size_t rest_size = size - kHeaderBytes - head->rest_at;
    const std::size_t head_size = kHeaderBytes + head->portal.size() + name.size() + 2;
    Byte* at = scratch(head_size);
    at[0] = 'B';
    store_u32(at + 1, static_cast<std::uint32_t>(head_size - 1 + rest_size));
    std::memcpy(at + kHeaderBytes, head->portal.data(), head->portal.size());
    at[kHeaderBytes + head->portal.size()] = 0;
    std::memcpy(at + kHeaderBytes + head->portal.size() + 1, name.data(), name.size());
    at[head_size - 1] = 0;
    send_scratch({at, head_size});
    Expectation& entry = expect(Expected::Bind);
    entry.statement = statement;
    server->note_may_commit(statement->may_commit());
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
    if (!is_name_certain(target->name)) return stall();
    close_leftovers();
    if (target->name.empty()) {
        if (!ensure_unnamed()) return size;
        expect(Expected::DescribeStatement);
        return forward(bytes, size);
    }
    const StatementRef statement = find(target->name);
    if (!statement) {
        if (server->owes_ready()) return stall();
        answer_error({.reason = wire::RefusalReason::StatementUnknown,
                      .subject = std::string(target->name)});
        return size;
    }
    const std::uint64_t number = ensure_prepared(statement);
    send_named('D', ServerName(number));
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
        drop_unnamed(expect(Expected::Close));
        return forward(bytes, size);
    }
    if (!is_name_certain(target->name)) return stall();
    // The server's copy serves others; number 0 is never given, so that this closes nothing and
    // still brings the answer at its place.
    send_named('C', ServerName(0));
    Expectation& entry = expect(Expected::Close);
    server->answers().touch_name(entry);
    entry.name = target->name;
    entry.previous =
        client.statements_ != nullptr ? client.statements_->remove(target->name) : StatementRef();
    return size;
}

StatementRef ClientSession::Relay::find(std::string_view name) const {
    return client.statements_ != nullptr ? client.statements_->find(name) : StatementRef();
}

std::uint64_t ClientSession::Relay::ensure_prepared(const StatementRef& statement) {
    if (const auto number = server->statements().find(statement)) return *number;
    make_room_for_statement();
    const std::uint64_t number = server->statements().add(statement, server->unit());
    send_parse(ServerName(number), statement->definition());
    Expectation& entry = server->expect(Expected::Parse, Asker::Pgweir);
    entry.statement = statement;
    entry.number = number;
    return number;
}

bool ClientSession::Relay::ensure_unnamed() {
    if (server->unnamed() == client.unnamed_) return true;
    if (!client.unnamed_) {
        // Somebody else's: it must not be found.
        send_named('C', "");
        server->answers().touch_unnamed(server->expect(Expected::Close, Asker::Pgweir));
        server->set_unnamed(StatementRef());
        return true;
    }
    if (client.unnamed_->is_opaque()) {
        answer_error({.reason = wire::RefusalReason::StatementUnknown});
        return false;
    }
    send_parse("", client.unnamed_->definition());
    Expectation& entry = server->expect(Expected::Parse, Asker::Pgweir);
    server->answers().touch_unnamed(entry);
    entry.statement = entry.previous = client.unnamed_;
    server->set_unnamed(client.unnamed_);
    return true;
}

void ClientSession::Relay::make_room_for_statement() {
    while (server->statements().size() >= client.rules_->server_statements_max) {
        const std::uint64_t number = server->statements().evict();
        send_named('C', ServerName(number));
        server->expect(Expected::Close, Asker::Pgweir).number = number;
    }
}

void ClientSession::Relay::close_leftovers() {
    if (server->unclosed().empty()) return;
    for (const std::uint64_t number : std::exchange(server->unclosed(), {})) {
        send_named('C', ServerName(number));
        server->expect(Expected::Close, Asker::Pgweir).number = number;
    }
}

void ClientSession::Relay::send_parse(std::string_view name, ByteView definition) {
    ++step.server_parses;
    const std::size_t size = kHeaderBytes + name.size() + 1 + definition.size();
    Byte* at = scratch(size);
    at[0] = 'P';
    store_u32(at + 1, static_cast<std::uint32_t>(size - 1));
    if (!name.empty()) std::memcpy(at + kHeaderBytes, name.data(), name.size());
    at[kHeaderBytes + name.size()] = 0;
    std::memcpy(at + kHeaderBytes + name.size() + 1, definition.data(), definition.size());
    send_scratch({at, size});
}

// Describe or Close of a statement: tag length 'S' name:cstring.
void ClientSession::Relay::send_named(Byte tag, std::string_view name) {
    const std::size_t size = kHeaderBytes + 1 + name.size() + 1;
    Byte* at = scratch(size);
    at[0] = tag;
    store_u32(at + 1, static_cast<std::uint32_t>(size - 1));
    at[kHeaderBytes] = static_cast<Byte>(wire::TargetKind::Statement);
    if (!name.empty()) std::memcpy(at + kHeaderBytes + 1, name.data(), name.size());
    at[size - 1] = 0;
    send_scratch({at, size});
}

// An error in the middle of a batch, at its place among the answers; the batch ends there.
void ClientSession::Relay::answer_error(const wire::Refusal& refusal) {
    Bytes error;
    wire::append(error, refusal);
    answer_error(error);
}

void ClientSession::Relay::answer_error(const Bytes& error) {
    const bool must_fail =
        server != nullptr &&
        (server->is_in_transaction() || server->is_unsynced() || !server->answers().empty());
    if (server == nullptr) {
        effects.send(client.id_, effects.keep(error));
    } else if (may_answer_now()) {
        server->answer_in_place(client.id_, error, effects);
        server->note_unsynced();
    } else {
        expect(Expected::LocalError).name = to_string(ByteView(error));
    }
    if (must_fail) fail_transaction();
    if (std::exchange(client.deferred_, nullptr) != nullptr) {
        // No server knows of the transaction: it fails here.
        client.lost_ = std::make_unique<LostTransaction>(LostTransaction::EndsAt::Rollback);
        return client.lost_->skip();
    }
    client.skips_to_sync_ = true;
}

// The server does not know of the error, and what it has run since the last Sync, or in an open
// transaction, must be rolled back all the same: it gets an error of its own. No statement has the
// number 0.
void ClientSession::Relay::fail_transaction() {
    Bytes message;
    wire::bind(message, "", server_statement_name(0));
    send_scratch(effects.keep(message));
    server->expect(Expected::Bind, Asker::Quiet);
}

std::string deallocated_name(std::string_view text) {
    if (next_word(text) != "deallocate") return {};
    Identifier name = next_identifier(text);
    if (!name.is_quoted && name.text == "prepare") name = next_identifier(text);
    if (!name.is_quoted && name.text == "all") return {};
    skip_blanks(text);
    return text.empty() ? name.text : std::string();
}

}  // namespace pgweir::session
