// SPDX-License-Identifier: PostgreSQL
// Host names → addresses, without blocking the loop. One question at a time for a host; answers are
// used again for a while, and the last good one when the resolver fails or hangs.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "io/socket.h"
#include "pgweir/base/instant.h"

namespace pgweir::io {

struct ResolverLimits {
    Duration answer_lifetime = Duration::seconds(15);
    // An answer that comes later is remembered, but not waited for.
    Duration patience = Duration::seconds(5);
    std::size_t hosts_max = 1000;
    std::size_t addresses_max = 16;
};

class Resolver {
 public:
    // Addresses without ports; if there is none, why.
    using Answer = std::function<void(const std::vector<SocketAddress>& addresses,
                                      const std::string& failure)>;

    explicit Resolver(uv_loop_t* loop, ResolverLimits limits = {});
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver();

    // `answer` may be called before this returns. `asker` is for forget().
    void resolve(std::uint64_t asker, const std::string& host, Answer answer);
    void forget(std::uint64_t asker);

 private:
    struct Waiter {
        std::uint64_t asker;
        Answer answer;
    };
    struct Host {
        std::vector<SocketAddress> addresses;  // The last good answer.
        Instant fresh_until;
        bool is_asked = false;
        bool is_overdue = false;  // The resolver hangs: what is known must do.
        std::vector<Waiter> waiters;
        Handle<uv_timer_t> patience;
    };
    struct Question {
        uv_getaddrinfo_t request;
        Resolver* resolver;  // Null when the resolver has gone.
        std::string host;
    };

    void ask(const std::string& name, Host& host);
    void answered(const std::string& name, int status, const addrinfo* found);
    void lose_patience(const std::string& name);
    void tell(const std::string& name, Host& host, const std::string& failure);
    void make_room();

    uv_loop_t* loop_;
    ResolverLimits limits_;
    std::map<std::string, Host> hosts_;
    std::map<std::string, Question*> questions_;
};

}  // namespace pgweir::io
