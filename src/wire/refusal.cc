// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/refusal.h"

#include <initializer_list>

#include "pgweir/wire/error_response.h"

namespace pgweir::wire {

namespace {

using Reason = RefusalReason;
using Words = std::initializer_list<std::string_view>;

std::string join(Words words) {
    std::string text;
    for (const std::string_view word : words) text += word;
    return text;
}

std::string quoted(std::string_view name) {
    return join({"\"", name, "\""});
}

RefusalText notice(std::string_view sqlstate, Words message, Words hint = {}) {
    return {Severity::Notice, std::string(sqlstate), join(message), {}, join(hint)};
}
// The client hears it, and goes on.
RefusalText error(std::string_view sqlstate, Words message, Words hint = {}) {
    return {Severity::Error, std::string(sqlstate), join(message), {}, join(hint)};
}
// The client hears it, and its connection ends.
RefusalText fatal(std::string_view sqlstate, Words message, Words hint = {}) {
    return {Severity::Fatal, std::string(sqlstate), join(message), {}, join(hint)};
}

constexpr std::string_view kRunAgain = "Run the transaction again.";
constexpr std::string_view kAskOperator = "The log of pgweir says why.";
// One text for every way in which a protocol breaks, as the cure is the same.
constexpr std::string_view kClientBroken = "This is an error in the client's driver.";
constexpr std::string_view kRaiseOrLeave = "Close connections that are not needed, or raise ";

std::string statement_name(std::string_view name) {
    return name.empty() ? "unnamed prepared statement" : "prepared statement " + quoted(name);
}

RefusalText query_wait_timeout(const Refusal& r) {
    if (r.option.empty()) {
        return error("57P03",
                     {"no server of pool ", r.subject,
                      " could be opened within query_wait_timeout = ", r.limit},
                     {"Is PostgreSQL running there, and does it accept connections?"});
    }
    return error("53300",
                 {"pool ", r.subject, " is full (", r.option, " = ", r.value,
                  ") and no server became free within query_wait_timeout = ", r.limit},
                 {"Raise ", r.option, ", or make transactions shorter."});
}

RefusalText console_unknown_command(const Refusal& r) {
    const std::string nearest =
        r.value.empty() ? "" : join({"Did you mean ", quoted(r.value), "? "});
    return error("42601", {"unknown command ", quoted(r.subject)},
                 {nearest, "SHOW HELP lists the commands."});
}

// The server's own words may name what the client must not know: only its SQLSTATE is passed on,
// and that only where it says what a client may hear.
RefusalText server_login_failed(const Refusal& r) {
    const bool telling =
        r.sqlstate.size() == 5 && (r.sqlstate.starts_with("28") || r.sqlstate.starts_with("3D"));
    return error(telling ? std::string_view(r.sqlstate) : "57P03",
                 {"PostgreSQL refuses the login of pool ", r.subject}, {kAskOperator});
}

RefusalText sentence(const Refusal& r) {
    switch (r.reason) {
        // What the client sent.
        case Reason::InvalidMessageType:
            return fatal("08P01", {"invalid frontend message type ", r.subject}, {kClientBroken});
        case Reason::InvalidMessageLength:
            return fatal("08P01",
                         {"invalid message length ", r.value, " in message type ", r.subject},
                         {kClientBroken});
        case Reason::MalformedMessage:
            return fatal("08P01", {"invalid message format in ", r.subject}, {kClientBroken});
        case Reason::UnexpectedMessage:
            return fatal("08P01", {r.subject, " is not expected here"}, {kClientBroken});
        case Reason::InvalidStartupLength:
            return fatal("08P01", {"invalid length of startup packet (8 to 10000 bytes are valid)"},
                         {"Does the client speak PostgreSQL's protocol?"});
        case Reason::MalformedStartup:
            return fatal("08P01", {"invalid startup packet layout"}, {kClientBroken});
        case Reason::UnsupportedProtocol:
            return fatal(
                "0A000",
                {"unsupported frontend protocol ", r.value, ": pgweir supports 3.0 and 3.2"},
                {"Use a driver for PostgreSQL 7.4 or newer."});
        case Reason::BytesBeforeTls:
            return fatal("08P01", {"received unencrypted data after SSL request"},
                         {"This is an error in the client, or somebody between it and pgweir "
                          "tries to inject data."});
        case Reason::PasswordExpected:
            return fatal("08P01", {"expected password response, got ", r.subject}, {kClientBroken});
        case Reason::MalformedSasl:
            return fatal("08P01", {"malformed SCRAM message"}, {kClientBroken});
        case Reason::MessageTooLarge: {
            const std::string_view option =
                r.option.empty() ? "max_message_size" : std::string_view(r.option);
            return fatal("54000",
                         {"message ", r.subject, " of ", r.value, " bytes is too large (", option,
                          " = ", r.limit, ")"},
                         {"Send less at once, or raise ", option, "."});
        }
        case Reason::PartialMessageTimeout:
            return fatal(
                "08P01",
                {"the rest of a message did not come within partial_frame_timeout = ", r.limit});

        // Who the client is.
        case Reason::NoUserName:
            return fatal("28000", {"no PostgreSQL user name specified in startup packet"});
        case Reason::AuthenticationFailed:
            return fatal("28P01", {"password authentication failed for user ", quoted(r.subject)});
        case Reason::CertificateFailed:
            return fatal("28000",
                         {"certificate authentication failed for user ", quoted(r.subject)},
                         {"The common name of the client's certificate must be the user name."});
        case Reason::NoHbaRule:
            return fatal("28000", {"no hba rule accepts ", r.subject},
                         {"Rules are in [[hba]] of pgweir.toml; the first that matches counts."});
        case Reason::TlsRequired:
            return fatal("28000", {"this connection must be encrypted"},
                         {"Connect with sslmode=require or better."});
        case Reason::UnknownDatabase:
            return fatal("3D000", {"database ", quoted(r.subject), " does not exist"});
        case Reason::LoginTimeout:
            return fatal(
                "57014",
                {"canceling authentication due to timeout (client_login_timeout = ", r.limit, ")"});
        case Reason::UserLookupFailed:
            return fatal("57P03", {"users can't be looked up: auth_query could not be run"},
                         {kAskOperator});
        case Reason::StartupParameterRefused:
            return fatal("42704", {"startup parameter ", quoted(r.subject), " is not supported"},
                         {"Leave it out of the connection string, or name it in "
                          "ignore_startup_parameters."});
        case Reason::InvalidStartupOptions:
            return fatal("42601",
                         {"invalid argument in startup parameter \"options\": ", r.subject},
                         {"pgweir takes settings: -c name=value or --name=value."});
        case Reason::ReplicationRefused:
            return fatal(
                "0A000",
                {"replication connections to database ", quoted(r.subject), " are not supported"},
                {"Connect to the PostgreSQL server itself."});

        // Limits.
        case Reason::TooManyClients:
            return fatal("53300", {"too many clients (max_client_conn = ", r.limit, ")"},
                         {kRaiseOrLeave, "max_client_conn."});
        case Reason::TooManyDatabaseClients:
            return fatal("53300",
                         {"too many clients of database ", quoted(r.subject),
                          " (max_db_client_connections = ", r.limit, ")"},
                         {kRaiseOrLeave, "max_db_client_connections."});
        case Reason::TooManyUserClients:
            return fatal("53300",
                         {"too many clients of user ", quoted(r.subject),
                          " (max_user_client_connections = ", r.limit, ")"},
                         {kRaiseOrLeave, "max_user_client_connections."});
        case Reason::TooManyLogins:
            return fatal("53300",
                         {"too many clients are logging in (max_login_clients = ", r.limit, ")"},
                         {"Try again, or raise max_login_clients."});
        case Reason::TooManyAddressClients:
            return fatal("53300",
                         {"too many clients are logging in from ", r.subject,
                          " (max_login_clients_per_address = ", r.limit, ")"},
                         {"Try again, or raise max_login_clients_per_address."});
        case Reason::QueryWaitTimeout:
            return query_wait_timeout(r);
        case Reason::QueryWaitNotice:
            return notice("00000", {"waiting for a server of pool ", r.subject, " (", r.option,
                                    " = ", r.value, ")"});
        case Reason::TooManyStatements:
            return error("53400",
                         {"too many prepared statements in this session "
                          "(max_client_prepared_statements = ",
                          r.limit, ")"},
                         {"Close statements that are not needed, or raise "
                          "max_client_prepared_statements."});
        case Reason::StatementMemory:
            return error("53400",
                         {"prepared statements need too much memory "
                          "(prepared_statements_memory = ",
                          r.limit, ")"},
                         {"Close statements that are not needed, or raise "
                          "prepared_statements_memory."});

        // Servers.
        case Reason::ServerUnreachable:
            return error("57P03", {"no server of pool ", r.subject, " can be opened"},
                         {"Is PostgreSQL running there, and does it accept connections?"});
        case Reason::ServerLoginFailed:
            return server_login_failed(r);
        case Reason::ServerLost:
            return error("08006",
                         {"connection to PostgreSQL lost while it answered (pool ", r.subject, ")"},
                         {"Nothing was run again, because part of the answer had been passed on."});
        case Reason::NoNode:
            return {Severity::Error, "57P03",
                    join({"no node of database ", quoted(r.subject), " could serve this within ",
                          r.option, " = ", r.limit}),
                    r.detail, "SHOW NODES in the console tells what is known of the nodes."};
        case Reason::FailoverLineFull:
            return error("57P03",
                         {"too many clients of database ", quoted(r.subject),
                          " wait for a primary (max_failover_waiters = ", r.limit, ")"},
                         {"SHOW NODES in the console tells what is known of the nodes."});
        case Reason::HistoryLost:
            return error("40001",
                         {"what this session has seen of database ", quoted(r.subject),
                          " may have been lost in a failover"},
                         {"Read again what later decisions depend on; the session goes on."});
        case Reason::TransactionLost:
            return error("40001",
                         {"transaction lost: the connection to PostgreSQL ended before COMMIT "
                          "(pool ",
                          r.subject, ")"},
                         {kRunAgain});
        case Reason::TransactionRefused:
            return error("40001", {"transaction lost: its node is not the primary any more"},
                         {kRunAgain});
        case Reason::WriteRefused:
            return error("40001", {"nothing was written: the node is not the primary any more"},
                         {"Run the statement again."});
        case Reason::ResolutionUnknown:
            return error("08007",
                         {"transaction resolution unknown: the connection to PostgreSQL ended "
                          "before its answer came (pool ",
                          r.subject, ")"},
                         {"It may have been committed: look before running it again."});
        case Reason::ServerProtocolViolation:
            return error("08P01", {"PostgreSQL sent an invalid answer (pool ", r.subject, ")"},
                         {kAskOperator});
        case Reason::TransactionAborted:
            return error("25P02", {"current transaction is aborted, commands ignored until end of "
                                   "transaction block"});

        // Time.
        case Reason::ClientIdleTimeout:
            return fatal("57P05",
                         {"terminating connection due to client_idle_timeout = ", r.limit});
        case Reason::IdleTransactionTimeout:
            return fatal("25P03",
                         {"terminating connection due to idle_transaction_timeout = ", r.limit});
        case Reason::TransactionTimeout:
            return fatal("25P04",
                         {"terminating connection due to transaction_timeout = ", r.limit});
        case Reason::QueryTimeout:
            return fatal("57014", {"terminating connection due to query_timeout = ", r.limit},
                         {"Make the query faster, or raise query_timeout."});
        case Reason::ClientWriteTimeout:
            return fatal("08006",
                         {"terminating connection due to client_write_timeout = ", r.limit},
                         {"The client does not read its answers."});

        // The operator.
        case Reason::Shutdown:
            return fatal("57P01", {"terminating connection due to administrator command"});
        case Reason::ShutdownDeadline:
            return fatal("57P01",
                         {"terminating connection due to administrator command: the transaction "
                          "did not end within shutdown_timeout = ",
                          r.limit});
        case Reason::NotAccepting:
            return fatal("57P03", {"pgweir is shutting down"});
        case Reason::Paused:
            return error("57P03",
                         {"database ", quoted(r.subject),
                          " is paused and was not resumed within query_wait_timeout = ", r.limit},
                         {"RESUME in the console of pgweir ends the pause."});

        // What the client asked for.
        case Reason::TransactionInStatementMode:
            return error("0A000",
                         {"transactions are not allowed in statement mode (pool_mode of database ",
                          quoted(r.subject), ")"},
                         {"Use pool_mode = \"transaction\"."});
        case Reason::CancelledByUser:
            return error("57014", {"canceling statement due to user request"});
        case Reason::StatementExists:
            return error("42P05", {statement_name(r.subject), " already exists"});
        case Reason::StatementUnknown:
            return error("26000", {statement_name(r.subject), " does not exist"});

        case Reason::OwnParameterUnknown:
            return error("42704", {"unrecognized configuration parameter ", quoted(r.subject)},
                         {"There are pgweir.consistency, pgweir.route and pgweir.token."});
        case Reason::OwnParameterInvalid:
            return error("22023",
                         {"invalid value for parameter ", quoted(r.subject), ": ", quoted(r.value)},
                         {"Available values: ", r.detail, "."});
        case Reason::OwnParameterLocal:
            return error("0A000", {"SET LOCAL ", r.subject, " is not supported"},
                         {"Use SET, or a comment such as /* pgweir: consistency=strong */ in "
                          "front of the statement."});

        // The console.
        case Reason::ConsoleUnknownCommand:
            return console_unknown_command(r);
        case Reason::ConsoleInvalidArgument:
            return error("22023", {"invalid argument ", quoted(r.subject)}, {r.detail});
        case Reason::ConsolePermission:
            return error("42501", {"permission denied for ", r.subject},
                         {"It needs a user of ", r.value, "."});
        case Reason::ConsoleUnknownDatabase:
            return error("3D000", {"database ", quoted(r.subject), " does not exist"},
                         {"SHOW DATABASES lists them."});
        case Reason::ConsoleUnknownNode:
            return error("22023", {"there is no node ", quoted(r.subject)},
                         {"SHOW NODES lists them."});
        case Reason::ConsoleNoPrimary:
            return error("55000", {r.subject, " failed: there is no primary"},
                         {"SHOW NODES tells what is known of the nodes."});
        case Reason::ConsolePortalUnknown:
            return error("34000", {"portal ", quoted(r.subject), " does not exist"});
        case Reason::ConsoleUnsupportedCommand:
            return error("0A000", {"the console does not support ", r.subject}, {r.detail});
        case Reason::ConsoleUnsupportedMessage:
            return error("0A000", {"the console does not take ", r.subject},
                         {"It takes queries without parameters, with results in text format."});
        case Reason::ConsoleFailed:
            return error("55000", {r.subject, " failed"});
        case Reason::ReloadFailed:
            return error("F0000", {"the configuration was not reloaded"},
                         {"The settings in force have not changed."});
    }
    return {};
}

// Whose `detail` is fit for the client. Nowhere else is it shown: what a server or the operating
// system says belongs in the log.
bool shows_detail(Reason reason) {
    switch (reason) {
        case Reason::MalformedSasl:
        case Reason::QueryWaitTimeout:
        case Reason::ServerUnreachable:
        case Reason::ServerProtocolViolation:
        case Reason::ConsoleFailed:
        case Reason::ReloadFailed:
            return true;
        default:
            return false;
    }
}

}  // namespace

RefusalText describe(const Refusal& refusal) {
    RefusalText text = sentence(refusal);
    if (shows_detail(refusal.reason)) text.detail = refusal.detail;
    if (refusal.moment == RefusalMoment::Login && text.severity == Severity::Error) {
        text.severity = Severity::Fatal;
    }
    return text;
}

std::string_view name_of(Severity severity) {
    switch (severity) {
        case Severity::Notice:
            return "NOTICE";
        case Severity::Error:
            return "ERROR";
        case Severity::Fatal:
            return "FATAL";
    }
    return {};
}

bool is_fatal(const Refusal& refusal) {
    return describe(refusal).severity == Severity::Fatal;
}

void append(Bytes& out, const Refusal& refusal) {
    const RefusalText text = describe(refusal);
    const ErrorFields fields{.severity = name_of(text.severity),
                             .severity_invariant = name_of(text.severity),
                             .sqlstate = text.sqlstate,
                             .message = text.message,
                             .detail = text.detail,
                             .hint = text.hint};
    if (text.severity == Severity::Notice) {
        notice_response(out, fields);
    } else {
        error_response(out, fields);
    }
}

}  // namespace pgweir::wire
