// SPDX-License-Identifier: PostgreSQL
#include "http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace pgweir::integration {

HttpClient::HttpClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
        ::close(fd_);
        throw HarnessError("nobody listens for HTTP on port " + std::to_string(port));
    }
}

HttpClient::~HttpClient() {
    ::close(fd_);
}

void HttpClient::say(const std::string& bytes) const {
    // Who has hung up hears nothing: the reply tells.
    ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

bool HttpClient::has_reply(std::chrono::milliseconds within) const {
    pollfd watched{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1, static_cast<int>(within.count())) == 1;
}

HttpReply HttpClient::reply() const {
    std::string all;
    for (;;) {
        if (!has_reply(patience())) throw HarnessError("no HTTP reply in time; so far: " + all);
        std::array<char, 65536> piece;
        const ssize_t n = ::recv(fd_, piece.data(), piece.size(), 0);
        if (n <= 0) break;
        all.append(piece.data(), static_cast<std::size_t>(n));
    }
    HttpReply reply;
    const std::size_t end = all.find("\r\n\r\n");
    if (end == std::string::npos) return reply;
    reply.head = all.substr(0, end);
    reply.body = all.substr(end + 4);
    const std::string version = "HTTP/1.1 ";
    if (reply.head.starts_with(version)) reply.status = std::atoi(all.c_str() + version.size());
    return reply;
}

HttpReply get(std::uint16_t port, const std::string& path) {
    const HttpClient client(port);
    client.say("GET " + path + " HTTP/1.1\r\nHost: pgweir\r\n\r\n");
    return client.reply();
}

std::string order(const std::string& target, const std::string& token) {
    std::string text = "POST " + target + " HTTP/1.1\r\nHost: pgweir\r\nContent-Length: 0\r\n";
    if (!token.empty()) text += "Authorization: Bearer " + token + "\r\n";
    return text + "\r\n";
}

}  // namespace pgweir::integration
