// SPDX-License-Identifier: PostgreSQL
// Our own login to PostgreSQL, from the open connection to the first ReadyForQuery.
//
//   state           event               → state           what follows
//   Connected       start()             → TlsAsked        SSLRequest
//                                       → Securing        handshake (direct TLS)
//                                       → Authenticating  StartupMessage (no TLS wanted)
//   TlsAsked        'S'                 → Securing        handshake
//   TlsAsked        'N', TLS optional   → Authenticating  StartupMessage
//   Securing        handshake done      → Authenticating  StartupMessage
//   Authenticating  AuthenticationOk    → Starting
//   Starting        ReadyForQuery       → Finished        Step::Ready
//   any             anything else       → Finished        Step::Failed
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pgweir/auth/server_authenticator.h"
#include "pgweir/base/byte_queue.h"
#include "pgweir/base/entropy.h"
#include "pgweir/base/ids.h"
#include "pgweir/session/connection_facts.h"
#include "pgweir/session/effect.h"
#include "pgweir/session/parameters.h"
#include "pgweir/session/server_session.h"
#include "pgweir/wire/startup.h"

namespace pgweir::session {

struct ServerLoginRequest {
    NodeAddress address;
    TlsMode tls_mode = TlsMode::Prefer;
    bool direct_tls = false;
    std::string user;
    wire::Parameters parameters;  // Beside user; database among them.
    auth::LoginSecret secret;
    auth::ServerAuthPolicy policy;
    ProtocolVersion max_protocol_version = ProtocolVersion::V30;
};

struct ServerLoginFailure {
    // The server's own SQLSTATE; empty if it did not come to that.
    std::string sqlstate;
    std::string message;  // For the log; what the server itself said is for nobody else.
    bool is_from_server = false;
    bool was_tls = false;
    // The server asked for what we don't give, or proved not to be who it should be.
    bool is_refused_by_us = false;
};

class ServerLogin {
 public:
    enum class Step : std::uint8_t { More, Ready, Failed };

    ServerLogin(ServerId id, ServerLoginRequest request, Entropy& entropy,
                auth::ScramKeyCache& scram_keys);
    ServerLogin(const ServerLogin&) = delete;
    ServerLogin& operator=(const ServerLogin&) = delete;

    // The connection is open.
    void start(EffectList& effects);
    void on_secured(TlsPeer tls, EffectList& effects);
    Step on_bytes(ByteView bytes, EffectList& effects);

    ServerFacts take_facts(ParameterDirectory& directory);
    const ServerLoginFailure& failure() const { return failure_; }
    bool is_tls() const { return is_tls_; }
    const TlsPeer& tls() const { return tls_; }

 private:
    enum class State : std::uint8_t { Connected, TlsAsked, Securing, Authenticating, Starting };

    void send_startup(EffectList& effects);
    Step tls_answer(ByteView bytes, EffectList& effects);
    Step message(Byte tag, ByteView body, EffectList& effects);
    Step authentication(ByteView body, EffectList& effects);
    Step negotiation(ByteView body);
    Step fail(std::string message);
    Step server_said(ByteView body);

    // Constant after construction.
    ServerId id_;
    ServerLoginRequest request_;
    Entropy& entropy_;
    auth::ScramKeyCache& scram_keys_;
    // Changes with every event.
    State state_ = State::Connected;
    bool is_tls_ = false;
    bool is_negotiated_ = false;
    TlsPeer tls_;
    std::unique_ptr<auth::ServerAuthenticator> authenticator_;
    ByteQueue input_;
    std::size_t bytes_read_ = 0;
    ParameterSet parameters_;
    ServerFacts facts_;
    ServerLoginFailure failure_;
};

// The first step of every connection to a node, one that carries a CancelRequest included: whether
// it asks for TLS, and how the node's answer is taken.
bool wants_tls(const NodeAddress& address, TlsMode mode);
bool demands_tls(TlsMode mode);

}  // namespace pgweir::session
