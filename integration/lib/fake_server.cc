// SPDX-License-Identifier: PostgreSQL
// A server that a test scripts.
#include "fake_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace pgweir::integration {
namespace {

std::size_t length_at(std::string_view bytes) {
    std::size_t value = 0;
    for (char c : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

}  // namespace

bool FakeConnection::fill(std::size_t count) {
    while (unread_.size() < count) {
        char buffer[65536];
        ssize_t got = ::recv(descriptor_, buffer, sizeof buffer, 0);
        if (got <= 0) return false;
        unread_.append(buffer, static_cast<std::size_t>(got));
    }
    return true;
}

std::string FakeConnection::read_startup() {
    if (!fill(4)) return "";
    std::size_t total = length_at(unread_);
    if (total < 4 || !fill(total)) return "";
    std::string body = unread_.substr(4, total - 4);
    unread_.erase(0, total);
    return body;
}

std::optional<Message> FakeConnection::read() {
    if (!fill(5)) return std::nullopt;
    std::size_t total = 1 + length_at(std::string_view(unread_).substr(1));
    if (!fill(total)) return std::nullopt;
    Message message{.type = unread_[0], .body = unread_.substr(5, total - 5)};
    unread_.erase(0, total);
    return message;
}

bool FakeConnection::read_until(char type) {
    while (auto message = read()) {
        if (message->type == type) return true;
    }
    return false;
}

void FakeConnection::send(std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

void FakeConnection::wait_for_end() {
    while (fill(unread_.size() + 1)) unread_.clear();
}

bool FakeConnection::accept_login() {
    std::string body = read_startup();
    if (body.substr(0, 2) != std::string("\0\3", 2)) return false;
    finish_login();
    return true;
}

void FakeConnection::finish_login() {
    send(authentication_ok() + parameter_status("server_version", "15.20") +
         parameter_status("server_encoding", "UTF8") + parameter_status("client_encoding", "UTF8") +
         parameter_status("DateStyle", "ISO, MDY") + parameter_status("TimeZone", "UTC") +
         parameter_status("integer_datetimes", "on") +
         parameter_status("standard_conforming_strings", "on") +
         parameter_status("in_hot_standby", "off") +
         parameter_status("default_transaction_read_only", "off") +
         backend_key_data(4000 + static_cast<std::int64_t>(number_), 77) + ready_for_query());
}

void FakeConnection::serve(const std::string& text) {
    while (auto message = read()) {
        if (message->type == 'X') return;
        if (message->type == 'Q') {
            send(row_description({"text"}) + data_row({text}) + command_complete("SELECT 1") +
                 ready_for_query());
        }
        if (message->type == 'S') send(ready_for_query());
    }
}

FakeServer::FakeServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throw HarnessError("the fake server can't listen");
    }
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { accept_all(); });
}

FakeServer::~FakeServer() {
    ::shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    ::close(listener_);
    {
        std::lock_guard lock(mutex_);
        for (int descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
    }
    for (auto& thread : scripts_) thread.join();
}

void FakeServer::accept_all() {
    for (;;) {
        int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) return;
        int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        {
            std::lock_guard lock(mutex_);
            descriptors_.push_back(descriptor);
        }
        std::size_t number = accepted_++;
        ++open_;
        scripts_.emplace_back([this, descriptor, number] {
            FakeConnection connection(descriptor, number);
            script_(connection);
            std::lock_guard lock(mutex_);
            descriptors_.remove(descriptor);
            ::close(descriptor);
            --open_;
        });
    }
}

}  // namespace pgweir::integration
