// SPDX-License-Identifier: PostgreSQL
#include "session/server_relay.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "pgweir/session/client_session.h"
#include "pgweir/wire/backend_messages.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;
// Messages that must be seen whole are small; a server that says otherwise is broken.
constexpr std::uint32_t kWholeBytesMax = 1U << 20;
// PostgreSQL builds no message over 1 GiB (MaxAllocSize).
constexpr std::uint32_t kLengthMax = 0x3fffffff;

// A command after which a part of its message may have come to stay.
bool has_committed(std::string_view command_tag) {
    return command_tag == "COMMIT" || command_tag == "CALL" || command_tag == "DO" ||
           command_tag == "PREPARE TRANSACTION";
}

// What others have prepared may give another result from now on.
bool changes_definitions(std::string_view command_tag) {
    return command_tag.starts_with("ALTER ") || command_tag.starts_with("DROP ") ||
           command_tag == "CREATE VIEW";
}

bool must_be_whole(Byte tag) {
    return tag == 'Z' || tag == 'C' || tag == 'E' || tag == 'S';
}

}  // namespace

void ServerSession::Relay::run(ByteView bytes) {
    relay(bytes);
    // What is still held outlives the event in a copy.
    if (!pending.empty()) server.replay_.hold(pending);
}

void ServerSession::Relay::relay(ByteView bytes) {
    while (!bytes.empty() && !broken() && !is_worthless()) {
        if (server.streaming_ > 0) {
            const std::size_t n = std::min<std::uint64_t>(server.streaming_, bytes.size());
            if (server.streaming_to_client_) send(bytes.first(n));
            server.streaming_ -= n;
            bytes = bytes.subspan(n);
            if (server.streaming_ == 0 && is_local_next()) answer_locally();
            continue;
        }
        if (!server.held_.empty()) {
            if (!complete_held(bytes)) return;
            continue;
        }
        bytes = bytes.subspan(message(bytes));
    }
}

ServerSession::Relay::Verdict ServerSession::Relay::violation(std::string_view what) {
    if (!broken()) news.violation = what;
    return Verdict::Violation;
}

// Words are put together out of the way of the messages that need none.
[[gnu::cold]] ServerSession::Relay::Verdict ServerSession::Relay::bad_length(std::uint32_t length) {
    return violation("a message of length " + std::to_string(length));
}

[[gnu::cold]] ServerSession::Relay::Verdict ServerSession::Relay::too_long(Byte tag,
                                                                           std::size_t size) {
    return violation("a message '" + std::string(1, static_cast<char>(tag)) + "' of " +
                     std::to_string(size) + " bytes");
}

[[gnu::cold]] ServerSession::Relay::Verdict ServerSession::Relay::unknown_type(Byte tag) {
    return violation("an unknown message type " + std::to_string(tag));
}

[[gnu::cold]] ServerSession::Relay::Verdict ServerSession::Relay::unasked(Byte tag) {
    return violation(std::string("an answer '") + static_cast<char>(tag) +
                     "' that nobody asked for");
}

void ServerSession::Relay::send(ByteView bytes) {
    if (client == nullptr) return;
    if (server.replay_.holds()) return hold(bytes);
    effects.send(client->id(), bytes);
}

void ServerSession::Relay::hold(ByteView bytes) {
    Replay& replay = server.replay_;
    if (replay.held().size() + pending.size() + bytes.size() > Replay::kHeldBytesMax) {
        pass_on();
        return effects.send(client->id(), bytes);
    }
    if (pending.empty()) {
        pending = bytes;
    } else if (pending.data() + pending.size() == bytes.data()) {
        pending = ByteView(pending.data(), pending.size() + bytes.size());
    } else {
        replay.hold(pending);
        pending = bytes;
    }
}

void ServerSession::Relay::pass_on() {
    Replay& replay = server.replay_;
    if (!replay.holds()) return;
    if (!replay.held().empty()) {
        if (client != nullptr) effects.send(client->id(), effects.keep(replay.held()));
        replay.drop_held();
    }
    if (!pending.empty() && client != nullptr) effects.send(client->id(), pending);
    pending = {};
    replay.pass_on();
}

bool ServerSession::Relay::complete_held(ByteView& bytes) {
    ByteQueue& held = server.held_;
    std::size_t wanted = kHeaderBytes;
    if (held.size() >= kHeaderBytes) wanted = 1 + std::size_t{load_u32(held.view().data() + 1)};
    const std::size_t n = std::min(wanted - held.size(), bytes.size());
    held.append(bytes.first(n));
    bytes = bytes.subspan(n);
    if (held.size() < wanted) return false;
    // The message outlives the queue in the effects.
    const ByteView kept = effects.keep(held.view());
    held.clear();
    message(kept);
    return true;
}

