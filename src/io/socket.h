// SPDX-License-Identifier: PostgreSQL
// Socket addresses and options.
#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "io/unique_fd.h"
#include "pgweir/config/settings.h"

namespace pgweir::io {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    int family() const { return storage.ss_family; }

    // False if `host` is no numeric address.
    static bool numeric(const std::string& host, std::uint16_t port, SocketAddress& out);
    // False if the path is too long for the kernel.
    static bool unix_path(std::string_view path, SocketAddress& out);

    std::uint16_t port() const;
    void set_port(std::uint16_t port);
    // Numeric; empty for a Unix socket.
    std::string host() const;
    // "127.0.0.1:5432", "[::1]:5432".
    std::string text() const;
};

// Of `errno`.
std::string system_error_text(int error);

// As recv(2) and send(2), never waiting, never raising SIGPIPE. glibc's own are places at which a
// thread can be cancelled, which costs two atomic operations for each call, and nobody cancels.
inline ssize_t receive_now(int fd, void* into, std::size_t size) {
    return ::syscall(SYS_recvfrom, fd, into, size, MSG_DONTWAIT, nullptr, nullptr);
}
inline ssize_t send_now(int fd, const void* from, std::size_t size) {
    return ::syscall(SYS_sendto, fd, from, size, MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
}

UniqueFd open_socket(int family);
// TCP_NODELAY, keepalive and TCP_USER_TIMEOUT; sockets that a listener accepts inherit them.
void set_tcp_options(int fd, const config::TcpSettings& tcp);

}  // namespace pgweir::io
