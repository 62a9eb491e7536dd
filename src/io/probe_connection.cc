// SPDX-License-Identifier: PostgreSQL
#include "io/probe_connection.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "io/probe_login.h"
#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

constexpr const char* kStatementName = "pgweir_look";
constexpr int kBinary = 1;
constexpr Duration kControlLifetime = Duration::seconds(1);
constexpr std::size_t kReasonBytesMax = 500;

// The SQLSTATE of "FATAL:  57P03: the database system is starting up", taken out of it; empty if
// there is none.
std::string take_sqlstate(std::string& message) {
    constexpr std::size_t kLength = 5;
    const auto is_code = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); };
    for (std::size_t at = message.find(":  "); at != std::string::npos;
         at = message.find(":  ", at + 1)) {
        const std::size_t begin = at + 3;
        if (message.size() < begin + kLength + 2) break;
        const std::string code = message.substr(begin, kLength);
        if (!std::all_of(code.begin(), code.end(), is_code)) continue;
        if (message.compare(begin + kLength, 2, ": ") != 0) continue;
        message.erase(begin, kLength + 2);
        return code;
    }
    return {};
}

// libpq's errors have a line for each address, each with indented advice that is for people.
std::string one_line(std::string_view text) {
    std::string line;
    while (!text.empty() && line.size() < kReasonBytesMax) {
        const std::string_view part = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), part.size() + 1));
        if (part.empty() || part.front() == '\t') continue;
        if (!line.empty()) line += "; ";
        for (char c : part) {
            if (static_cast<unsigned char>(c) < ' ') c = ' ';
            if (c != ' ' || line.empty() || line.back() != ' ') line += c;
        }
    }
    if (line.size() > kReasonBytesMax) line.resize(kReasonBytesMax);
    return line.empty() ? "libpq gave no reason" : line;
}

cluster::Observation began(Instant at) {
    cluster::Observation seen;
    seen.started_at = at;
    return seen;
}

std::string field(const PGresult* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text != nullptr ? text : "";
}

bool ends_session(const PGresult* result) {
    const std::string severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    return severity == "FATAL" || severity == "PANIC";
}

}  // namespace

ProbeConnection::~ProbeConnection() {
    parts_.resolver.forget(parts_.serial);
    poll_.reset();
}

std::string_view ProbeConnection::doing() const {
    switch (state_) {
        case State::Resolving:
            return "resolving its name";
        case State::Connecting:
            return "connecting";
        case State::Idle:
        case State::Preparing:
        case State::Asking:
        case State::Broken:
            break;
    }
    return "asking";
}

void ProbeConnection::open() {
    if (parts_.address.host.starts_with('/')) return connect({});
    // A waiter that was forgotten may still be told, when it is next to one that is being told.
    const std::weak_ptr<char> alive = alive_;
    parts_.resolver.resolve(
        parts_.serial, parts_.address.host,
        [this, alive](const std::vector<SocketAddress>& addresses, const std::string& failure) {
            if (alive.expired()) return;
            if (addresses.empty()) return fail(failure);
            connect(addresses);
        });
}

void ProbeConnection::connect(const std::vector<SocketAddress>& addresses) {
    const ProbeParameters parameters = probe_parameters(parts_.address, addresses, *parts_.login);
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : parameters) {
        keywords.push_back(keyword);
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
    PGWEIR_ASSERT(connection_ != nullptr);
    state_ = State::Connecting;
    PQsetNoticeReceiver(raw(), &ProbeConnection::on_notice, this);
    // Of a refused login libpq tells the SQLSTATE in no other way.
    PQsetErrorVerbosity(raw(), PQERRORS_VERBOSE);
    if (PQstatus(raw()) == CONNECTION_BAD) return fail_by_libpq();
    watch(UV_WRITABLE);
}

void ProbeConnection::go_on_connecting() {
    // libpq may close the socket and open another one, even with the same number.
    poll_.reset();
    switch (PQconnectPoll(raw())) {
        case PGRES_POLLING_READING:
            watch(UV_READABLE);
            return;
        case PGRES_POLLING_WRITING:
            watch(UV_WRITABLE);
            return;
        case PGRES_POLLING_OK:
            return connected();
        case PGRES_POLLING_FAILED:
        case PGRES_POLLING_ACTIVE:
            break;
    }
    fail_by_libpq();
}

void ProbeConnection::connected() {
    PQsetErrorVerbosity(raw(), PQERRORS_DEFAULT);
    if (PQsetnonblocking(raw(), 1) != 0) return fail_by_libpq();
    state_ = State::Idle;
    if (watch(UV_READABLE) && is_question_open_) begin_question();
}

bool ProbeConnection::watch(int events) {
    if (poll_ == nullptr) {
        int status = 0;
        poll_ = make_handle<uv_poll_t>(this, [&](uv_poll_t* poll) {
            status = uv_poll_init(parts_.loop, poll, PQsocket(raw()));
        });
        if (status != 0) {
            // Was never a handle of the loop.
            delete poll_.release();
            fail("the socket can't be watched");
            return false;
        }
        events_ = 0;
    }
    if (events == events_) return true;
    events_ = events;
    uv_poll_start(poll_.get(), events, [](uv_poll_t* poll, int status, int) {
        static_cast<ProbeConnection*>(poll->data)->on_ready(status);
    });
    return true;
}

