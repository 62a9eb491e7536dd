// SPDX-License-Identifier: PostgreSQL
#include "fuzz/session_server.h"

#include <algorithm>
#include <optional>

#include "pgweir/base/assert.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"
#include "pgweir/wire/fields.h"
#include "pgweir/wire/frontend_messages.h"
#include "support/told.h"

namespace pgweir::fuzz {

namespace {

constexpr std::uint32_t kCancelRequestCode = 80877102;

void append(Bytes& out, const Bytes& message) {
    out.insert(out.end(), message.begin(), message.end());
}

bool begins(std::string_view text, std::string_view word) {
    return text.substr(0, word.size()) == word;
}

}  // namespace

std::string text(Token token) {
    return "/*" + std::string(1, token.kind) + std::to_string(token.number) + "*/";
}

std::vector<Token> tokens_in(ByteView bytes) {
    std::vector<Token> tokens;
    const std::string_view text = as_text(bytes);
    for (std::size_t at = text.find("/*"); at != text.npos; at = text.find("/*", at + 2)) {
        const std::size_t end = text.find("*/", at);
        if (end == text.npos || end < at + 4 || end > at + 12) continue;
        Token token{text[at + 2], 0};
        if (token.kind != 'c' && token.kind != 's') continue;
        bool is_number = true;
        for (char c : text.substr(at + 3, end - at - 3)) {
            is_number = is_number && c >= '0' && c <= '9';
            token.number = token.number * 10 + static_cast<unsigned>(c - '0');
        }
        if (is_number) tokens.push_back(token);
    }
    return tokens;
}

std::vector<Frame> take_frames(Bytes& bytes) {
    std::vector<Frame> frames;
    std::size_t at = 0;
    while (bytes.size() - at >= 5) {
        const std::size_t length = load_u32(bytes.data() + at + 1);
        PGWEIR_ASSERT(length >= 4);
        if (bytes.size() - at < 1 + length) break;
        const auto body = bytes.begin() + static_cast<std::ptrdiff_t>(at + 5);
        frames.push_back({static_cast<char>(bytes[at]),
                          Bytes(body, body + static_cast<std::ptrdiff_t>(length - 4))});
        at += 1 + length;
    }
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
    return frames;
}

std::vector<Frame> HonestServer::hear(ByteView bytes) {
    PGWEIR_ASSERT(!said_goodbye_ && !is_cancel_request_);
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
    std::vector<Frame> heard;
    if (!is_started_) {
        if (unread_.size() < 8) return heard;
        const std::size_t length = load_u32(unread_.data());
        PGWEIR_ASSERT(length >= 8);
        if (unread_.size() < length) return heard;
        const auto end = unread_.begin() + static_cast<std::ptrdiff_t>(length);
        heard.push_back({0, Bytes(unread_.begin() + 4, end)});
        unread_.erase(unread_.begin(), end);
        is_started_ = true;
        is_cancel_request_ = load_u32(heard[0].body.data()) == kCancelRequestCode;
    }
    for (Frame& frame : take_frames(unread_)) heard.push_back(std::move(frame));
    for (const Frame& frame : heard) {
        if (frame.tag == 'X') said_goodbye_ = true;
        requests_.push_back(frame);
    }
    return heard;
}

bool HonestServer::owes_nothing() const {
    return std::all_of(requests_.begin(), requests_.end(), [](const Frame& request) {
        return request.tag == 'd' || request.tag == 'c' || request.tag == 'f' || request.tag == 'H';
    });
}

Bytes HonestServer::answer() {
    Bytes out;
    if (requests_.empty() || ends_) return out;
    const Frame request = std::move(requests_.front());
    requests_.pop_front();
    if (request.tag == 0) {
        start(request.body, out);
    } else if (copy_ != Copy::None) {
        in_copy(request, out);
    } else if (request.tag == 'S') {
        is_skipping_ = is_unsynced_ = false;
        portals_.clear();
        ready(out);
    } else if (is_skipping_) {
        return out;
    } else if (request.tag == 'Q') {
        simple_query(request.body, out);
    } else if (request.tag == 'F') {
        function_call(request.body, out);
    } else {
        extended(request, out);
    }
    return out;
}

void HonestServer::start(ByteView packet, Bytes& out) {
    if (is_cancel_request_) return;
    PGWEIR_ASSERT(load_u32(packet.data()) >> 16 == 3);
    append(out, testing::message('R', std::string_view("\0\0\0\0", 4)));
    report("server_version", "15.4", out);
    report("client_encoding", "UTF8", out);
    report("DateStyle", "ISO, MDY", out);
    report("application_name", "", out);
    testing::Said key = testing::message('K', std::string(8, '\1'));
    store_u32(key.data() + 5, number_);
    append(out, key);
    ready(out);
}

// SELECT pg_catalog.set_config('name','value',false); or RESET "name"; each as its own statement.
void HonestServer::settings(std::string_view sql, Bytes& out) {
    Bytes reports;
    for (std::size_t at = 0; at < sql.size();) {
        const std::size_t end = std::min(sql.find(';', at), sql.size());
        const std::string_view one = sql.substr(at, end - at);
        at = end + 1;
        std::vector<std::string_view> words;
        for (std::size_t quote = one.find_first_of("'\""); quote != one.npos;) {
            const std::size_t close = one.find(one[quote], quote + 1);
            if (close == one.npos) break;
            words.push_back(one.substr(quote + 1, close - quote - 1));
            quote = one.find_first_of("'\"", close + 1);
        }
        if (begins(one, "RESET")) {
            append(out, testing::server::complete("RESET"));
            if (!words.empty()) report(words[0], "", reports);
        } else {
            append(out, testing::server::columns() + testing::server::row() +
                            testing::server::complete("SELECT 1"));
            if (words.size() > 1) report(words[0], words[1], reports);
        }
    }
    append(out, reports);
}

void HonestServer::simple_query(ByteView body, Bytes& out) {
    const std::string_view sql = as_text(body.first(body.empty() ? 0 : body.size() - 1));
    is_unsynced_ = false;
    // A simple Query destroys the unnamed statement, and the unnamed portal.
    statements_.erase("");
    portals_.erase("");
    if (sql.find("set_config(") != sql.npos || begins(sql, "RESET \"")) {
        settings(sql, out);
        return ready(out);
    }
    run(sql, askers_of(body), Copy::Simple, out);
    if (copy_ == Copy::None) ready(out);
}

void HonestServer::function_call(ByteView body, Bytes& out) {
    is_unsynced_ = false;
    if (status_ == 'E') {
        fail("25P02", askers_of(body), out);
    } else {
        append(out, testing::message('V', std::string_view("\377\377\377\377", 4)));
    }
    ready(out);
}

bool HonestServer::run(std::string_view sql, const std::string& askers, Copy copy, Bytes& out) {
    namespace say = testing::server;
    if (begins(sql, "COMMIT") || begins(sql, "ROLLBACK")) {
        append(out, say::complete(begins(sql, "COMMIT") && status_ != 'E' ? "COMMIT" : "ROLLBACK"));
        status_ = 'I';
    } else if (status_ == 'E') {
        fail("25P02", askers, out);
        return false;
    } else if (begins(sql, "BEGIN")) {
        append(out, say::complete("BEGIN"));
        status_ = 'T';
    } else if (begins(sql, "FAIL")) {
        fail("22012", askers, out);
        return false;
    } else if (begins(sql, "COPY t FROM")) {
        append(out, say::copy_in());
        copy_ = copy;
    } else if (begins(sql, "COPY t TO")) {
        append(out, say::copy_out() + say::copy_data(askers) + say::copy_done() +
                        say::complete("COPY 1"));
    } else if (begins(sql, "SET")) {
        append(out, say::complete("SET"));
        report("DateStyle", sql.find("German") != sql.npos ? "German, DMY" : "ISO, MDY", out);
    } else if (begins(sql, "DISCARD ALL") || begins(sql, "DEALLOCATE ALL")) {
        statements_.clear();
        append(out, say::complete(begins(sql, "DIS") ? "DISCARD ALL" : "DEALLOCATE ALL"));
        if (begins(sql, "DIS")) report("DateStyle", "ISO, MDY", out);
    } else if (sql.empty() || begins(sql, "/*")) {
        append(out, testing::message('I'));
    } else {
        if (copy == Copy::Simple) append(out, say::columns());
        append(out, say::row(askers) + say::complete("SELECT 1"));
    }
    return true;
}

void HonestServer::extended(const Frame& request, Bytes& out) {
    is_unsynced_ = request.tag != 'H' && request.tag != 'X' && request.tag != 'd' &&
                           request.tag != 'c' && request.tag != 'f'
                       ? true
                       : is_unsynced_;
    switch (request.tag) {
        case 'P':
            return parse(request.body, out);
        case 'B':
            return bind(request.body, out);
        case 'D':
            return describe(request.body, out);
        case 'C':
            return close(request.body, out);
        case 'E': {
            const auto message = wire::read_execute(request.body);
            if (!message) return fail("08P01", {}, out);
            auto portal = portals_.find(std::string(message->portal));
            if (portal == portals_.end()) return fail("34000", {}, out);
            run(portal->second.statement, portal->second.askers, Copy::Extended, out);
            return;
        }
        default:
            return;
    }
}

void HonestServer::parse(ByteView body, Bytes& out) {
    const auto message = wire::read_parse(body);
    if (!message) return fail("08P01", {}, out);
    const std::string name(message->statement);
    if (!name.empty() && statements_.contains(name)) return fail("42P05", {}, out);
    if (name.empty()) statements_.erase("");
    if (begins(message->text, "SYNTAX")) return fail("42601", askers_of(body), out);
    statements_[name] = message->text;
    append(out, testing::server::parsed());
}

void HonestServer::bind(ByteView body, Bytes& out) {
    const auto head = wire::read_bind_head(body, body.size());
    if (!head) return fail("08P01", {}, out);
    auto found = statements_.find(std::string(head->statement));
    if (found == statements_.end()) return fail("26000", askers_of(body), out);
    const bool ends_transaction =
        begins(found->second, "COMMIT") || begins(found->second, "ROLLBACK");
    if (status_ == 'E' && !ends_transaction) return fail("25P02", askers_of(body), out);
    portals_[std::string(head->portal)] = {found->second,
                                           askers_of(as_bytes(found->second)) + askers_of(body)};
    append(out, testing::server::bound());
}

void HonestServer::describe(ByteView body, Bytes& out) {
    const auto target = wire::read_describe(body);
    if (!target) return fail("08P01", {}, out);
    const std::string name(target->name);
    if (target->kind == wire::TargetKind::Portal) {
        if (!portals_.contains(name)) return fail("34000", {}, out);
        return append(out, testing::server::no_data());
    }
    if (!statements_.contains(name)) return fail("26000", {}, out);
    append(out, testing::message('t', std::string_view("\0\0", 2)) + testing::server::columns());
}

void HonestServer::close(ByteView body, Bytes& out) {
    const auto target = wire::read_close(body);
    if (!target) return fail("08P01", {}, out);
    if (target->kind == wire::TargetKind::Statement) {
        statements_.erase(std::string(target->name));
    } else {
        portals_.erase(std::string(target->name));
    }
    append(out, testing::server::closed());
}

// Message Flow, "COPY Operations": Flush and Sync are ignored in copy-in mode; any message
// that has no place there ends the connection.
void HonestServer::in_copy(const Frame& request, Bytes& out) {
    if (request.tag == 'd' || request.tag == 'H' || request.tag == 'S' || request.tag == 'X')
        return;
    const bool was_simple = copy_ == Copy::Simple;
    copy_ = Copy::None;
    if (request.tag == 'c') {
        append(out, testing::server::complete("COPY 0"));
    } else if (request.tag == 'f') {
        fail("57014", {}, out);
    } else {
        // The message's length was not read: "protocol synchronization was lost".
        ends_ = true;
        return append(out, testing::server::error("08P01", "FATAL"));
    }
    if (was_simple) ready(out);
}

void HonestServer::report(std::string_view name, std::string_view value, Bytes& out) {
    append(out, testing::server::status(name, value));
}

void HonestServer::fail(std::string_view sqlstate, const std::string& askers, Bytes& out) {
    wire::error_response(out, {.severity = "ERROR",
                               .severity_invariant = "ERROR",
                               .sqlstate = sqlstate,
                               .message = "no " + askers});
    if (status_ == 'T') status_ = 'E';
    if (is_unsynced_) is_skipping_ = true;
}

void HonestServer::ready(Bytes& out) {
    append(out, testing::server::ready(status_));
}

std::string HonestServer::askers_of(ByteView bytes) const {
    if (!names_askers_) return text(Token{'s', number_});
    std::string askers;
    for (const Token& token : tokens_in(bytes)) askers += text(token);
    return askers;
}

}  // namespace pgweir::fuzz
