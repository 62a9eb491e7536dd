// SPDX-License-Identifier: PostgreSQL
// Every error that pgweir itself sends to a client: reason → severity, SQLSTATE, sentence, hint.
// The texts are in one switch in refusal.cc; tests/unit/wire/refusals.txt shows them all.
// SQLSTATE means what PostgreSQL means by it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pgweir/base/bytes.h"

namespace pgweir::wire {

// Beside each reason: the fields of Refusal that its sentence uses.
enum class RefusalReason : std::uint8_t {
    // What the client sent can't be understood. The connection ends.
    InvalidMessageType,     // subject: the byte, printable or as a number
    InvalidMessageLength,   // subject: message name, value: the length
    MalformedMessage,       // subject: message name
    UnexpectedMessage,      // subject: message name
    InvalidStartupLength,   //
    MalformedStartup,       //
    UnsupportedProtocol,    // value: "2.0"
    BytesBeforeTls,         //
    PasswordExpected,       // subject: the byte or message name
    MalformedSasl,          // detail
    MessageTooLarge,        // subject: message name, value: its bytes, limit, option (if not
                            // max_message_size)
    PartialMessageTimeout,  // limit: of partial_frame_timeout

    // Who the client is, and whether it may come in. The connection ends.
    NoUserName,               //
    AuthenticationFailed,     // subject: user
    CertificateFailed,        // subject: user
    NoHbaRule,                // subject: 'host "::1", user "u", database "d", no encryption'
    TlsRequired,              //
    UnknownDatabase,          // subject: database
    LoginTimeout,             // limit: of client_login_timeout
    UserLookupFailed,         // The auth_query could not be run.
    StartupParameterRefused,  // subject: parameter name
    InvalidStartupOptions,    // subject: the argument
    ReplicationRefused,       // subject: database

    // Limits.
    TooManyClients,          // limit: of max_client_conn
    TooManyDatabaseClients,  // subject: database, limit: of max_db_client_connections
    TooManyUserClients,      // subject: user, limit: of max_user_client_connections
    TooManyLogins,           // limit: of max_login_clients
    TooManyAddressClients,   // subject: address, limit
    QueryWaitTimeout,        // subject: pool "app/alice on n1:5432", option, value: of the full
                             // limit (both empty: no server could be opened), limit: the
                             // timeout, detail: the last failure to open a server
    QueryWaitNotice,         // NOTICE. subject: pool, option, value
    TooManyStatements,       // limit: of max_client_prepared_statements
    StatementMemory,         // limit: of prepared_statements_memory

    // Servers.
    ServerUnreachable,        // subject: pool, detail: reason
    ServerLoginFailed,        // subject: pool, sqlstate: the server's own, of class 28 or 3D
    ServerLost,               // subject: pool
    NoNode,                   // subject: database, option, limit: its value, detail: why
    FailoverLineFull,         // subject: database, limit: of max_failover_waiters
    HistoryLost,              // subject: database
    TransactionLost,          // subject: pool
    TransactionRefused,       // The node is not the primary any more; in a transaction,
    WriteRefused,             // and outside of one.
    ResolutionUnknown,        // subject: pool
    ServerProtocolViolation,  // subject: pool, detail
    TransactionAborted,       // 25P02, after TransactionLost until the client ends it.

    // Time.
    ClientIdleTimeout,       // limit
    IdleTransactionTimeout,  // limit
    TransactionTimeout,      // limit
    QueryTimeout,            // limit
    ClientWriteTimeout,      // limit

    // The operator.
    Shutdown,          // Also of one client, by KILL.
    ShutdownDeadline,  // limit: of shutdown_timeout
    NotAccepting,      // A login during shutdown.
    Paused,            // subject: database, limit: of query_wait_timeout

    // What the client asked for.
    TransactionInStatementMode,  // subject: database
    CancelledByUser,             //
    StatementExists,             // subject: prepared statement name
    StatementUnknown,            // subject: prepared statement name ("": the unnamed one)

    OwnParameterUnknown,  // subject: "pgweir.x"
    OwnParameterInvalid,  // subject: "pgweir.x", value, detail: what is wanted
    OwnParameterLocal,    // subject: "pgweir.x"

    // The console.
    ConsoleUnknownCommand,      // subject: the command, value: the nearest one, if any is near
    ConsoleInvalidArgument,     // subject: the argument, detail: what is wanted
    ConsolePermission,          // subject: the command, value: the role that it needs
    ConsoleUnknownDatabase,     // subject: database
    ConsoleUnknownNode,         // subject: host:port
    ConsoleNoPrimary,           // subject: the command
    ConsolePortalUnknown,       // subject: portal name
    ConsoleUnsupportedCommand,  // subject: the command, detail: what to do instead
    ConsoleUnsupportedMessage,  // subject: message name, or what of it is not taken
    ConsoleFailed,              // subject: the command, detail: why
    ReloadFailed,               // detail: file:line and what is wrong
};
constexpr std::size_t kRefusalReasons = static_cast<std::size_t>(RefusalReason::ReloadFailed) + 1;

// At login an error ends the connection, as in PostgreSQL: ERROR becomes FATAL.
enum class RefusalMoment : std::uint8_t { Session, Login };

struct Refusal {
    RefusalReason reason;
    std::string subject = {};   // What it is about.
    std::string option = {};    // The option that is the limit, where there are several.
    std::string value = {};     // What was found.
    std::string limit = {};     // What the limit is set to, e.g. "20" or "5s".
    std::string detail = {};    // Why, in the words of somebody else. Never a secret.
    std::string sqlstate = {};  // Only where the reason passes one on.
    RefusalMoment moment = RefusalMoment::Session;
};

enum class Severity : std::uint8_t { Notice, Error, Fatal };

struct RefusalText {
    Severity severity = Severity::Error;
    std::string sqlstate;
    std::string message;
    std::string detail;
    std::string hint;
};

RefusalText describe(const Refusal& refusal);
std::string_view name_of(Severity severity);
std::string_view name_of(RefusalReason reason);

// The client's connection must be closed behind it.
bool is_fatal(const Refusal& refusal);

// Appends the ErrorResponse (or the NoticeResponse of a notice).
void append(Bytes& out, const Refusal& refusal);

}  // namespace pgweir::wire