void ProbeConnection::on_ready(int status) {
    if (state_ == State::Connecting) return go_on_connecting();
    // libuv lets go of a socket with an error.
    if (status < 0) events_ = 0;
    const bool is_over = PQconsumeInput(raw()) == 0;
    std::string reason = is_over ? one_line(PQerrorMessage(raw())) : std::string();
    // What came before the end says more than libpq.
    const bool is_complete = read_results();
    if (is_over) return fail(std::move(reason));
    if (is_fatal_ || PQstatus(raw()) == CONNECTION_BAD) return fail_by_libpq();
    if (state_ == State::Idle) {
        watch(UV_READABLE);
    } else if (is_complete) {
        end_question();
    } else {
        wait_for_answer();
    }
}

void ProbeConnection::ask() {
    PGWEIR_ASSERT(!is_question_open_);
    is_question_open_ = true;
    seen_ = began(clock_now());
    if (state_ == State::Idle) begin_question();
}

void ProbeConnection::begin_question() {
    const bool is_control =
        memory_.wants_control && !is_control_refused_ && clock_now() >= control_due_at_;
    question_ = is_control ? ProbeQuestion::Control : ProbeQuestion::Place;
    if (is_control || is_prepared_) return send_question();
    state_ = State::Preparing;
    if (PQsendPrepare(raw(), kStatementName, text(question_).c_str(), 0, nullptr) == 0) {
        return fail_by_libpq();
    }
    wait_for_answer();
}

void ProbeConnection::send_question() {
    state_ = State::Asking;
    is_answered_ = false;
    seen_.started_at = clock_now();
    int sent = 0;
    if (question_ == ProbeQuestion::Control) {
        control_due_at_ = seen_.started_at + kControlLifetime;
        sent = PQsendQueryParams(raw(), text(question_).c_str(), 0, nullptr, nullptr, nullptr,
                                 nullptr, kBinary);
    } else {
        sent = PQsendQueryPrepared(raw(), kStatementName, 0, nullptr, nullptr, nullptr, kBinary);
    }
    if (sent == 0) return fail_by_libpq();
    wait_for_answer();
}

void ProbeConnection::wait_for_answer() {
    const int left = PQflush(raw());
    if (left < 0) return fail_by_libpq();
    watch(left == 0 ? UV_READABLE : UV_READABLE | UV_WRITABLE);
}

bool ProbeConnection::read_results() {
    // Also reads what comes without a question: a notice, or the reason why the server closes.
    while (PQisBusy(raw()) == 0 && state_ != State::Idle && !is_fatal_) {
        const Result result(PQgetResult(raw()));
        if (result == nullptr) return true;
        take(result.get());
    }
    return false;
}

void ProbeConnection::take(const PGresult* result) {
    switch (PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
            return take_row(result);
        case PGRES_COMMAND_OK:
            if (state_ == State::Preparing) return;
            break;
        case PGRES_FATAL_ERROR:
            return note_error(result);
        default:
            break;
    }
    note_nonsense();
}

void ProbeConnection::take_row(const PGresult* result) {
    if (state_ == State::Asking && !is_answered_ && read_answer(result, memory_, seen_)) {
        is_answered_ = true;
    } else {
        note_nonsense();
    }
}

void ProbeConnection::note_nonsense() {
    seen_.failure = "the server answers something else than it was asked";
    is_fatal_ = true;
}

void ProbeConnection::note_error(const PGresult* result) {
    // libpq adds an error of its own when the server closes after one.
    const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
    if (!seen_.failure.empty() || (sqlstate.empty() && PQstatus(raw()) == CONNECTION_BAD)) return;
    const std::string primary = field(result, PG_DIAG_MESSAGE_PRIMARY);
    seen_.failure = one_line(primary.empty() ? PQresultErrorMessage(result) : primary);
    seen_.sqlstate = sqlstate;
    is_fatal_ = ends_session(result);
}

void ProbeConnection::on_notice(void* self, const PGresult* notice) {
    // An error that comes without a question is given here.
    if (ends_session(notice)) static_cast<ProbeConnection*>(self)->note_error(notice);
}

void ProbeConnection::end_question() {
    if (!seen_.failure.empty()) {
        // Class 42: access rule violations and functions that don't exist.
        const bool is_refused = seen_.sqlstate.starts_with("42");
        if (!is_refused || question_ != ProbeQuestion::Control) return tell();
        is_control_refused_ = true;
        seen_ = began(seen_.started_at);
        return begin_question();
    }
    if (state_ == State::Preparing) {
        is_prepared_ = true;
        return send_question();
    }
    if (is_answered_) return tell();
    note_nonsense();
    fail_by_libpq();
}

void ProbeConnection::tell() {
    if (!watch(UV_READABLE)) return;
    state_ = State::Idle;
    is_question_open_ = false;
    seen_.ended_at = clock_now();
    parts_.owner.on_seen(*this, std::exchange(seen_, {}));
}

void ProbeConnection::fail(std::string reason) {
    state_ = State::Broken;
    poll_.reset();
    connection_.reset();
    const Instant now = clock_now();
    cluster::Observation seen = began(is_question_open_ ? seen_.started_at : now);
    seen.ended_at = now;
    is_question_open_ = false;
    seen.failure = seen_.failure.empty() ? std::move(reason) : std::move(seen_.failure);
    seen.sqlstate = std::move(seen_.sqlstate);
    parts_.owner.on_seen(*this, std::move(seen));
}

void ProbeConnection::fail_by_libpq() {
    std::string message = PQerrorMessage(raw());
    if (state_ == State::Connecting) {
        // A line of its own says where in PostgreSQL's source it happened.
        message = message.substr(0, message.find("\nLOCATION:"));
        if (seen_.sqlstate.empty()) seen_.sqlstate = take_sqlstate(message);
    }
    fail(one_line(message));
}

}  // namespace pgweir::io
