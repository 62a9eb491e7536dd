// SPDX-License-Identifier: PostgreSQL
// As whom, and how, nodes are observed: outside of the pools, over connections of libpq's.
#pragma once

#include <string>

#include "pgweir/base/instant.h"
#include "pgweir/config/tls_mode.h"

namespace pgweir {

struct MonitorLogin {
    std::string user;  // Empty: there are no credentials, and nobody looks.
    std::string password;
    std::string database;
    TlsMode tls_mode = TlsMode::Prefer;
    std::string tls_ca_file;
    std::string tls_cert_file;
    std::string tls_key_file;
    Duration timeout;  // Of one look, its connection included.

    bool operator==(const MonitorLogin&) const = default;
};

}  // namespace pgweir
