// SPDX-License-Identifier: PostgreSQL
#include "io/dialer.h"

#include <cerrno>
#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::io {

Dialer::Dialer(uv_loop_t* loop, DialerOwner& owner, ResolverLimits resolver, DialerLimits limits)
    : loop_(loop), owner_(owner), limits_(limits), resolver_(loop, resolver) {}

void Dialer::open(ServerId server, const NodeAddress& address) {
    auto owned = std::make_unique<Attempt>(Attempt{.dialer = *this, .server = server});
    Attempt& attempt = *owned;
    PGWEIR_ASSERT(attempts_.emplace(server, std::move(owned)).second);
    attempt.port = address.port;
    if (!address.host.empty() && address.host.front() == '/') {
        const std::string path = address.host + "/.s.PGSQL." + std::to_string(address.port);
        SocketAddress local;
        if (!SocketAddress::unix_path(path, local)) {
            attempt.failure = "Unix socket path \"" + path + "\" is too long";
            return failed(attempt);
        }
        attempt.addresses.push_back(local);
        return try_next(attempt);
    }
    resolver_.resolve(server.value, address.host,
                      [this, server](const auto& addresses, const std::string& failure) {
                          const auto found = attempts_.find(server);
                          if (found == attempts_.end()) return;
                          Attempt& resolved = *found->second;
                          resolved.addresses = addresses;
                          resolved.failure = failure;
                          for (SocketAddress& each : resolved.addresses) {
                              each.set_port(resolved.port);
                          }
                          try_next(resolved);
                      });
}

void Dialer::forget(ServerId server) {
    resolver_.forget(server.value);
    const auto found = attempts_.find(server);
    if (found == attempts_.end()) return;
    found->second->poll.reset();
    attempts_.erase(found);
}

void Dialer::try_next(Attempt& attempt) {
    attempt.patience.reset();
    attempt.poll.reset();
    attempt.socket.reset();
    while (attempt.next < attempt.addresses.size()) {
        if (begin(attempt, attempt.addresses[attempt.next++])) return;
    }
    failed(attempt);
}

bool Dialer::begin(Attempt& attempt, const SocketAddress& address) {
    attempt.socket = open_socket(address.family());
    if (!attempt.socket) {
        note_failure(attempt, system_error_text(errno));
        return false;
    }
    if (::connect(attempt.socket.get(), address.get(), address.length) == 0) {
        connected(attempt);
        return true;
    }
    // A Unix socket whose backlog is full says EAGAIN, and nothing tells when it is not.
    if (errno == EINPROGRESS) return watch(attempt);
    note_failure(attempt, address.text() + ": " + system_error_text(errno));
    attempt.socket.reset();
    return false;
}

bool Dialer::watch(Attempt& attempt) {
    attempt.poll = make_handle<uv_poll_t>(&attempt, [&](uv_poll_t* poll) {
        PGWEIR_ASSERT(uv_poll_init(loop_, poll, attempt.socket.get()) == 0);
    });
    uv_poll_start(attempt.poll.get(), UV_WRITABLE, [](uv_poll_t* poll, int, int) {
        auto& self = *static_cast<Attempt*>(poll->data);
        self.dialer.on_result(self);
    });
    if (attempt.next == attempt.addresses.size()) return true;
    attempt.patience = make_timer(loop_, &attempt);
    uv_timer_start(
        attempt.patience.get(),
        [](uv_timer_t* timer) {
            auto& self = *static_cast<Attempt*>(timer->data);
            note_failure(self, self.addresses[self.next - 1].text() + ": no answer");
            self.dialer.try_next(self);
        },
        static_cast<std::uint64_t>(limits_.address_patience.us / 1000), 0);
    return true;
}

void Dialer::on_result(Attempt& attempt) {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(attempt.socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error == 0) return connected(attempt);
    note_failure(attempt,
                 attempt.addresses[attempt.next - 1].text() + ": " + system_error_text(error));
    try_next(attempt);
}

void Dialer::connected(Attempt& attempt) {
    const ServerId server = attempt.server;
    attempt.poll.reset();
    UniqueFd socket = std::move(attempt.socket);
    attempts_.erase(server);
    owner_.on_dialed(server, std::move(socket));
}

void Dialer::failed(Attempt& attempt) {
    const ServerId server = attempt.server;
    std::string reason = std::move(attempt.failure);
    attempts_.erase(server);
    owner_.on_dial_failed(server, std::move(reason));
}

void Dialer::note_failure(Attempt& attempt, const std::string& reason) {
    if (!attempt.failure.empty()) attempt.failure += "; ";
    attempt.failure += reason;
}

}  // namespace pgweir::io
