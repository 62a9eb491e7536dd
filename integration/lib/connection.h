// SPDX-License-Identifier: PostgreSQL
// libpq in the words of the tests: an application that talks to PostgreSQL, or to pgweir.
#pragma once

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test_cluster.h"

namespace pgweir::integration {

// One result: rows, or an error with its SQLSTATE.
struct Answer {
    ExecStatusType status = PGRES_FATAL_ERROR;
    std::string sqlstate = {};  // Empty: no error.
    std::string message = {};
    std::string tag = {};
    std::vector<std::string> columns = {};
    std::vector<std::vector<std::optional<std::string>>> rows = {};

    bool ok() const { return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK; }
    // The first column of the first row; "" if there is none.
    std::string value() const;
    // A row where `column` has that value; nullptr if there is none.
    std::optional<std::string> at(std::size_t row, const std::string& column) const;
};

class Connection {
 public:
    // Connects; HarnessError if it can't.
    explicit Connection(const Target& target, const std::string& more = "");
    // Connects or not: ask is_ok().
    static Connection attempt(const Target& target, const std::string& more = "");
    // Begins to connect and returns; `poll_once` goes on until is_ok() or is_bad().
    static Connection begin(const Target& target, const std::string& more = "");

    bool is_ok() const { return PQstatus(raw()) == CONNECTION_OK; }
    std::string error() const;
    PGconn* raw() const { return connection_.get(); }
    int socket() const { return PQsocket(raw()); }
    std::string parameter(const std::string& name) const;
    const std::vector<std::string>& notices() const { return *notices_; }

    Answer query(const std::string& sql);
    Answer query(const std::string& sql, const std::vector<std::string>& parameters);
    Answer prepare(const std::string& name, const std::string& sql);
    Answer execute(const std::string& name, const std::vector<std::string>& parameters = {});
    // As query, but an error is a HarnessError.
    Answer must(const std::string& sql);
    std::string value(const std::string& sql) { return must(sql).value(); }

    // For questions whose answer comes later.
    void send(const std::string& sql);
    // The next result of what was sent; nothing when there is none left. HarnessError when it does
    // not come in time.
    std::optional<Answer> next_answer();
    Answer answer();  // All results of one question; the last one (the first error) counts.
    // Whether something arrived within the time.
    bool has_answer(std::chrono::milliseconds within);

    // PQcancel from another connection, as libpq does it; true if the request was delivered.
    bool cancel();
    // Forgets politeness: the socket closes with a reset, without Terminate.
    void reset_by_peer();

 private:
    Connection() = default;
    void adopt(PGconn* connection);

    std::unique_ptr<PGconn, decltype(&PQfinish)> connection_{nullptr, &PQfinish};
    std::unique_ptr<std::vector<std::string>> notices_ =
        std::make_unique<std::vector<std::string>>();
};

}  // namespace pgweir::integration
