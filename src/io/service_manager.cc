// SPDX-License-Identifier: PostgreSQL
#include "io/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

#include "io/loop.h"
#include "io/socket.h"
#include "io/unique_fd.h"

namespace pgweir::io {

// sd_notify(3): a reload names the moment at which it began.
void ServiceManager::reloading() const {
    send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(clock_now().us));
}

void ServiceManager::send(std::string_view state) const {
    if (address_.empty()) return;
    SocketAddress to;
    if (!SocketAddress::unix_path(address_, to)) return;
    auto* path = reinterpret_cast<sockaddr_un*>(&to.storage)->sun_path;
    // "@name" is a socket in the abstract namespace, whose name ends where the address ends.
    to.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    if (path[0] == '@') path[0] = '\0';
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return;
    ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT, to.get(),
             to.length);
}

}  // namespace pgweir::io
