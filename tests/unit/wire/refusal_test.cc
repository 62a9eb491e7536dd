// SPDX-License-Identifier: PostgreSQL
// All refusals, as a client sees them, compared with refusals.txt. When a text was changed on
// purpose, PGWEIR_WRITE_SNAPSHOTS=1 writes the file anew; read its difference before committing.
#include "pgweir/wire/refusal.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "pgweir/wire/error_response.h"

using namespace pgweir;
using namespace pgweir::wire;

namespace {

// One of each reason, with the fields that refusal.h names beside it.
Refusal example(RefusalReason reason) {
    using Reason = RefusalReason;
    Refusal r{.reason = reason};
    switch (reason) {
        case Reason::InvalidMessageType:
            r.subject = "'~' (126)";
            break;
        case Reason::InvalidMessageLength:
            r.subject = "'Q'", r.value = "3";
            break;
        case Reason::MalformedMessage:
        case Reason::UnexpectedMessage:
        case Reason::ConsoleUnsupportedMessage:
            r.subject = "Parse";
            break;
        case Reason::UnsupportedProtocol:
            r.value = "2.0";
            break;
        case Reason::PasswordExpected:
            r.subject = "Query";
            break;
        case Reason::MalformedSasl:
            r.detail = "The nonce is too long.";
            break;
        case Reason::MessageTooLarge:
            r.subject = "CopyData", r.value = "1073741828", r.limit = "64MB";
            break;
        case Reason::NoHbaRule:
            r.subject = "host \"192.0.2.7\", user \"alice\", database \"app\", no encryption";
            break;
        case Reason::AuthenticationFailed:
        case Reason::CertificateFailed:
            r.subject = "alice";
            break;
        case Reason::TooManyUserClients:
            r.subject = "alice", r.limit = "10";
            break;
        case Reason::UnknownDatabase:
        case Reason::ReplicationRefused:
        case Reason::TransactionInStatementMode:
        case Reason::ConsoleUnknownDatabase:
            r.subject = "app";
            break;
        case Reason::StartupParameterRefused:
            r.subject = "session_preload_libraries";
            break;
        case Reason::InvalidStartupOptions:
            r.subject = "-fs";
            break;
        case Reason::TooManyClients:
        case Reason::TooManyLogins:
        case Reason::TooManyStatements:
            r.limit = "100";
            break;
        case Reason::StatementMemory:
            r.limit = "64MB";
            break;
        case Reason::TooManyDatabaseClients:
            r.subject = "app", r.limit = "10";
            break;
        case Reason::TooManyAddressClients:
            r.subject = "192.0.2.7", r.limit = "10";
            break;
        case Reason::QueryWaitTimeout:
        case Reason::QueryWaitNotice:
            r.subject = "app/alice on n1:5432", r.option = "pool_size", r.value = "20";
            r.limit = "5s";
            break;
        case Reason::ServerUnreachable:
            r.subject = "app/alice on n1:5432", r.detail = "connection refused";
            break;
        case Reason::ServerLoginFailed:
            r.subject = "app/alice on n1:5432", r.sqlstate = "28P01";
            break;
        case Reason::ServerProtocolViolation:
            r.subject = "app/alice on n1:5432", r.detail = "ReadyForQuery has 2 bytes.";
            break;
        case Reason::NoNode:
            r.subject = "app", r.option = "query_wait_timeout", r.limit = "120s";
            r.detail = "n1:5432: unreachable; n2:5432: a standby";
            break;
        case Reason::TransactionRefused:
        case Reason::WriteRefused:
            break;
        case Reason::FailoverLineFull:
            r.subject = "app", r.limit = "10000";
            break;
        case Reason::ConsoleUnknownNode:
            r.subject = "n9:5432";
            break;
        case Reason::ConsoleNoPrimary:
            r.subject = "SWITCHOVER";
            break;
        case Reason::HistoryLost:
            r.subject = "app";
            break;
        case Reason::OwnParameterUnknown:
        case Reason::OwnParameterLocal:
            r.subject = "pgweir.level";
            break;
        case Reason::OwnParameterInvalid:
            r.subject = "pgweir.consistency", r.value = "often";
            r.detail = "eventual, session, strong or primary";
            break;
        case Reason::ServerLost:
        case Reason::TransactionLost:
        case Reason::ResolutionUnknown:
            r.subject = "app/alice on n1:5432";
            break;
        case Reason::PartialMessageTimeout:
        case Reason::LoginTimeout:
        case Reason::ClientIdleTimeout:
        case Reason::IdleTransactionTimeout:
        case Reason::TransactionTimeout:
        case Reason::QueryTimeout:
        case Reason::ClientWriteTimeout:
        case Reason::ShutdownDeadline:
            r.limit = "30s";
            break;
        case Reason::Paused:
            r.subject = "app", r.limit = "30s";
            break;
        case Reason::StatementExists:
        case Reason::StatementUnknown:
            r.subject = "s1";
            break;
        case Reason::ConsoleUnknownCommand:
            r.subject = "SHOW POLLS", r.value = "SHOW POOLS";
            break;
        case Reason::ConsolePortalUnknown:
            r.subject = "p1";
            break;
        case Reason::ConsoleUnsupportedCommand:
            r.subject = "SUSPEND", r.detail = "PAUSE and RESUME hold clients back.";
            break;
        case Reason::ConsoleInvalidArgument:
            r.subject = "fast", r.detail = "A number of seconds is wanted.";
            break;
        case Reason::ConsolePermission:
            r.subject = "PAUSE", r.value = "admin_users";
            break;
        case Reason::ConsoleFailed:
            r.subject = "PAUSE", r.detail = "It is paused already.";
            break;
        case Reason::ReloadFailed:
            r.detail = "pgweir.toml:3: unknown option \"pol_size\" (did you mean \"pool_size\"?)";
            break;
        case Reason::InvalidStartupLength:
        case Reason::MalformedStartup:
        case Reason::BytesBeforeTls:
        case Reason::NoUserName:
        case Reason::TlsRequired:
        case Reason::UserLookupFailed:
        case Reason::TransactionAborted:
        case Reason::Shutdown:
        case Reason::NotAccepting:
        case Reason::CancelledByUser:
            break;
    }
    return r;
}

void print(std::ostream& out, std::string_view name, const Refusal& refusal) {
    const RefusalText text = describe(refusal);
    out << name << "\n    " << name_of(text.severity) << " " << text.sqlstate << ": "
        << text.message << "\n";
    if (!text.detail.empty()) out << "    DETAIL: " << text.detail << "\n";
    if (!text.hint.empty()) out << "    HINT: " << text.hint << "\n";
}

std::string all_refusals() {
    std::ostringstream out;
    for (std::size_t i = 0; i < kRefusalReasons; ++i) {
        const auto reason = static_cast<RefusalReason>(i);
        print(out, name_of(reason), example(reason));
    }
    Refusal variant = example(RefusalReason::QueryWaitTimeout);
    variant.option.clear();
    variant.detail = "connection refused";
    print(out, "QueryWaitTimeout, without a limit", variant);
    variant.moment = RefusalMoment::Login;
    print(out, "QueryWaitTimeout, at login", variant);
    variant = example(RefusalReason::ServerLoginFailed);
    variant.sqlstate = "XX000";
    print(out, "ServerLoginFailed, for another reason", variant);
    variant = example(RefusalReason::MessageTooLarge);
    variant.option = "max_buffered_message";
    print(out, "MessageTooLarge, another limit", variant);
    variant = example(RefusalReason::StatementUnknown);
    variant.subject.clear();
    print(out, "StatementUnknown, unnamed", variant);
    return out.str();
}

}  // namespace

