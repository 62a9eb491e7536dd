// SPDX-License-Identifier: PostgreSQL
// Where clients connect: bind, listen, accept. What is accepted goes to whoever owns the listener;
// how many may come is the core's to say.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "io/loop.h"
#include "io/socket.h"
#include "pgweir/base/log.h"
#include "pgweir/config/settings.h"
#include "pgweir/proxy/event.h"

namespace pgweir::io {

class Listener {
 public:
    using Accepted = std::function<void(UniqueFd socket, ClientAddress address)>;

    Listener(uv_loop_t* loop, Log& log, Accepted accepted);
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener();

    // Binds all of the settings' addresses, but accepts nothing yet. Throws config::ConfigError.
    void bind(const config::Settings& settings);
    // The same for the addresses of [http].
    void bind_http(const config::Settings& settings);
    void start();
    // After a reload: what accepted sockets inherit.
    void set_options(const config::TcpSettings& tcp);
    // Nobody can connect any more; Unix sockets are removed.
    void stop();

    // As on the ready line: "127.0.0.1:6432", "[::1]:6432", "/run/pgweir/.s.PGSQL.6432".
    std::vector<std::string> addresses() const;

 private:
    struct Socket {
        Listener* listener = nullptr;
        UniqueFd fd;
        int family = 0;
        std::string text;
        std::string path;  // Of a Unix socket.
        Handle<uv_poll_t> poll;
    };

    [[noreturn]] void refuse(const std::string& address, const std::string& why) const;
    void bind_tcp(const config::ListenAddress& address, const config::Settings& settings);
    void bind_unix(const config::ListenAddress& address, const config::Settings& settings);
    void add(UniqueFd fd, const SocketAddress& address, int backlog);
    void accept_batch(Socket& socket);
    // Out of descriptors. True if the next client could be turned away.
    bool turn_away(Socket& socket);
    void rest();
    void watch(Socket& socket);
    ClientAddress describe(const Socket& socket, int fd, const SocketAddress& from);
    std::string user_name(unsigned uid);

    uv_loop_t* loop_;
    unsigned line_ = 0;  // Of the option whose addresses are bound.
    Log& log_;
    Accepted accepted_;
    std::vector<std::unique_ptr<Socket>> sockets_;
    UniqueFd reserve_;  // Given up for a moment when there are no descriptors left.
    Instant next_complaint_;
    Handle<uv_timer_t> rest_timer_;
    std::map<unsigned, std::string> user_names_;
};

}  // namespace pgweir::io
