// SPDX-License-Identifier: PostgreSQL
#include "io/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

using config::ConfigError;
using config::ListenAddress;
using config::Settings;

// More are accepted in the next turn of the loop, after those that are connected had theirs.
constexpr int kBatch = 64;
constexpr std::uint64_t kRestMs = 100;
constexpr Duration kComplaintPause = Duration::seconds(60);
constexpr std::size_t kUserNamesMax = 1000;

UniqueFd open_reserve() {
    return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

// A socket that nobody listens on was left behind by a process that was killed.
bool is_stale(const SocketAddress& address) {
    const UniqueFd probe = open_socket(AF_UNIX);
    if (!probe) return false;
    return ::connect(probe.get(), address.get(), address.length) != 0 && errno == ECONNREFUSED;
}

}  // namespace

Listener::Listener(uv_loop_t* loop, Log& log, Accepted accepted)
    : loop_(loop),
      log_(log),
      accepted_(std::move(accepted)),
      reserve_(open_reserve()),
      rest_timer_(make_timer(loop, this)) {}

Listener::~Listener() {
    stop();
}

void Listener::refuse(const std::string& address, const std::string& why) const {
    throw ConfigError("", line_, "can't listen on " + address + ": " + why);
}

void Listener::bind_http(const Settings& settings) {
    line_ = settings.http.listen.line();
    for (const ListenAddress& address : settings.http_addresses()) bind_tcp(address, settings);
}

void Listener::bind(const Settings& settings) {
    line_ = settings.general.listen.line();
    for (const ListenAddress& address : settings.listen_addresses()) {
        if (address.is_unix()) {
            bind_unix(address, settings);
        } else {
            bind_tcp(address, settings);
        }
    }
}

void Listener::bind_tcp(const ListenAddress& address, const Settings& settings) {
    const std::string name = address.host + ":" + std::to_string(address.port);
    const bool is_any = address.host.empty() || address.host == "*";
    addrinfo hints{};
    hints.ai_flags = AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int status = ::getaddrinfo(is_any ? nullptr : address.host.c_str(),
                                     std::to_string(address.port).c_str(), &hints, &found);
    if (status != 0) refuse(name, ::gai_strerror(status));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
    int error = 0;
    std::size_t bound = 0;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        SocketAddress candidate;
        std::memcpy(&candidate.storage, each->ai_addr, each->ai_addrlen);
        candidate.length = each->ai_addrlen;
        UniqueFd fd = open_socket(each->ai_family);
        const int on = 1;
        if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        // "*" is two sockets, so that the one of IPv6 must not take IPv4's port.
        if (fd && each->ai_family == AF_INET6) {
            ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        }
        if (!fd || ::bind(fd.get(), candidate.get(), candidate.length) != 0) {
            error = errno;
            if (error == EADDRINUSE) break;
            continue;  // A host without IPv6 can still listen on IPv4.
        }
        set_tcp_options(fd.get(), settings.tcp);
        error = 0;
        add(std::move(fd), candidate, static_cast<int>(settings.tcp.listen_backlog()));
        ++bound;
    }
    if (bound == 0 || error == EADDRINUSE) refuse(name, system_error_text(error));
}

void Listener::bind_unix(const ListenAddress& address, const Settings& settings) {
    const std::string path = address.socket_path();
    SocketAddress local;
    if (!SocketAddress::unix_path(path, local)) refuse(path, "the path is too long");
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) refuse(path, "there is a file that is no socket");
        if (!is_stale(local)) refuse(path, "another process listens there");
        ::unlink(path.c_str());
    }
    UniqueFd fd = open_socket(AF_UNIX);
    // No moment must pass in which others could connect: the socket is made for its owner alone,
    // and opened as far as the settings say before anybody listens.
    const mode_t before = ::umask(S_IRWXG | S_IRWXO);
    const bool bound = fd && ::bind(fd.get(), local.get(), local.length) == 0;
    const int error = errno;
    ::umask(before);
    if (!bound) refuse(path, system_error_text(error));
    if (::chmod(path.c_str(), settings.general.unix_socket_mode().bits) != 0) {
        refuse(path, system_error_text(errno));
    }
    add(std::move(fd), local, static_cast<int>(settings.tcp.listen_backlog()));
    sockets_.back()->path = path;
}