std::size_t ServerSession::Relay::message(ByteView bytes) {
    if (bytes.size() < kHeaderBytes) {
        server.held_.append(bytes);
        return bytes.size();
    }
    const Byte tag = bytes[0];
    const std::uint32_t length = load_u32(bytes.data() + 1);
    if (length < 4 || length > kLengthMax) {
        bad_length(length);
        return bytes.size();
    }
    const std::size_t size = 1 + std::size_t{length};
    if (must_be_whole(tag)) {
        if (size > kWholeBytesMax) {
            too_long(tag, size);
            return bytes.size();
        }
        if (bytes.size() < size) {
            server.held_.append(bytes);
            return bytes.size();
        }
        if (whole(tag, bytes.subspan(kHeaderBytes, size - kHeaderBytes)) == Verdict::Pass) {
            send(bytes.first(size));
        }
        if (std::exchange(ends_unit, false)) server.replay_.unit_ended();
        if (is_local_next()) answer_locally();
        return size;
    }
    const Verdict verdict = judge(tag, length);
    if (verdict == Verdict::Violation) return bytes.size();
    std::size_t n = std::min(size, bytes.size());
    if (tag == 'D' && n == size) n += rows(bytes.subspan(n));
    if (verdict == Verdict::Pass) send(bytes.first(n));
    if (n < size) {
        server.streaming_ = size - n;
        server.streaming_to_client_ = verdict == Verdict::Pass;
    } else if (is_local_next()) {
        answer_locally();
    }
    return n;
}

// The whole DataRow messages that follow one another: what was judged of the first holds for all.
std::size_t ServerSession::Relay::rows(ByteView bytes) const {
    std::size_t at = 0;
    while (bytes.size() - at >= kHeaderBytes && bytes[at] == 'D') {
        const std::uint32_t length = load_u32(bytes.data() + at + 1);
        if (length < 4 || length > kLengthMax || length >= bytes.size() - at) break;
        at += 1 + std::size_t{length};
    }
    return at;
}

ServerSession::Relay::Verdict ServerSession::Relay::for_asker() const {
    return server.answers_.front().asker == Asker::Client ? Verdict::Pass : Verdict::Swallow;
}

ServerSession::Relay::Verdict ServerSession::Relay::judge(Byte tag, std::uint32_t length) {
    switch (tag) {
        case 'N':
            // A notice is for whoever runs something; outside a lease nobody reads it.
            end_refusals();
            return server.answers_.empty() || for_asker() == Verdict::Pass ? Verdict::Pass
                                                                           : Verdict::Swallow;
        case 'A':
            return Verdict::Pass;
        case 'D':
            return row();
        case 'T':
            if (server.answers_.empty()) break;
            if (server.answers_.front().kind == Expected::Query) return for_asker();
            return described();
        case 'n':
            return length == 4 ? described() : violation("NoData with a body");
        case 't':
            if (server.answers_.empty() ||
                server.answers_.front().kind != Expected::DescribeStatement) {
                break;
            }
            server.answers_.front().kind = Expected::DescribePortal;
            return for_asker();
        case '1':
            return length == 4 ? answer(Expected::Parse) : violation("ParseComplete with a body");
        case '2':
            return length == 4 ? answer(Expected::Bind) : violation("BindComplete with a body");
        case '3':
            return length == 4 ? answer(Expected::Close) : violation("CloseComplete with a body");
        case 'I':
            return length == 4 ? portal_end(false) : violation("EmptyQueryResponse with a body");
        case 's':
            return length == 4 ? portal_end(true) : violation("PortalSuspended with a body");
        case 'G':
        case 'H':
        case 'W':
            return copy_started(tag);
        case 'd':
        case 'c':
            return copy_data();
        case 'V':
            if (server.answers_.empty() || server.answers_.front().kind != Expected::FunctionCall) {
                break;
            }
            return for_asker();
        default:
            return unknown_type(tag);
    }
    return unasked(tag);
}

ServerSession::Relay::Verdict ServerSession::Relay::whole(Byte tag, ByteView body) {
    switch (tag) {
        case 'Z':
            return ready_for_query(body);
        case 'C':
            return command_complete(body);
        case 'S':
            return parameter_status(body);
        default:
            return error(body);
    }
}

ServerSession::Relay::Verdict ServerSession::Relay::answer(Expected wanted) {
    if (server.answers_.empty() || server.answers_.front().kind != wanted) {
        return violation("an answer that nobody asked for");
    }
    const Verdict verdict = for_asker();
    Expectation& entry = server.answers_.front();
    if (wanted == Expected::Parse && !entry.touches_unnamed && entry.statement) {
        server.statements_.confirm(entry.statement, entry.number);
    }
    note_change(entry);
    server.answers_.pop();
    return verdict;
}