TEST_CASE("every refusal says what refusals.txt says") {
    const std::string path = std::string(PGWEIR_TEST_DATA) + "/refusals.txt";
    const std::string actual = all_refusals();
    if (std::getenv("PGWEIR_WRITE_SNAPSHOTS") != nullptr) std::ofstream(path) << actual;
    std::ifstream file(path);
    REQUIRE_MESSAGE(file, "PGWEIR_WRITE_SNAPSHOTS=1 writes the missing file ", path);
    std::ostringstream expected;
    expected << file.rdbuf();
    CHECK_MESSAGE(actual == expected.str(),
                  "an error text changed: if that is intended, PGWEIR_WRITE_SNAPSHOTS=1 writes ",
                  path);
}

TEST_CASE("every refusal has a name, a SQLSTATE and a sentence") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < kRefusalReasons; ++i) {
        const auto reason = static_cast<RefusalReason>(i);
        const std::string_view name = name_of(reason);
        CAPTURE(name);
        CHECK_FALSE(name.empty());
        CHECK(names.insert(name).second);
        const RefusalText text = describe(example(reason));
        CHECK(text.sqlstate.size() == 5);
        REQUIRE_FALSE(text.message.empty());
        for (const char c : text.message + text.hint) CHECK((c >= ' ' && c <= '~'));
        // PostgreSQL's style: a message has no full stop, a hint is a sentence.
        CHECK(text.message.back() != '.');
        if (!text.hint.empty()) CHECK((text.hint.back() == '.' || text.hint.back() == '?'));
        // A sentence that lost a field shows it by a gap.
        CHECK(text.message.find("  ") == std::string::npos);
        CHECK(text.message.find("= )") == std::string::npos);
        CHECK(text.message.find("\"\"") == std::string::npos);
    }
}

TEST_CASE("a refusal is appended as an ErrorResponse that reads back") {
    Bytes out{0xaa};
    append(out, example(RefusalReason::QueryWaitTimeout));
    REQUIRE(out.size() > 6);
    CHECK(out[1] == 'E');
    CHECK(load_u32(out.data() + 2) == out.size() - 2);
    const auto fields = read_error_fields(ByteView(out).subspan(6));
    REQUIRE(fields);
    CHECK(fields->severity == "ERROR");
    CHECK(fields->sqlstate == "53300");
    CHECK(fields->message ==
          "pool app/alice on n1:5432 is full (pool_size = 20) and no server became free within "
          "query_wait_timeout = 5s");
}

TEST_CASE("a notice is appended as a NoticeResponse") {
    Bytes out;
    append(out, example(RefusalReason::QueryWaitNotice));
    CHECK(out[0] == 'N');
    CHECK_FALSE(is_fatal(example(RefusalReason::QueryWaitNotice)));
}

TEST_CASE("at login every error ends the connection") {
    Refusal refusal = example(RefusalReason::Paused);
    CHECK_FALSE(is_fatal(refusal));
    refusal.moment = RefusalMoment::Login;
    CHECK(is_fatal(refusal));
    // A notice stays one.
    refusal = example(RefusalReason::QueryWaitNotice);
    refusal.moment = RefusalMoment::Login;
    CHECK_FALSE(is_fatal(refusal));
}

TEST_CASE("what a server says of a login is not shown to the client") {
    Refusal refusal = example(RefusalReason::ServerLoginFailed);
    refusal.detail = "password authentication failed for user \"pgweir_internal\"";
    CHECK(describe(refusal).detail.empty());
    // Nor a SQLSTATE that means something else to the client.
    refusal.sqlstate = "2";
    CHECK(describe(refusal).sqlstate == "57P03");
    refusal.sqlstate = "40001";
    CHECK(describe(refusal).sqlstate == "57P03");
    refusal.sqlstate = "3D000";
    CHECK(describe(refusal).sqlstate == "3D000");
}
