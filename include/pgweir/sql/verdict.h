// SPDX-License-Identifier: PostgreSQL
// What one text (a Query message's, or a Parse message's) asks of the node that runs it: may a
// standby serve it, what does it do to the transaction, what does it leave behind. A few bytes; the
// tree it was judged by is never kept.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgweir::sql {

// Why a text is no read, in the order in which they are told if there are several. `None` is a
// read.
enum class Reason : std::uint8_t {
    None,
    Empty,             // No statement at all: a read, any node answers it alike.
    NotParsed,         // The grammar refuses it, or it is too long to look at.
    DataModification,  // INSERT, UPDATE, DELETE, MERGE, TRUNCATE, a data-modifying CTE.
    RowLock,           // FOR UPDATE, FOR SHARE, …
    SelectInto,        // SELECT INTO, CREATE TABLE AS.
    SchemaChange,      // DDL.
    Utility,        // VACUUM, COPY FROM, LOCK, NOTIFY, DO, CALL, … whatever is not known to read.
    OutsideEffect,  // COPY … PROGRAM or to a file, dblink: acts outside of the database.
    SessionState,   // SET, RESET, PREPARE, DEALLOCATE, LISTEN, DISCARD, temporary tables, …
    TransactionControl,  // BEGIN, COMMIT, SAVEPOINT, … (see Verdict::transaction).
    VolatileFunction,    // A function that the catalog calls volatile.
    UnknownFunction,     // The catalog does not know it, or knows several that differ.
    LocalFunction,       // Its answer is about the node itself: pg_stat_*, advisory locks, …
    VolatileOperator,    // An operator over a volatile function.
    UnsafeRelation,      // A view over something that is no read, an unlogged or temporary table,
                         // a foreign table.
    LocalRelation,       // pg_stat_*, pg_locks, …: about the node itself.
    UnknownRelation,     // The catalog does not know it.
    NoCatalog,           // The catalog has not been read, or may have changed.
    ServerStatement,     // EXECUTE of a statement prepared by SQL.
    Learned,             // A standby refused it before.
};

// "volatile_function", for SHOW and the log.
std::string_view name_of(Reason reason);

// What a text that consists of one transaction command does.
enum class TransactionStep : std::uint8_t {
    None,
    Begin,     // BEGIN, START TRANSACTION.
    Commit,    // COMMIT, END (not PREPARED, not AND CHAIN).
    Rollback,  // ROLLBACK, ABORT (not TO, not PREPARED, not AND CHAIN).
    SetModes,  // SET TRANSACTION …: modes of the open transaction (not SNAPSHOT).
    Other,     // SAVEPOINT, RELEASE, ROLLBACK TO, PREPARE TRANSACTION, AND CHAIN, …
};

// READ ONLY or READ WRITE, where a Begin or SetModes says so.
enum class TransactionAccess : std::uint8_t { Unsaid, ReadOnly, ReadWrite };

// A comment in front of the text: /* pgweir: primary */, /* pgweir: replica */,
// /* pgweir: consistency=strong */; several may be joined by commas.
enum class RouteHint : std::uint8_t { None, Primary, Replica };
enum class Consistency : std::uint8_t { Eventual, Session, Strong, Primary };

struct Hints {
    RouteHint route = RouteHint::None;
    bool has_consistency = false;
    Consistency consistency = Consistency::Session;
    // Says "pgweir:" and then something that is none of the above, or two things that contradict
    // one another. The hint is then ignored, and the log says so.
    bool is_wrong = false;
    bool operator==(const Hints&) const = default;
};

// Words that are meant for pgweir and never reach a server:
// SET pgweir.NAME = …, RESET pgweir.NAME, SHOW pgweir.NAME.
enum class OwnCommand : std::uint8_t { None, Set, Reset, Show };

struct Verdict {
    // May run on a standby: it writes nothing, locks nothing, and means the same on every node.
    // So it is if the reason is None or Empty.
    bool is_read = false;
    Reason reason = Reason::NotParsed;
    TransactionStep transaction = TransactionStep::None;
    TransactionAccess access = TransactionAccess::Unsaid;
    // Of a Begin or SetModes: ISOLATION LEVEL SERIALIZABLE.
    bool is_serializable = false;
    // Contains a command that may begin or end a transaction beside other statements, or inside a
    // procedure: BEGIN, COMMIT, … in a text of several, CALL, DO. What the transaction's status is
    // afterwards is the server's to say.
    bool may_change_transaction : 1 = false;
    // Leaves state in the session that does not follow a client to another server: SET of a
    // parameter (whether PostgreSQL reports it is for the session to know), PREPARE, LISTEN, LOAD,
    // temporary tables, WITH HOLD cursors, session advisory locks, currval, DO, CALL, set_config, …
    bool leaves_state : 1 = false;
    // Of leaves_state, no more than SET, SET SESSION or RESET of one parameter (not ALL).
    // Only of a text of one statement.
    bool is_plain_set : 1 = false;
    // DISCARD ALL: nothing is left behind.
    bool discards_state : 1 = false;
    // Of a read: it calls a function by name that is not one of PostgreSQL's own. A standby keeps
    // it from writing, whatever its volatility is declared to be; on the primary nothing does.
    bool calls_own_function : 1 = false;
    // May change what the catalog says of functions, views, operators and relations.
    bool may_change_schema : 1 = false;
    OwnCommand own = OwnCommand::None;
    Hints hints;
};

static_assert(sizeof(Verdict) <= 24, "the cache holds many");

}  // namespace pgweir::sql
