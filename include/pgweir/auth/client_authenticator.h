// SPDX-License-Identifier: PostgreSQL
// The whole exchange by which one client proves who it is, after hba has chosen the method and the
// directory was asked for the secret. The verdict comes from the stored secret and this exchange
// alone: no server connection, pooled or not, is ever evidence of who a client is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgweir/auth/hba.h"
#include "pgweir/auth/password.h"
#include "pgweir/auth/scram.h"
#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/entropy.h"
#include "pgweir/wire/refusal.h"

namespace pgweir::auth {

// What the authenticators of one worker share.
struct AuthEnvironment {
    Entropy& entropy;
    ScramKeyCache& scram_keys;
    SecretKey mock_key;  // Random, the same on all workers (and, if set, on all instances).
};

struct ClientAuthRequest {
    AuthMethod method = AuthMethod::Reject;
    std::string user;
    // Nothing: an unknown user, who goes all steps and fails. An empty PlainPassword is a user who
    // is known and has no password: trust lets him in, everything else treats him as unknown.
    std::optional<Secret> secret;
    // How an unknown user is answered (UserDirectory::typical_kind()).
    SecretKind typical_kind = SecretKind::Scram;
    bool is_tls = false;
    std::string common_name;  // Of the client's verified certificate; empty without one.
    Bytes server_end_point;   // TlsPeer::server_end_point; empty without TLS.
    std::string peer_user;    // The operating system's user behind a Unix socket, if known.
};

// Steps: what to send to the client, or the end. A step that sends asks for one 'p' message.
struct SendCleartextRequest {};  // AuthenticationCleartextPassword
struct SendMd5Request {          // AuthenticationMD5Password
    Md5Salt salt;
};
struct SendSasl {  // AuthenticationSASL
    std::vector<std::string_view> mechanisms;
};
struct SendSaslContinue {  // AuthenticationSASLContinue
    std::string data;
};
struct Accepted {
    // Not empty: AuthenticationSASLFinal with this goes out before AuthenticationOk.
    std::string sasl_final;
    // What a server may be logged in to with on this user's behalf: the stored or the learnt
    // password, else the md5 hash, else the SCRAM keys that the exchange brought to light.
    LoginSecret login_secret;
};
struct Rejected {
    wire::Refusal refusal;  // The same for an unknown user and a wrong password.
    std::string log_text;   // What the operator reads; no secret in it.
};

using ClientAuthStep = std::variant<SendCleartextRequest, SendMd5Request, SendSasl,
                                    SendSaslContinue, Accepted, Rejected>;

//   state           input              → state            step
//   Start           start()            → ExpectPassword   SendCleartextRequest (password)
//                                      → ExpectMd5        SendMd5Request (md5)
//                                      → ExpectInitial    SendSasl (scram-sha-256; md5 too, if a
//                                                         verifier is stored)
//                                      → Finished         Accepted or Rejected (all others)
//   ExpectPassword  PasswordMessage    → Finished         Accepted or Rejected
//   ExpectMd5       PasswordMessage    → Finished         Accepted or Rejected
//   ExpectInitial   SASLInitialResponse→ ExpectResponse   SendSaslContinue, or Rejected
//   ExpectResponse  SASLResponse       → Finished         Accepted or Rejected
class ClientAuthenticator {
 public:
    // The environment outlives the authenticator.
    ClientAuthenticator(ClientAuthRequest request, AuthEnvironment& environment);

    ClientAuthStep start();
    // The body of one 'p' message. REQUIRES: the last step was one that sends.
    ClientAuthStep answer(ByteView body);

 private:
    enum class State : std::uint8_t {
        Start,
        ExpectPassword,
        ExpectMd5,
        ExpectInitial,
        ExpectResponse,
        Finished
    };

    ClientAuthStep start_md5();
    ClientAuthStep start_scram();
    ClientAuthStep check_name(wire::RefusalReason reason, std::string_view proved,
                              std::string_view what);
    ClientAuthStep check_password(ByteView body);
    ClientAuthStep check_md5(ByteView body);
    ClientAuthStep check_initial(ByteView body);
    ClientAuthStep check_response(ByteView body);
    ClientAuthStep accept(LoginSecret login_secret, std::string sasl_final = {});
    ClientAuthStep reject(wire::RefusalReason reason, std::string log_text);
    ClientAuthStep reject_scram(const ScramFailure& failed);
    // There is something that this exchange can be checked against.
    bool is_usable() const;
    Secret mock_secret() const;
    LoginSecret stored_login_secret() const;

    // Constant after construction.
    ClientAuthRequest request_;
    AuthEnvironment& environment_;
    // Changes with every message.
    State state_ = State::Start;
    Md5Salt md5_salt_{};
    std::optional<ScramServer> scram_;
};

}  // namespace pgweir::auth