// What the client's names meant before, as long as the unit may be taken back.
void ServerSession::Relay::note_change(Expectation& entry) {
    if (!server.replay_.holds() || entry.asker != Asker::Client) return;
    if (entry.touches_name) server.replay_.note_change(entry.name, entry.previous);
    if (entry.touches_unnamed) server.replay_.note_change({}, entry.previous);
}

ServerSession::Relay::Verdict ServerSession::Relay::described() {
    return answer(Expected::DescribePortal);
}

ServerSession::Relay::Verdict ServerSession::Relay::row() {
    if (server.answers_.empty()) return violation("a row that nobody asked for");
    const Expected kind = server.answers_.front().kind;
    if (kind != Expected::Execute && kind != Expected::Query) {
        return violation("a row that nobody asked for");
    }
    const Verdict verdict = for_asker();
    if (verdict == Verdict::Pass) pass_on();
    return verdict;
}

ServerSession::Relay::Verdict ServerSession::Relay::portal_end(bool only_execute) {
    if (server.answers_.empty()) return violation("the end of a result that nobody asked for");
    const Expected kind = server.answers_.front().kind;
    if (kind == Expected::Execute) return answer(Expected::Execute);
    if (kind == Expected::Query && !only_execute) return for_asker();
    return violation("the end of a result that nobody asked for");
}

ServerSession::Relay::Verdict ServerSession::Relay::copy_started(Byte tag) {
    if (server.answers_.empty()) return violation("a COPY that nobody asked for");
    const Expected kind = server.answers_.front().kind;
    if (kind != Expected::Execute && kind != Expected::Query) {
        return violation("a COPY that nobody asked for");
    }
    if (for_asker() == Verdict::Pass) pass_on();
    if (tag == 'H') return for_asker();
    // What follows belongs to this unit, without being a part of its copy.
    server.replay_.forget();
    // Sync is ignored while COPY FROM STDIN reads (Message Flow, "COPY Operations"): those that
    // were sent already are not answered either.
    server.copy_in_ = true;
    for (std::size_t i = 1; i < server.answers_.size();) {
        if (server.answers_[i].kind == Expected::CopyEnd) {
            server.copy_in_ = false;
            break;
        }
        if (server.answers_[i].kind == Expected::Sync) {
            server.answers_.erase(i);
        } else {
            ++i;
        }
    }
    return for_asker();
}

ServerSession::Relay::Verdict ServerSession::Relay::copy_data() {
    return row();
}

ServerSession::Relay::Verdict ServerSession::Relay::command_complete(ByteView body) {
    const auto command_tag = wire::read_command_complete(body);
    if (!command_tag) return violation("a malformed CommandComplete");
    if (server.answers_.empty()) return violation("a CommandComplete that nobody asked for");
    Expectation& entry = server.answers_.front();
    if (entry.kind != Expected::Execute && entry.kind != Expected::Query) {
        return violation("a CommandComplete that nobody asked for");
    }
    server.copy_in_ = false;
    const Verdict verdict = for_asker();
    end_refusals();
    if (has_committed(*command_tag)) server.note_may_commit(true);
    if (!command_tag->empty() && (command_tag->front() == 'D' || command_tag->front() == 'R')) {
        command_effects(*command_tag, entry);
    }
    if (changes_definitions(*command_tag)) server.has_altered_ = news.definitions_changed = true;
    if (entry.kind == Expected::Execute) server.answers_.pop();
    return verdict;
}

// What a command does to the state that pgweir keeps for the session.
void ServerSession::Relay::command_effects(std::string_view command_tag, Expectation& entry) {
    if (command_tag == "DISCARD ALL") {
        // Parameters that pgweir had set are back to the server's defaults.
        ParameterSet reported;
        for (const Parameter& parameter : server.facts_.parameters->all()) {
            if (parameter.is_reported) reported.put(parameter.name, parameter.value, true);
        }
        server.facts_.parameters = server.parameter_directory_.intern(std::move(reported));
    } else if (command_tag == "RESET" && entry.asker != Asker::Settings) {
        // Of one parameter or of all, and it may be rolled back. (What pgweir itself resets for a
        // client is known.)
        ParameterSet doubtful = *server.facts_.parameters;
        doubtful.doubt_own();
        server.facts_.parameters = server.parameter_directory_.intern(std::move(doubtful));
    }
    const bool resets = command_tag == "DISCARD ALL" || command_tag == "RESET";
    if (resets && client != nullptr && entry.asker == Asker::Client) client->note_reset();
    if (command_tag == "DISCARD ALL" || command_tag == "DEALLOCATE ALL") {
        server.statements_.clear();
        if (client != nullptr && entry.asker == Asker::Client) client->forget_statements();
        if (client != nullptr && command_tag == "DISCARD ALL") client->note_discarded();
    } else if (command_tag == "DEALLOCATE" && entry.statement) {
        server.statements_.remove(entry.statement);
        if (client != nullptr) client->forget_statement(entry.name);
    }
}

