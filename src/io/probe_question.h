// SPDX-License-Identifier: PostgreSQL
// What a look asks, and how the answer is read. One statement, one row, in binary; every name is
// qualified, so that no search_path confuses it. It works for a role without privileges, on
// PostgreSQL 12 and later, on a primary and on a standby.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <string>

#include "pgweir/cluster/observation.h"

namespace pgweir::io {

enum class ProbeQuestion : std::uint8_t {
    Place,    // Nothing but memory is read: it may be asked a thousand times a second.
    Control,  // The same and the control file.
};
std::string text(ProbeQuestion question);

// What a connection remembers between its looks. It belongs to one incarnation of the server, which
// never goes back to an older timeline.
struct ProbeMemory {
    std::uint64_t system_id = 0;
    std::uint32_t timeline = 0;
    std::uint64_t synchronous = 0;  // Tells sets of synchronous standbys apart; 0: there are none.
    // Nothing is known yet, or a standby doesn't tell this role which timeline it receives.
    bool wants_control = true;
};

// False if this is no answer to the question.
bool read_answer(const PGresult* answer, ProbeMemory& memory, cluster::Observation& seen);

}  // namespace pgweir::io
