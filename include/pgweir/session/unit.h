// SPDX-License-Identifier: PostgreSQL
// A unit before it is sent: a simple Query, or the messages up to a Sync. What it asks of its node
// is judged when it is seen whole; one that is not goes to the primary.
#pragma once

#include <cstdint>
#include <string_view>

#include "pgweir/base/bytes.h"
#include "pgweir/session/parameters.h"
#include "pgweir/session/statements.h"
#include "pgweir/sql/classifier.h"

namespace pgweir::session {

// What one worker knows of statements; for all of its sessions.
struct Judge {
    explicit Judge(sql::ClassifierLimits limits, std::uint64_t seed) : classifier(limits, seed) {}

    sql::Classifier classifier;
    // Grows whenever a verdict may have changed without a new catalog (a standby refused what was
    // judged a read).
    std::uint64_t epoch = 0;
};

// How the sessions of one database are split.
struct SplitRules {
    Judge* judge = nullptr;  // Null: nothing is split, and nothing is judged.
    sql::CatalogRef catalog;
    sql::Consistency consistency = sql::Consistency::Session;
    // A read-only alias: everything runs on standbys.
    bool all_to_standbys = false;
    // BEGIN is answered by pgweir, and sent with the first statement that needs a node.
    bool defers_begin = true;
};

// What is kept of a unit while it waits for its lease.
struct UnitFacts {
    std::uint32_t bytes = 0;  // If it is whole.
    bool is_whole = false;
    bool is_read = false;     // A standby may serve it.
    bool only_reads = false;  // A standby may run it twice; not if it begins or ends a transaction.
    bool may_repeat = false;  // As that, on the primary, too.
    bool has_begin = false;   // A transaction may be open behind it, though none was before.
    bool has_end = false;     // A transaction may have ended behind it.
    bool ends = false;        // Of those: COMMIT or ROLLBACK, and not a savepoint's.
    bool leaves_state = false;  // Beyond what a plain SET does.
    bool may_change_schema = false;
};

struct Unit {
    UnitFacts facts;
    sql::Reason reason = sql::Reason::NotParsed;  // Why it is no read.
    sql::Hints hints;
    // One statement, alone, that pgweir may answer itself: BEGIN and what may follow it before a
    // node is needed, SET pgweir.…
    sql::TransactionStep step = sql::TransactionStep::None;
    sql::TransactionAccess access = sql::TransactionAccess::Unsaid;
    bool is_serializable = false;
    sql::OwnCommand own = sql::OwnCommand::None;
    std::string_view text;  // Of that one statement; points into the bytes, or into a statement.
};

struct UnitContext {
    const SplitRules& rules;
    const ClientStatements* statements = nullptr;
    const StatementRef& unnamed;
    const ParameterSet& parameters;  // What the session has, for what is reported of it.
};

// REQUIRES: rules.judge. `bytes` begin with a message that begins a unit, its header complete.
Unit judge_unit(ByteView bytes, const UnitContext& context);

// The verdict of one text.
sql::Verdict judge_text(std::string_view text, const UnitContext& context);
// The verdict of a statement, remembered with it.
const sql::Verdict& verdict_of(const Statement& statement, const UnitContext& context);

// Whether a statement leaves state that does not follow its session to another server. What
// PostgreSQL reports does.
bool leaves_state(const sql::Verdict& verdict, std::string_view text, const UnitContext& context);

}  // namespace pgweir::session
