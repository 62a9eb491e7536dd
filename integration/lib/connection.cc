// SPDX-License-Identifier: PostgreSQL
// libpq in the words of the tests.
#include "connection.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace pgweir::integration {
namespace {

Answer read_result(PGresult* result) {
    Answer answer;
    answer.status = PQresultStatus(result);
    if (const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE)) answer.sqlstate = state;
    if (const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)) {
        answer.message = text;
    } else {
        answer.message = PQresultErrorMessage(result);
    }
    answer.tag = PQcmdStatus(result);
    for (int column = 0; column < PQnfields(result); ++column) {
        answer.columns.emplace_back(PQfname(result, column));
    }
    for (int row = 0; row < PQntuples(result); ++row) {
        auto& cells = answer.rows.emplace_back();
        for (int column = 0; column < PQnfields(result); ++column) {
            if (PQgetisnull(result, row, column)) {
                cells.emplace_back();
            } else {
                cells.emplace_back(
                    std::string(PQgetvalue(result, row, column),
                                static_cast<std::size_t>(PQgetlength(result, row, column))));
            }
        }
    }
    PQclear(result);
    return answer;
}

void remember_notice(void* list, const PGresult* result) {
    const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    static_cast<std::vector<std::string>*>(list)->emplace_back(text != nullptr ? text : "");
}

std::vector<const char*> pointers(const std::vector<std::string>& values) {
    std::vector<const char*> result;
    for (const auto& value : values) result.push_back(value.c_str());
    return result;
}

}  // namespace

std::string Answer::value() const {
    if (rows.empty() || rows[0].empty()) return "";
    return rows[0][0].value_or("NULL");
}

std::optional<std::string> Answer::at(std::size_t row, const std::string& column) const {
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (columns[i] == column && row < rows.size()) return rows[row][i];
    }
    return std::nullopt;
}

Connection::Connection(const Target& target, const std::string& more) {
    adopt(PQconnectdb(target.conninfo(more).c_str()));
    if (!is_ok()) throw HarnessError("can't connect: " + error());
}

Connection Connection::attempt(const Target& target, const std::string& more) {
    Connection made;
    made.adopt(PQconnectdb(target.conninfo(more).c_str()));
    return made;
}

Connection Connection::begin(const Target& target, const std::string& more) {
    Connection made;
    made.adopt(PQconnectStart(target.conninfo(more).c_str()));
    return made;
}

void Connection::adopt(PGconn* connection) {
    connection_.reset(connection);
    PQsetNoticeReceiver(connection, &remember_notice, notices_.get());
}

std::string Connection::error() const {
    return PQerrorMessage(raw());
}

std::string Connection::parameter(const std::string& name) const {
    const char* value = PQparameterStatus(raw(), name.c_str());
    return value != nullptr ? value : "";
}

Answer Connection::query(const std::string& sql) {
    send(sql);
    return answer();
}

Answer Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
    auto values = pointers(parameters);
    if (PQsendQueryParams(raw(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                          values.data(), nullptr, nullptr, 0) == 0) {
        return {.status = PGRES_FATAL_ERROR, .sqlstate = "08006", .message = error()};
    }
    return answer();
}

Answer Connection::prepare(const std::string& name, const std::string& sql) {
    if (PQsendPrepare(raw(), name.c_str(), sql.c_str(), 0, nullptr) == 0) {
        return {.status = PGRES_FATAL_ERROR, .sqlstate = "08006", .message = error()};
    }
    return answer();
}

Answer Connection::execute(const std::string& name, const std::vector<std::string>& parameters) {
    auto values = pointers(parameters);
    if (PQsendQueryPrepared(raw(), name.c_str(), static_cast<int>(values.size()), values.data(),
                            nullptr, nullptr, 0) == 0) {
        return {.status = PGRES_FATAL_ERROR, .sqlstate = "08006", .message = error()};
    }
    return answer();
}

Answer Connection::must(const std::string& sql) {
    Answer result = query(sql);
    if (!result.ok()) {
        throw HarnessError(sql + ": " + result.sqlstate + " " + result.message + " " + error());
    }
    return result;
}

void Connection::send(const std::string& sql) {
    if (PQsendQuery(raw(), sql.c_str()) == 0) throw HarnessError("can't send: " + error());
}

bool Connection::has_answer(std::chrono::milliseconds within) {
    auto deadline = std::chrono::steady_clock::now() + within;
    for (;;) {
        if (PQconsumeInput(raw()) == 0 || PQisBusy(raw()) == 0) return true;
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        pollfd entry{.fd = socket(), .events = POLLIN, .revents = 0};
        ::poll(&entry, 1, static_cast<int>(left.count()));
    }
}

std::optional<Answer> Connection::next_answer() {
    if (!has_answer(patience())) throw HarnessError("no answer came in time");
    PGresult* result = PQgetResult(raw());
    if (result == nullptr) return std::nullopt;
    return read_result(result);
}

Answer Connection::answer() {
    Answer kept;
    bool is_first = true;
    while (auto next = next_answer()) {
        bool is_copy = next->status == PGRES_COPY_IN || next->status == PGRES_COPY_OUT ||
                       next->status == PGRES_COPY_BOTH;
        if (is_first || kept.sqlstate.empty()) kept = std::move(*next);
        is_first = false;
        if (is_copy) break;
    }
    return kept;
}

bool Connection::cancel() {
    std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> handle(PQgetCancel(raw()), &PQfreeCancel);
    char why[256] = "";
    return handle && PQcancel(handle.get(), why, sizeof why) == 1;
}

void Connection::reset_by_peer() {
    linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    // /dev/null takes the descriptor's place: the socket closes, and libpq's Terminate goes
    // nowhere.
    int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ::dup2(nowhere, socket());
    ::close(nowhere);
    connection_.reset();
}

}  // namespace pgweir::integration
