// SPDX-License-Identifier: PostgreSQL
// How a look logs in, in libpq's words. Everything that matters is said here, so that neither the
// environment (PG…) nor files of the user (~/.pgpass, ~/.postgresql, service files) have a say.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/socket.h"
#include "pgweir/config/monitor_login.h"
#include "pgweir/config/node_address.h"

namespace pgweir::io {

// Keyword and value. libpq takes an empty value for none at all, and then looks elsewhere.
using ProbeParameters = std::vector<std::pair<const char*, std::string>>;

// `addresses` are those of the host's name, to be tried in turn; none if it is the directory of a
// Unix socket.
ProbeParameters probe_parameters(const NodeAddress& node,
                                 const std::vector<SocketAddress>& addresses,
                                 const MonitorLogin& login);

// Some of libpq's variables can't be overruled by a parameter (PGSERVICE, PGOPTIONS, PGTZ): all of
// them go. REQUIRES: no other thread runs yet.
void forget_libpq_environment();

}  // namespace pgweir::io