void Listener::add(UniqueFd fd, const SocketAddress& address, int backlog) {
    if (::listen(fd.get(), backlog) != 0) {
        throw ConfigError("", 0,
                          "can't listen on " + address.text() + ": " + system_error_text(errno));
    }
    SocketAddress actual;  // Port 0 has become a real one.
    actual.length = sizeof(actual.storage);
    ::getsockname(fd.get(), actual.get(), &actual.length);
    auto socket = std::make_unique<Socket>();
    socket->listener = this;
    socket->family = address.family();
    socket->text = address.family() == AF_UNIX ? address.text() : actual.text();
    socket->fd = std::move(fd);
    sockets_.push_back(std::move(socket));
}

void Listener::start() {
    for (auto& socket : sockets_) {
        socket->poll = make_handle<uv_poll_t>(socket.get(), [&](uv_poll_t* poll) {
            PGWEIR_ASSERT(uv_poll_init(loop_, poll, socket->fd.get()) == 0);
        });
        watch(*socket);
    }
}

void Listener::watch(Socket& socket) {
    uv_poll_start(socket.poll.get(), UV_READABLE, [](uv_poll_t* poll, int, int) {
        auto& self = *static_cast<Socket*>(poll->data);
        self.listener->accept_batch(self);
    });
}

void Listener::set_options(const config::TcpSettings& tcp) {
    for (auto& socket : sockets_) {
        if (socket->family != AF_UNIX) set_tcp_options(socket->fd.get(), tcp);
    }
}

void Listener::stop() {
    uv_timer_stop(rest_timer_.get());
    for (auto& socket : sockets_) {
        socket->poll.reset();
        if (!socket->path.empty()) ::unlink(socket->path.c_str());
    }
    sockets_.clear();
}

std::vector<std::string> Listener::addresses() const {
    std::vector<std::string> texts;
    for (const auto& socket : sockets_) texts.push_back(socket->text);
    return texts;
}

void Listener::accept_batch(Socket& socket) {
    for (int i = 0; i < kBatch; ++i) {
        SocketAddress from;
        from.length = sizeof(from.storage);
        UniqueFd fd(
            ::accept4(socket.fd.get(), from.get(), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (fd) {
            ClientAddress address = describe(socket, fd.get(), from);
            accepted_(std::move(fd), std::move(address));
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) return;
        if (errno == EMFILE || errno == ENFILE) {
            if (turn_away(socket)) continue;
            return rest();
        }
        // Out of memory comes and goes; all else is about the one connection that is gone already.
        if (errno == ENOBUFS || errno == ENOMEM) return rest();
    }
}

bool Listener::turn_away(Socket& socket) {
    if (const Instant now = clock_now(); now >= next_complaint_) {
        next_complaint_ = now + kComplaintPause;
        log_.write(LogLevel::Error,
                   "no file descriptors left: new clients are turned away (raise the limit of open "
                   "files, or lower max_client_conn)");
    }
    if (!reserve_) reserve_ = open_reserve();
    if (!reserve_) return false;
    reserve_.reset();
    UniqueFd refused(::accept4(socket.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const bool was_refused = static_cast<bool>(refused);
    refused.reset();
    reserve_ = open_reserve();
    return was_refused;
}

// A socket that can't be accepted stays readable: watching it would keep the loop busy.
void Listener::rest() {
    for (auto& socket : sockets_) uv_poll_stop(socket->poll.get());
    uv_timer_start(
        rest_timer_.get(),
        [](uv_timer_t* timer) {
            auto& self = *static_cast<Listener*>(timer->data);
            for (auto& socket : self.sockets_) self.watch(*socket);
        },
        kRestMs, 0);
}

ClientAddress Listener::describe(const Socket& socket, int fd, const SocketAddress& from) {
    ClientAddress address;
    if (socket.family != AF_UNIX) {
        address.host = from.host();
        address.port = from.port();
        return address;
    }
    address.is_unix = true;
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
        address.peer_user = user_name(credentials.uid);
    }
    return address;
}

// Asked for once: the system's answer may come from a file or a network.
std::string Listener::user_name(unsigned uid) {
    const auto known = user_names_.find(uid);
    if (known != user_names_.end()) return known->second;
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return {};
    }
    if (user_names_.size() >= kUserNamesMax) user_names_.clear();
    return user_names_[uid] = found->pw_name;
}

}  // namespace pgweir::io
