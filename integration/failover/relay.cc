// SPDX-License-Identifier: PostgreSQL
#include "relay.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>
#include <vector>

#include "process.h"

namespace pgweir::integration {
namespace {

constexpr char kLookAgain = 'l';
constexpr char kEnd = 'e';

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void send_at_once(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void close_with_reset(int socket) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(socket);
}

// False at the end of the stream.
bool carry(int from, int to) {
    char buffer[65536];
    const ssize_t got = ::recv(from, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    std::string_view bytes(buffer, static_cast<std::size_t>(got));
    while (!bytes.empty()) {
        const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

struct Relay::Pair {
    int client = -1;
    int server = -1;
};

Relay::Relay(std::uint16_t to) : to_(to) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 256) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
        ::pipe(wake_) != 0 || ::pipe(answered_) != 0) {
        throw HarnessError("a relay can't listen");
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
    wake(kEnd);
    thread_.join();
    for (const auto& pair : pairs_) {
        close_with_reset(pair->client);
        close_with_reset(pair->server);
    }
    for (const int each : {listener_, wake_[0], wake_[1], answered_[0], answered_[1]}) {
        ::close(each);
    }
}

void Relay::cut(Cut what) {
    cut_ = what;
    wake(kLookAgain);
}

// Returns when the thread has heard of it.
void Relay::wake(char what) {
    char answer = 0;
    if (::write(wake_[1], &what, 1) != 1 || ::read(answered_[0], &answer, 1) != 1) {
        throw HarnessError("a relay does not listen to us");
    }
}

void Relay::accept_one() {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(to_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        close_with_reset(client);
        ::close(server);
        return;
    }
    send_at_once(client);
    send_at_once(server);
    pairs_.push_back(std::make_unique<Pair>(Pair{client, server}));
}

// Of a direction that is cut nothing is asked, the end of its stream neither.
void Relay::run() {
    for (;;) {
        const Cut cut = cut_;
        const bool asks = cut == Cut::None || cut == Cut::FromServer;
        const bool answers = cut == Cut::None || cut == Cut::ToServer;
        std::vector<pollfd> polled{{wake_[0], POLLIN, 0},
                                   {cut == Cut::None ? listener_ : -1, POLLIN, 0}};
        for (const auto& pair : pairs_) {
            polled.push_back({asks ? pair->client : -1, POLLIN, 0});
            polled.push_back({answers ? pair->server : -1, POLLIN, 0});
        }
        if (::poll(polled.data(), polled.size(), -1) < 0) continue;
        if (polled[0].revents != 0) {
            char order = 0;
            if (::read(wake_[0], &order, 1) != 1) return;
            if (::write(answered_[1], &order, 1) != 1 || order == kEnd) return;
            continue;
        }
        std::size_t at = 2;
        for (auto i = pairs_.begin(); i != pairs_.end(); at += 2) {
            const Pair& pair = **i;
            // What a peer sent before its reset goes with it: nobody would send that again.
            const bool is_reset = ((polled[at].revents | polled[at + 1].revents) & POLLERR) != 0;
            const bool lives = !is_reset &&
                               (polled[at].revents == 0 || carry(pair.client, pair.server)) &&
                               (polled[at + 1].revents == 0 || carry(pair.server, pair.client));
            if (lives) {
                ++i;
                continue;
            }
            ::close(pair.client);
            ::close(pair.server);
            i = pairs_.erase(i);
        }
        if (polled[1].revents != 0) accept_one();
    }
}

}  // namespace pgweir::integration