ServerSession::Relay::Verdict ServerSession::Relay::parameter_status(ByteView body) {
    const auto status = wire::read_parameter_status(body);
    if (!status) return violation("a malformed ParameterStatus");
    const bool is_ours = !server.answers_.empty() && for_asker() == Verdict::Swallow;
    const bool is_role = same_parameter_name(status->name, "in_hot_standby");
    if (is_role) {
        const bool is_standby = status->value == "on";
        news.role_reported = news.role_reported || is_standby != server.is_standby_;
        server.is_standby_ = is_standby;
        // Where a unit runs is not the client's concern if reads are split.
        if (client != nullptr && client->is_split()) return Verdict::Swallow;
    }
    const Parameter* known = server.facts_.parameters->find(status->name);
    if (known == nullptr || !known->is_reported || known->value != status->value) {
        ParameterSet changed = *server.facts_.parameters;
        changed.put(status->name, status->value, true);
        server.set_parameters(server.parameter_directory_.intern(std::move(changed)));
        news.parameters_changed = true;
    }
    // What pgweir's own statement has set is no news to the client; the node's role is.
    if ((is_ours && !is_role) || client == nullptr) return Verdict::Swallow;
    if (const Parameter* asked = client->restored(status->name, status->value, *server.fresh_)) {
        const Parameter* told = client->wanted()->find(asked->name);
        if (told != nullptr && told->value == asked->value) return Verdict::Swallow;
        Bytes out;
        wire::parameter_status(out, asked->name, asked->value);
        send(effects.keep(out));
        client->parameter_reported(asked->name, asked->value);
        return Verdict::Swallow;
    }
    client->parameter_reported(status->name, status->value);
    return Verdict::Pass;
}

ServerSession::Relay::Verdict ServerSession::Relay::ready_for_query(ByteView body) {
    const auto status = wire::read_ready_for_query(body);
    if (!status) return violation("a malformed ReadyForQuery");
    if (server.answers_.empty()) return violation("a ReadyForQuery that nobody asked for");
    Expectation& entry = server.answers_.front();
    if (entry.kind != Expected::Query && entry.kind != Expected::FunctionCall &&
        entry.kind != Expected::Sync) {
        return violation("a ReadyForQuery before its time");
    }
    server.status_ = *status;
    server.copy_in_ = false;
    server.is_begin_sent_ = false;
    if (server.has_altered_ && *status == wire::TransactionStatus::Idle) {
        server.has_altered_ = false;
        news.definitions_changed = true;
    }
    if (!server.doubt_.empty() && settle_doubt(*status) == Verdict::Swallow) {
        end_answer();
        return Verdict::Swallow;
    }
    const Verdict verdict = for_asker();
    if (verdict == Verdict::Pass && server.replay_.is_active()) {
        pass_on();
        ends_unit = true;
    }
    end_answer();
    if (client != nullptr && *status == wire::TransactionStatus::Idle) client->note_idle();
    if (client != nullptr && client->is_reset() && verdict == Verdict::Pass) {
        client->restore_settings(server, effects);
    }
    if (verdict == Verdict::Pass && client != nullptr && client->forbids_transactions() &&
        *status != wire::TransactionStatus::Idle) {
        news.opened_transaction = true;
        return Verdict::Swallow;
    }
    if (verdict == Verdict::Pass) {
        ++news.queries;
        if (*status == wire::TransactionStatus::Idle) ++news.transactions;
    }
    return verdict;
}

// The front entry has had its ReadyForQuery.
void ServerSession::Relay::end_answer() {
    server.answers_.pop();
    // The end of a COPY that this answer belongs to is no question of its own.
    while (!server.answers_.empty() && server.answers_.front().kind == Expected::CopyEnd) {
        server.answers_.pop();
    }
    if (server.answers_.empty()) {
        server.is_unsynced_ = false;
        server.may_commit_ = false;
    }
}

// Entries that no question was sent for are answered when their turn comes.
void ServerSession::Relay::answer_locally() {
    while (!server.answers_.empty()) {
        Expectation& entry = server.answers_.front();
        switch (entry.kind) {
            case Expected::CopyEnd:
                break;
            case Expected::LocalParseComplete:
                note_change(entry);
                if (entry.asker == Asker::Client) send(effects.keep(wire::kParseComplete));
                break;
            case Expected::LocalError:
                if (entry.asker == Asker::Client) send(effects.keep(as_bytes(entry.name)));
                break;
            default:
                return;
        }
        server.answers_.pop();
    }
}

}  // namespace pgweir::session
