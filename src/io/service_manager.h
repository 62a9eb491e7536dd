// SPDX-License-Identifier: PostgreSQL
// Tells a service manager how the process is doing: systemd's sd_notify protocol, one datagram to
// the socket that NOTIFY_SOCKET names. Without that variable it does nothing.
#pragma once

#include <string>
#include <string_view>

namespace pgweir::io {

class ServiceManager {
 public:
    // The value of NOTIFY_SOCKET; empty if there is none.
    explicit ServiceManager(std::string notify_socket) : address_(std::move(notify_socket)) {}

    void ready() const { send("READY=1"); }
    // Followed by ready() when the reload is over.
    void reloading() const;
    void stopping() const { send("STOPPING=1"); }

 private:
    void send(std::string_view state) const;

    std::string address_;
};

}  // namespace pgweir::io
