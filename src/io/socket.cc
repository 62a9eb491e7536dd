// SPDX-License-Identifier: PostgreSQL
#include "io/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace pgweir::io {

namespace {

void set_number(int fd, int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof(value));
}

int whole_seconds(Duration duration) {
    return static_cast<int>(
        std::clamp<std::int64_t>((duration.us + 999'999) / 1'000'000, 1, 32767));
}

}  // namespace

bool SocketAddress::numeric(const std::string& host, std::uint16_t port, SocketAddress& out) {
    out = {};
    auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
    if (::inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        out.length = sizeof(sockaddr_in);
    } else if (uv_ip6_addr(host.c_str(), port, v6) == 0) {  // Knows "fe80::1%eth0".
        out.length = sizeof(sockaddr_in6);
    } else {
        return false;
    }
    out.set_port(port);
    return true;
}

bool SocketAddress::unix_path(std::string_view path, SocketAddress& out) {
    out = {};
    auto* address = reinterpret_cast<sockaddr_un*>(&out.storage);
    if (path.size() >= sizeof(address->sun_path)) return false;
    address->sun_family = AF_UNIX;
    std::memcpy(address->sun_path, path.data(), path.size());
    out.length = sizeof(sockaddr_un);
    return true;
}

std::uint16_t SocketAddress::port() const {
    if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    if (family() == AF_INET6) {
        return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
    }
    return 0;
}

void SocketAddress::set_port(std::uint16_t port) {
    if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
    if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port = htons(port);
}

std::string SocketAddress::host() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address = nullptr;
    if (family() == AF_INET) address = &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr;
    if (family() == AF_INET6) address = &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
    if (address == nullptr) return {};
    return ::inet_ntop(family(), address, text.data(), text.size()) != nullptr ? text.data() : "";
}

std::string SocketAddress::text() const {
    if (family() == AF_UNIX) return reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
    const std::string name = family() == AF_INET6 ? "[" + host() + "]" : host();
    return name + ":" + std::to_string(port());
}

std::string system_error_text(int error) {
    return uv_strerror(uv_translate_sys_error(error));
}

UniqueFd open_socket(int family) {
    return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

void set_tcp_options(int fd, const config::TcpSettings& tcp) {
    set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_number(fd, SOL_SOCKET, SO_KEEPALIVE, tcp.tcp_keepalive() ? 1 : 0);
    if (tcp.tcp_keepalive()) {
        if (tcp.tcp_keepidle()) {
            set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(tcp.tcp_keepidle()));
        }
        if (tcp.tcp_keepintvl()) {
            set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(tcp.tcp_keepintvl()));
        }
        if (tcp.tcp_keepcnt() != 0) {
            set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(tcp.tcp_keepcnt()));
        }
    }
    if (tcp.tcp_user_timeout()) {
        const std::int64_t ms = std::clamp<std::int64_t>(tcp.tcp_user_timeout().us / 1000, 1,
                                                         std::int64_t{24} * 3600 * 1000);
        set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(ms));
    }
}

}  // namespace pgweir::io
