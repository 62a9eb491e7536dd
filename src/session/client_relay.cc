// SPDX-License-Identifier: PostgreSQL
#include "session/client_relay.h"

#include <algorithm>
#include <utility>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"

namespace pgweir::session {

namespace {

// PostgreSQL's PQ_SMALL_MESSAGE_LIMIT: messages without a payload worth the name.
constexpr std::uint32_t kSmallLengthMax = 10000;
// What a server may owe at once; a client that asks for more waits for answers.
constexpr std::size_t kAnswersMax = 4096;

// A set of tags, of which all are letters: one bit each.
constexpr std::uint64_t tags(std::string_view letters) {
    std::uint64_t set = 0;
    for (const char letter : letters) set |= std::uint64_t{1} << (letter - '@');
    return set;
}

constexpr std::uint64_t kUnitTags = tags("QFPBDEC");
constexpr std::uint64_t kSmallTags = tags("EDCSHXcf");
// All that a client may say after its login.
constexpr std::uint64_t kKnownTags = kUnitTags | kSmallTags | tags("d");

constexpr bool is_one_of(std::uint64_t set, Byte tag) {
    return tag >= '@' && tag < '@' + 64 && ((set >> (tag - '@')) & 1) != 0;
}

std::string text_of(Byte tag) {
    return std::string(wire::name_of(static_cast<wire::FrontendTag>(tag)));
}

// A message that is part of what runs: not Sync or Flush by themselves, not COPY data.
bool belongs_to_unit(Byte tag) {
    return is_one_of(kUnitTags, tag);
}

bool is_small_message(Byte tag) {
    return is_one_of(kSmallTags, tag);
}

}  // namespace

bool ClientSession::wants_lease(ByteView bytes) {
    if (is_split() || lost_ != nullptr || skips_to_sync_ || streaming_ > 0) return false;
    if (bytes.size() < Relay::kHeaderBytes || !is_one_of(kUnitTags, bytes[0])) return false;
    const std::uint32_t length = load_u32(bytes.data() + 1);
    // What is longer, or not there whole, consume() looks at more closely.
    if (length < 4 || length > kSmallLengthMax || length >= bytes.size() ||
        length >= rules_->message_bytes_max) {
        return false;
    }
    is_stalled_ = is_partial_ = false;
    return true;
}

void ClientSession::Relay::run(ByteView bytes) {
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
    send_passing();
}

std::size_t ClientSession::Relay::message(ByteView bytes) {
    const Byte tag = bytes[0];
    if (!is_one_of(kKnownTags, tag)) return refuse_type(tag);
    if (bytes.size() < kHeaderBytes) {
        client.is_partial_ = true;
        return 0;
    }
    const std::uint32_t length = load_u32(bytes.data() + 1);
    if (length < 4 || length > 0x7fffffff || (is_small_message(tag) && length > kSmallLengthMax)) {
        return refuse_length(tag, length);
    }
    const std::size_t size = 1 + std::size_t{length};
    if (size > client.rules_->message_bytes_max) return refuse_size(tag, size);
    if (bytes.size() < size && size <= kWholeBytesMax) {
        client.is_partial_ = true;
        return 0;
    }
    if (client.lost_ != nullptr) return in_lost_transaction(tag, bytes, size);
    if (client.skips_to_sync_ && tag != 'S' && tag != 'X') return drop(bytes, size);
    return client.is_split() ? split(tag, bytes, size) : dispatch(tag, bytes, size);
}

// As dispatch, for a client whose reads are split: a unit is looked at before it is begun.
std::size_t ClientSession::Relay::split(Byte tag, ByteView bytes, std::size_t size) {
    // A Sync that ends nothing is a unit of its own, if a server is to answer it.
    const bool may_begin = belongs_to_unit(tag) || (tag == 'S' && server != nullptr);
    const bool begins = may_begin && !client.is_unit_open_;
    if (begins) {
        const Begun begun = begin_unit(bytes);
        if (!begun.go) return begun.taken;
    }
    const std::size_t taken = dispatch(tag, bytes, size);
    if (taken == 0) {
        if (std::exchange(is_copied, false)) server->replay().remove_last();
        return 0;
    }
    is_copied = false;
    if (begins) unit_begun();
    client.unit_left_ -=
        static_cast<std::uint32_t>(std::min<std::size_t>(taken, client.unit_left_));
    if (tag == 'Q' || tag == 'F' || tag == 'S') client.is_unit_open_ = false;
    return taken;
}

std::size_t ClientSession::Relay::dispatch(Byte tag, ByteView bytes, std::size_t size) {
    switch (tag) {
        case 'X':
            return say_goodbye();
        case 'S':
            return sync(bytes, size);
        case 'H':
            if (size != kHeaderBytes) return malformed_flush(bytes, size);
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
            // A named portal may have been bound to a COMMIT before the last Sync.
            server->note_may_commit(size > kHeaderBytes && bytes.size() > kHeaderBytes &&
                                    bytes[kHeaderBytes] != 0);
            expect(Expected::Execute);
            return forward(bytes, size);
        default:
            expect(Expected::FunctionCall);
            return forward(bytes, size);
    }
}

std::size_t ClientSession::Relay::refuse(wire::Refusal refusal) {
    step.refusal = std::make_unique<wire::Refusal>(std::move(refusal));
    return need(Need::Close);
}

// Words are put together out of the way of the messages that need none.
[[gnu::cold]] std::size_t ClientSession::Relay::refuse_type(Byte tag) {
    return refuse(
        {.reason = wire::RefusalReason::InvalidMessageType, .subject = std::to_string(tag)});
}

[[gnu::cold]] std::size_t ClientSession::Relay::refuse_length(Byte tag, std::uint32_t length) {
    return refuse({.reason = wire::RefusalReason::InvalidMessageLength,
                   .subject = text_of(tag),
                   .value = std::to_string(static_cast<std::int32_t>(length))});
}

[[gnu::cold]] std::size_t ClientSession::Relay::refuse_size(Byte tag, std::size_t size) {
    return refuse({.reason = wire::RefusalReason::MessageTooLarge,
                   .subject = text_of(tag),
                   .value = std::to_string(size),
                   .limit = std::to_string(client.rules_->message_bytes_max)});
}

[[gnu::cold]] std::size_t ClientSession::Relay::refuse_sync() {
    return refuse({.reason = wire::RefusalReason::MalformedMessage, .subject = "Sync"});
}

std::size_t ClientSession::Relay::need(Need what) {
    step.need = what;
    return 0;
}

// PostgreSQL reads it when it has done what was asked before, and sent the answers.
std::size_t ClientSession::Relay::say_goodbye() {
    client.said_goodbye_ = true;
    const bool is_owed = server != nullptr && server->owes_ready() && !server->is_in_copy();
    return is_owed ? stall() : need(Need::Terminate);
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
    if (passing.data() + passing.size() == bytes.data()) {
        passing = ByteView(passing.data(), passing.size() + bytes.size());
        return;
    }
    send_passing();
    passing = bytes;
}

void ClientSession::Relay::send_passing() {
    if (passing.empty()) return;
    const bool must_keep = source == Source::Held || (gathers && passing.size() <= kWholeBytesMax);
    effects.send(server->id(), must_keep ? effects.keep(passing) : passing);
    passing = {};
}

Byte* ClientSession::Relay::scratch(std::size_t size) {
    send_passing();
    return effects.scratch(size);
}

void ClientSession::Relay::send_scratch(ByteView bytes) {
    send_passing();
    effects.send(server->id(), bytes);
    gathers = true;
}

Expectation& ClientSession::Relay::expect(Expected kind) {
    return server->expect(kind, Asker::Client);
}

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
    // A BEGIN may be on its way before it: then the status still says idle.
    if (server->status() != wire::TransactionStatus::Idle || server->answers().size() > 1) {
        server->note_may_commit(text_may_commit(text));
        if (there == size && is_lone_rollback(text.substr(0, text.find('\0')))) {
            server->note_rollback();
        }
    }
    // A simple Query destroys the unnamed statement (Message Flow, "Extended Query").
    drop_unnamed(entry);
    return forward(bytes, size);
}

