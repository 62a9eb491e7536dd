// SPDX-License-Identifier: PostgreSQL
// Our login to a PostgreSQL server: the answers to its Authentication requests. The server may be
// anybody: what it asks for is checked against what we are willing to do, and a SCRAM exchange
// that it doesn't finish with the right signature fails.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "pgweir/auth/scram.h"
#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/entropy.h"
#include "pgweir/config/server_auth.h"

namespace pgweir::auth {

// How the connection to the server is protected; what goes over loopback crosses no network.
enum class ServerLink : std::uint8_t { Plain, Tls, UnixSocket, Loopback };
// Loopback is "localhost" or a number: what another name resolves to may change.
ServerLink unencrypted_link(std::string_view host);

struct ServerAuthPolicy {
    RequireAuth require_auth;
    CleartextPassword cleartext = CleartextPassword::Protected;
    ChannelBinding channel_binding = ChannelBinding::Prefer;
    std::uint32_t scram_iterations_max = 100'000;
};

struct ServerAuthRequest {
    std::string user;
    LoginSecret secret;
    ServerLink link = ServerLink::Plain;
    Bytes server_end_point;  // TlsPeer::server_end_point; empty without TLS.
    ServerAuthPolicy policy;
};

// One whole message to send: PasswordMessage, SASLInitialResponse or SASLResponse.
struct SendAuthResponse {
    Bytes message;
};
// Nothing to send; another Authentication message follows.
struct AwaitServer {};
// AuthenticationOk, and everything was as it has to be.
struct ServerAuthDone {};
// For the log: clients hear 08006 without details.
struct ServerAuthFailed {
    std::string log_text;
};
using ServerAuthStep =
    std::variant<SendAuthResponse, AwaitServer, ServerAuthDone, ServerAuthFailed>;

//   state           message                     → state           step
//   Start           AuthenticationOk            → Finished        Done, if require_auth has none
//   Start           AuthenticationCleartext…    → ExpectOk        the password
//   Start           AuthenticationMD5Password   → ExpectOk        the response
//   Start           AuthenticationSASL          → ExpectContinue  SASLInitialResponse
//   ExpectContinue  AuthenticationSASLContinue  → ExpectFinal     SASLResponse
//   ExpectFinal     AuthenticationSASLFinal     → ExpectOk        nothing
//   ExpectOk        AuthenticationOk            → Finished        Done
//   any             anything else               → Finished        Failed
class ServerAuthenticator {
 public:
    // `entropy` and `cache` (may be null) outlive the authenticator.
    ServerAuthenticator(ServerAuthRequest request, Entropy& entropy,
                        ScramKeyCache* cache = nullptr);

    // The body of one 'R' message.
    ServerAuthStep handle(ByteView body);

 private:
    enum class State : std::uint8_t { Start, ExpectContinue, ExpectFinal, ExpectOk, Finished };

    ServerAuthStep handle_start(std::uint32_t code, ByteView rest);
    ServerAuthStep handle_ok(ByteView rest);
    ServerAuthStep handle_cleartext(ByteView rest);
    ServerAuthStep handle_md5(ByteView rest);
    ServerAuthStep handle_sasl(ByteView rest);
    ServerAuthStep handle_continue(ByteView rest);
    ServerAuthStep handle_final(ByteView rest);
    ServerAuthStep fail(std::string log_text);
    ServerAuthStep fail_for_want_of(std::string_view what);

    // Constant after construction.
    ServerAuthRequest request_;
    Entropy& entropy_;
    ScramKeyCache* cache_;
    // Changes with every message.
    State state_ = State::Start;
    std::optional<ScramClient> scram_;
};

}  // namespace pgweir::auth
