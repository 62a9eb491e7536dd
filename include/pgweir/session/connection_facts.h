// SPDX-License-Identifier: PostgreSQL
// What the edge knows of a connection: where it comes from, what its TLS handshake found.
#pragma once

#include <cstdint>
#include <string>

#include "pgweir/base/bytes.h"

namespace pgweir {

// Where a client comes from.
struct ClientAddress {
    bool is_unix = false;
    std::string host;        // Numeric, without a port; empty for a Unix socket.
    std::uint16_t port = 0;  // 0 for a Unix socket.
    std::string peer_user;   // The operating system's user behind a Unix socket, if known.
};

// What the edge knows of a connection once its handshake is done.
struct TlsPeer {
    std::string version;      // "TLSv1.3"
    std::string cipher;       // OpenSSL's name.
    std::string common_name;  // CN of the verified peer certificate; empty without one.
    // tls-server-end-point channel binding data (RFC 5929): the hash of the *server's* certificate,
    // ours towards a client, the node's towards a server. Empty if it has no defined hash.
    Bytes server_end_point;
};

}  // namespace pgweir
