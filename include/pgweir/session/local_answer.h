// SPDX-License-Identifier: PostgreSQL
// What pgweir answers to a unit by itself, without a server: a command tag, perhaps with one row of
// one column before it, or an error.
#pragma once

#include <optional>
#include <string>

#include "pgweir/base/bytes.h"
#include "pgweir/wire/refusal.h"
#include "pgweir/wire/tags.h"

namespace pgweir::session {

struct LocalAnswer {
    std::string tag = {};
    std::string column = {};  // Empty: no row.
    std::string value = {};
    std::optional<wire::Refusal> error = {};
    wire::TransactionStatus status = wire::TransactionStatus::Idle;
};

// Appends the answers to all messages of the unit. REQUIRES: it is whole, and all that it executes
// is one statement.
void answer_unit(ByteView unit, const LocalAnswer& answer, Bytes& out);

}  // namespace pgweir::session
