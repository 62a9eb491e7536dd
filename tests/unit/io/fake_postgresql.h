// SPDX-License-Identifier: PostgreSQL
// A PostgreSQL that answers looks and nothing else, on loopback or a Unix socket. It lives in the
// test's own thread: every turn() does what can be done without waiting.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "helpers.h"

namespace pgweir::io::testing {

// The row of an answer; nothing is NULL.
struct FakeRow {
    bool in_recovery = false;
    std::optional<std::uint64_t> lsn = 0x16B374D848;
    std::optional<std::string> file_name = "000000030000001600000002";
    std::optional<std::uint32_t> received = std::nullopt;
    std::int64_t started_us = 1'000'000;  // Since 2000-01-01.
    std::optional<std::uint32_t> checkpoint = std::nullopt;
    std::optional<std::uint64_t> system_id = 7'000'000'000'000'000'001;
    std::optional<std::uint64_t> recovery_end = std::nullopt;
    std::optional<std::uint64_t> written = std::nullopt;  // By synchronous standbys,
    std::optional<std::uint64_t> writers = std::nullopt;  // and by which.
};

// ErrorResponse, with the severity that PostgreSQL gives to programs.
std::string error_response(const std::string& severity, const std::string& sqlstate,
                           const std::string& message);
std::string notice_response(const std::string& message);
std::string ready_for_query();
// What comes before the row: ParseComplete and BindComplete.
std::string answer_to_question();
// From AuthenticationOk to ReadyForQuery.
std::string login_answer();
std::string answer_of(const FakeRow& row);
// A row of these values, without ReadyForQuery.
std::string answer_with(const std::vector<std::optional<std::string>>& values);

class FakePostgresql {
 public:
    struct Connection {
        UniqueFd socket;
        std::string unread = {};
        bool has_started = false;
        std::map<std::string, std::string> parameters = {};  // Of the StartupMessage.
        std::vector<std::string> questions = {};  // Texts of Parse, "" for a prepared one.
    };

    FakePostgresql();
    // On a Unix socket.
    explicit FakePostgresql(const std::string& path);

    void turn();
    void stop_listening() { listening_.reset(); }
    std::uint16_t port() const { return port_; }

    // Connections that were ever accepted; the latest.
    std::vector<std::unique_ptr<Connection>> connections;
    Connection& latest() { return *connections.back(); }

    // What it does.
    bool logs_in = true;
    bool answers = true;
    FakeRow row;
    // Said instead of the row, ReadyForQuery included; for questions that contain `refused_part`.
    std::string instead;
    std::string refused_part;

 private:
    void listen(const sockaddr* address, socklen_t length);
    void serve(Connection& connection);
    void start(Connection& connection, const std::string& body);
    void handle(Connection& connection, char type, const std::string& body);
    void answer(Connection& connection);

    UniqueFd listening_;
    std::uint16_t port_ = 0;
    std::string batch_;      // Types of the messages since the last Sync.
    std::string statement_;  // Text of the last Parse.
    std::string question_;   // What Execute would run.
};

}  // namespace pgweir::io::testing
