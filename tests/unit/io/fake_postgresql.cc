// SPDX-License-Identifier: PostgreSQL
#include "fake_postgresql.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <utility>

#include "io/socket.h"

namespace pgweir::io::testing {

namespace {

std::string number(std::uint64_t value, std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = size; i > 0; --i) {
        bytes[i - 1] = static_cast<char>(value & 0xff);
        value >>= 8;
    }
    return bytes;
}

std::uint32_t number_at(std::string_view bytes) {
    std::uint32_t value = 0;
    for (const char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

std::string message(char type, const std::string& body) {
    return type + number(body.size() + 4, 4) + body;
}

std::string text(const std::string& value) {
    return value + '\0';
}

template <typename T>
std::optional<std::string> bytes_of(const std::optional<T>& value) {
    if (!value) return std::nullopt;
    return number(*value, sizeof(T));
}

// Columns in binary; libpq looks at the formats only.
std::string row_description(std::size_t columns) {
    std::string body = number(columns, 2);
    for (std::size_t i = 0; i < columns; ++i) {
        body += text("column") + number(0, 4) + number(0, 2) + number(20, 4) + number(8, 2) +
                number(0xffffffff, 4) + number(1, 2);
    }
    return message('T', body);
}

constexpr std::uint32_t kSslRequest = 80877103;

}  // namespace

std::string error_response(const std::string& severity, const std::string& sqlstate,
                           const std::string& words) {
    return message('E', 'S' + text(severity) + 'V' + text(severity) + 'C' + text(sqlstate) + 'M' +
                            text(words) + '\0');
}

std::string notice_response(const std::string& words) {
    return message('N', 'S' + text("NOTICE") + 'V' + text("NOTICE") + 'C' + text("00000") + 'M' +
                            text(words) + '\0');
}

std::string answer_to_question() {
    return message('1', "") + message('2', "");
}

std::string ready_for_query() {
    return message('Z', "I");
}

std::string login_answer() {
    return message('R', number(0, 4)) + message('S', text("server_version") + text("15.0")) +
           message('K', number(1, 4) + number(2, 4)) + ready_for_query();
}

std::string answer_with(const std::vector<std::optional<std::string>>& values) {
    std::string body = number(values.size(), 2);
    for (const auto& value : values) {
        body += value ? number(value->size(), 4) + *value : number(0xffffffff, 4);
    }
    return row_description(values.size()) + message('D', body) + message('C', text("SELECT 1"));
}

std::string answer_of(const FakeRow& row) {
    return answer_with({std::string(1, row.in_recovery ? '\1' : '\0'), bytes_of(row.lsn),
                        bytes_of(row.recovery_end), row.file_name, bytes_of(row.received),
                        number(static_cast<std::uint64_t>(row.started_us), 8),
                        bytes_of(row.written), bytes_of(row.writers), bytes_of(row.checkpoint),
                        bytes_of(row.system_id)});
}

FakePostgresql::FakePostgresql() {
    SocketAddress address;
    REQUIRE(SocketAddress::numeric("127.0.0.1", 0, address));
    listening_ = open_socket(AF_INET);
    listen(address.get(), address.length);
    address.length = sizeof(address.storage);
    REQUIRE(::getsockname(listening_.get(), address.get(), &address.length) == 0);
    port_ = address.port();
}

FakePostgresql::FakePostgresql(const std::string& path) {
    SocketAddress address;
    REQUIRE(SocketAddress::unix_path(path, address));
    listening_ = open_socket(AF_UNIX);
    listen(address.get(), address.length);
}

void FakePostgresql::listen(const sockaddr* address, socklen_t length) {
    REQUIRE(::bind(listening_.get(), address, length) == 0);
    REQUIRE(::listen(listening_.get(), 10) == 0);
}

void FakePostgresql::turn() {
    if (listening_) {
        UniqueFd socket(::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK));
        if (socket) {
            // Nothing said twice in a row waits for an acknowledgement; no matter on a Unix socket.
            const int on = 1;
            ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            connections.push_back(std::make_unique<Connection>());
            latest().socket = std::move(socket);
        }
    }
    for (const auto& connection : connections) {
        if (connection->socket) serve(*connection);
    }
}

void FakePostgresql::serve(Connection& connection) {
    connection.unread += hear(connection.socket);
    while (connection.socket) {
        const std::size_t tag = connection.has_started ? 1 : 0;
        const std::string_view unread = connection.unread;
        if (unread.size() < tag + 4) return;
        const std::size_t length = number_at(unread.substr(tag));
        if (unread.size() < tag + length) return;
        const std::string body(unread.substr(tag + 4, length - 4));
        const char type = unread.front();
        connection.unread.erase(0, tag + length);
        if (connection.has_started) {
            handle(connection, type, body);
        } else {
            start(connection, body);
        }
    }
}

void FakePostgresql::start(Connection& connection, const std::string& body) {
    if (number_at(body) == kSslRequest) return say(connection.socket, "N");
    std::vector<std::string> words;
    for (std::size_t at = 4; at < body.size();) {
        words.emplace_back(body.c_str() + at);
        at += words.back().size() + 1;
    }
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        if (!words[i].empty()) connection.parameters[words[i]] = words[i + 1];
    }
    connection.has_started = true;
    if (logs_in) say(connection.socket, login_answer());
}

void FakePostgresql::handle(Connection& connection, char type, const std::string& body) {
    batch_ += type;
    if (type == 'P') {
        const std::string name = body.c_str();
        const std::string parsed = body.c_str() + name.size() + 1;
        if (!name.empty()) statement_ = parsed;
        question_ = parsed;
        connection.questions.push_back(parsed);
    }
    if (type == 'B') {
        const std::string name = body.c_str() + 1;  // After the portal's, which is "".
        if (!name.empty()) {
            question_ = statement_;
            connection.questions.emplace_back();
        }
    }
    if (type == 'S') answer(connection);
}

void FakePostgresql::answer(Connection& connection) {
    const std::string batch = std::exchange(batch_, {});
    if (!answers) return;
    std::string bytes;
    if (batch.find('P') != std::string::npos) bytes += message('1', "");
    if (batch.find('E') != std::string::npos) {
        bytes += message('2', "");
        const bool is_refused =
            !instead.empty() && question_.find(refused_part) != std::string::npos;
        if (is_refused) return say(connection.socket, bytes + instead);
        // As the statement does: what the control file says only if it was asked.
        FakeRow told = row;
        if (question_.find("pg_control_") == std::string::npos) {
            told.checkpoint = std::nullopt;
            told.system_id = std::nullopt;
        }
        bytes += answer_of(told);
    }
    say(connection.socket, bytes + ready_for_query());
}

}  // namespace pgweir::io::testing
