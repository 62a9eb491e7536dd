// SPDX-License-Identifier: PostgreSQL
// A client from its first byte to its authentication. Everything is bounded: bytes, steps, and (by
// the proxy) time. Nothing that the client says reaches any server before it is over.
//
//   state           event                        → state           what follows
//   Startup         SSLRequest                   → Securing        'S', handshake; or 'N', Startup
//   Startup         GSSENCRequest                → Startup         'N'
//   Startup         ClientHello (direct TLS)     → Securing        handshake
//   Securing        handshake done               → Startup
//   Startup         CancelRequest                → Finished        Step::Cancel
//   Startup         StartupMessage               → Deciding        Step::Started
//   Deciding        authenticate()               → Authenticating  request to the client
//   Authenticating  the client's proof           → Finished        Step::Authenticated
//   any             anything else                → Finished        Step::Refused, Step::Closed
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "pgweir/auth/client_authenticator.h"
#include "pgweir/base/byte_queue.h"
#include "pgweir/base/ids.h"
#include "pgweir/session/connection_facts.h"
#include "pgweir/session/effect.h"
#include "pgweir/wire/refusal.h"
#include "pgweir/wire/startup.h"

namespace pgweir::session {

class ClientLogin {
 public:
    enum class TlsOffer : std::uint8_t { No, Yes };
    enum class Step : std::uint8_t {
        More,           // Wait for bytes (or for the handshake).
        Cancel,         // cancel_request() is set.
        Started,        // startup() is set; the proxy decides and calls authenticate().
        Authenticated,  // accepted() is set. Bytes behind the proof are in input().
        Refused,        // refusal() says why; tell the client and close.
        Closed,         // Close without a word.
    };

    ClientLogin(ClientId id, ClientAddress address, TlsOffer offer);
    ClientLogin(const ClientLogin&) = delete;
    ClientLogin& operator=(const ClientLogin&) = delete;

    Step on_bytes(ByteView bytes, EffectList& effects);
    void on_secured(TlsPeer tls);
    // REQUIRES: the last step was Started.
    Step authenticate(auth::AuthMethod method, std::optional<auth::Secret> secret,
                      auth::SecretKind typical_kind, auth::AuthEnvironment& environment,
                      EffectList& effects);

    const ClientAddress& address() const { return address_; }
    bool is_tls() const { return is_tls_; }
    const TlsPeer& tls() const { return tls_; }
    const wire::StartupMessage& startup() const { return startup_; }
    const wire::CancelRequest& cancel_request() const { return cancel_request_; }
    const wire::Refusal& refusal() const { return *refusal_; }
    // Why authentication failed, for the log alone.
    const std::string& log_text() const { return log_text_; }
    auth::Accepted& accepted() { return *accepted_; }
    ByteQueue& input() { return input_; }

 private:
    enum class State : std::uint8_t { Startup, Securing, Deciding, Authenticating, Finished };

    Step first_packet(EffectList& effects);
    Step packet(ByteView packet, EffectList& effects);
    Step encryption_request(bool is_ssl, std::size_t packet_bytes, EffectList& effects);
    Step start(wire::StartupMessage message, EffectList& effects);
    Step password_message(EffectList& effects);
    Step take(auth::ClientAuthStep step, EffectList& effects);
    Step refuse(wire::Refusal refusal);
    Step startup_error(wire::StartupError error, ByteView packet);

    // Constant after construction.
    ClientId id_;
    ClientAddress address_;
    TlsOffer offer_;
    // Changes with every event.
    State state_ = State::Startup;
    bool is_tls_ = false;
    bool asked_ssl_ = false;
    bool asked_gss_ = false;
    ByteQueue input_;
    TlsPeer tls_;
    wire::StartupMessage startup_;
    wire::CancelRequest cancel_request_;
    std::optional<wire::Refusal> refusal_;
    std::string log_text_;
    std::unique_ptr<auth::ClientAuthenticator> authenticator_;
    std::optional<auth::Accepted> accepted_;
};

}  // namespace pgweir::session
