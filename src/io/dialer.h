// SPDX-License-Identifier: PostgreSQL
// Connects to nodes: resolves, tries the addresses in turn, hands over the connected socket. How
// long the whole may take is the core's to say: it forgets a server that takes too long.
#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/resolver.h"
#include "pgweir/base/ids.h"
#include "pgweir/session/effect.h"

namespace pgweir::io {

// Both may be called before Dialer::open() returns.
class DialerOwner {
 public:
    virtual void on_dialed(ServerId server, UniqueFd socket) = 0;
    virtual void on_dial_failed(ServerId server, std::string reason) = 0;

 protected:
    ~DialerOwner() = default;
};

struct DialerLimits {
    // While another address is left to try, a silent one gets no longer than this.
    Duration address_patience = Duration::seconds(3);
};

class Dialer {
 public:
    Dialer(uv_loop_t* loop, DialerOwner& owner, ResolverLimits resolver = {},
           DialerLimits limits = {});
    Dialer(const Dialer&) = delete;
    Dialer& operator=(const Dialer&) = delete;

    void open(ServerId server, const NodeAddress& address);
    // What became of it is not told any more. Does nothing for an unknown server.
    void forget(ServerId server);

    std::size_t open_count() const { return attempts_.size(); }

 private:
    struct Attempt {
        Dialer& dialer;
        ServerId server;
        std::uint16_t port = 0;
        std::vector<SocketAddress> addresses = {};
        std::size_t next = 0;
        UniqueFd socket = {};
        std::string failure = {};
        // Before the socket goes, the loop must have let go of it.
        Handle<uv_poll_t> poll = {};
        Handle<uv_timer_t> patience = {};
    };

    void try_next(Attempt& attempt);
    // True if the connection stands or is on its way.
    bool begin(Attempt& attempt, const SocketAddress& address);
    bool watch(Attempt& attempt);
    void connected(Attempt& attempt);
    void failed(Attempt& attempt);
    void on_result(Attempt& attempt);
    static void note_failure(Attempt& attempt, const std::string& reason);

    uv_loop_t* loop_;
    DialerOwner& owner_;
    DialerLimits limits_;
    Resolver resolver_;
    std::unordered_map<ServerId, std::unique_ptr<Attempt>> attempts_;
};

}  // namespace pgweir::io