std::size_t ClientSession::Relay::sync(ByteView bytes, std::size_t size) {
    if (size != kHeaderBytes) return refuse_sync();
    client.skips_to_sync_ = false;
    if (server == nullptr) {
        // Nothing is open on a server: the answer is known.
        if (client.deferred_ != nullptr) {
            Bytes out;
            wire::ready_for_query(out, wire::TransactionStatus::InTransaction);
            effects.send(client.id_, effects.keep(out));
        } else {
            effects.send(client.id_, effects.keep(wire::kReadyForQueryIdle));
        }
        return size;
    }
    if (server->answers().size() >= kAnswersMax) {
        client.is_stalled_ = true;
        return 0;
    }
    if (!server->ignores_sync()) expect(Expected::Sync);
    return forward(bytes, size);
}

// As PostgreSQL: an error like any other of the extended protocol, up to the next Sync.
std::size_t ClientSession::Relay::malformed_flush(ByteView bytes, std::size_t size) {
    Bytes error;
    wire::error_response(error, {.severity = "ERROR",
                                 .severity_invariant = "ERROR",
                                 .sqlstate = "08P01",
                                 .message = "invalid message format"});
    answer_error(error);
    return drop(bytes, size);
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

// The statement that a Bind or Describe names, if there is a name and no statement.
std::optional<std::string_view> ClientSession::Relay::missing_statement(Byte tag, ByteView body,
                                                                        std::size_t size) const {
    std::string_view name;
    if (tag == 'B') {
        const auto head = wire::read_bind_head(body, size);
        if (!head) return std::nullopt;
        name = head->statement;
    } else if (tag == 'D') {
        const auto target = wire::read_describe(body);
        if (!target || target->kind != wire::TargetKind::Statement) return std::nullopt;
        name = target->name;
    }
    if (name.empty() || find(name) || !client.rules_->carries_statements) return std::nullopt;
    return name;
}

std::size_t ClientSession::Relay::in_lost_transaction(Byte tag, ByteView bytes, std::size_t size) {
    if (tag == 'X') return need(Need::Terminate);
    const std::size_t there = std::min(size, bytes.size());
    Bytes out;
    const ByteView body = bytes.subspan(kHeaderBytes, there - kHeaderBytes);
    if (const auto missing = missing_statement(tag, body, size - kHeaderBytes)) {
        client.lost_->answer_unknown(*missing, out);
    } else {
        client.lost_->answer(tag, body, out);
    }
    if (!out.empty()) effects.send(client.id_, effects.keep(out));
    if (client.lost_->is_over()) client.lost_.reset();
    return drop(bytes, size);
}

}  // namespace pgweir::session
