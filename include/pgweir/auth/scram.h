// SPDX-License-Identifier: PostgreSQL
// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; channel binding tls-server-end-point,
// RFC 5929), both roles, as PostgreSQL speaks them ("SASL Authentication"). Texts in, texts out:
// the messages around them are client_authenticator.h's and server_authenticator.h's.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgweir/auth/secret.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/entropy.h"
#include "pgweir/base/result.h"
#include "pgweir/config/server_auth.h"

namespace pgweir::auth {

constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";
constexpr std::uint32_t kScramIterations = 4096;  // PostgreSQL's default.
constexpr std::size_t kScramSaltBytes = 16;
constexpr std::size_t kScramSaltBytesMax = 1024;
constexpr std::size_t kScramNonceBytesMax = 1024;
constexpr std::size_t kScramMessageBytesMax = 8192;

enum class ScramError : std::uint8_t {
    Malformed,       // Not the grammar of RFC 5802, or over a limit.
    NotSupported,    // Authorization identity, mandatory extension.
    ChannelBinding,  // Missing, of the wrong type, not ours, or negotiated down.
    WrongProof,      // The password is wrong, or the user is unknown.
    WrongServer,     // The server doesn't know the password, or said no.
};

struct ScramFailure {
    ScramError error = ScramError::Malformed;
    std::string text;  // For the log; quotes nothing secret.
};

// PBKDF2: about a millisecond at 4096 iterations. The password is prepared as PostgreSQL does
// (see src/auth/saslprep.h).
ScramKeys derive_scram_keys(std::string_view password, ByteView salt, std::uint32_t iterations);
ScramVerifier make_verifier(const ScramKeys& keys, ByteView salt, std::uint32_t iterations);
// True if the verifier was made from this password. Costs as much as a derivation.
bool verifier_accepts(const ScramVerifier& verifier, std::string_view password);

// The salt for a user who has no verifier: the same at every attempt, and unpredictable without
// `mock_key`, which all workers share (RFC 5802 has no place for a salt that changes).
Bytes mock_salt(const SecretKey& mock_key, std::string_view user);
// A verifier that no password fits.
ScramVerifier mock_verifier(const SecretKey& mock_key, std::string_view user);

// Keys already derived, so that a login costs no PBKDF2 when password, salt and iterations are
// those of an earlier one. Bounded; the oldest goes first. Only for passwords from the
// configuration, never for what a client claims.
class ScramKeyCache {
 public:
    explicit ScramKeyCache(std::size_t entries_max = 4096) : entries_max_(entries_max) {}

    ScramKeys keys(std::string_view password, ByteView salt, std::uint32_t iterations);
    std::size_t size() const { return entries_.size(); }
    void clear();

 private:
    using Digest = std::array<Byte, 32>;

    std::size_t entries_max_;
    std::map<Digest, ScramKeys> entries_;
    std::list<Digest> order_;
};

// Our side of a client's login.
//   state         message       → state          answer
//   Start         client-first  → ExpectFinal    server-first
//   ExpectFinal   client-final  → Done           server-final
//   any           anything else → Failed         ScramFailure
class ScramServer {
 public:
    enum class Subject : std::uint8_t { Known, Mock };

    // `channel_binding`: the tls-server-end-point data of our certificate; empty if there is none,
    // then SCRAM-SHA-256-PLUS is not offered. A Mock goes all steps and always fails at the end.
    ScramServer(ScramVerifier verifier, Subject subject, Bytes channel_binding, Entropy& entropy);

    std::vector<std::string_view> mechanisms() const;
    Result<std::string, ScramFailure> first(std::string_view mechanism,
                                            std::string_view client_first);
    Result<std::string, ScramFailure> final(std::string_view client_final);

    bool is_done() const { return state_ == State::Done; }
    // What the client proved itself with, good for servers that hold the same verifier.
    // REQUIRES: is_done().
    ScramKeys keys() const;

 private:
    enum class State : std::uint8_t { Start, ExpectFinal, Done, Failed };

    Failure<ScramFailure> fail(ScramError error, std::string text);
    // These return what is wrong, if something is.
    std::optional<ScramFailure> read_gs2_header(std::string_view mechanism, std::string_view& rest);
    std::optional<ScramFailure> check_binding_flag(std::string_view flag) const;
    std::optional<ScramFailure> read_client_first_bare(std::string_view bare);
    std::optional<ScramFailure> check_channel_binding(std::string_view attribute) const;
    bool proof_is_right(const SecretKey& proof, std::string_view auth_message);

    // Constant after construction.
    ScramVerifier verifier_;
    Subject subject_;
    Bytes channel_binding_;
    // Changes with every message.
    State state_ = State::Start;
    std::string server_nonce_;
    std::string nonce_;  // The client's and ours.
    std::string gs2_header_;
    std::string client_first_bare_;
    std::string server_first_;
    bool is_plus_ = false;
    SecretKey client_key_;
};

struct ScramClientOptions {
    std::variant<PlainPassword, ScramKeys> secret;
    Bytes channel_binding;  // tls-server-end-point data of the server's certificate, if any.
    ChannelBinding policy = ChannelBinding::Prefer;
    std::uint32_t iterations_max = 100'000;
};

struct ScramInitial {
    std::string_view mechanism;
    std::string client_first;
};

// Our side of a login to a server.
//   state         call       → state          answer
//   Start         first      → ExpectFirst    mechanism, client-first
//   ExpectFirst   challenge  → ExpectFinal    client-final
//   ExpectFinal   finish     → Done           the server has proved that it knows the password
//   any           else       → Failed         ScramFailure
class ScramClient {
 public:
    // `cache` may be null.
    ScramClient(ScramClientOptions options, Entropy& entropy, ScramKeyCache* cache = nullptr);

    Result<ScramInitial, ScramFailure> first(const std::vector<std::string_view>& offered);
    Result<std::string, ScramFailure> challenge(std::string_view server_first);
    Result<bool, ScramFailure> finish(std::string_view server_final);
    bool is_done() const { return state_ == State::Done; }

 private:
    enum class State : std::uint8_t { Start, ExpectFirst, ExpectFinal, Done, Failed };

    Failure<ScramFailure> fail(ScramError error, std::string text);
    ScramKeys keys_for(ByteView salt, std::uint32_t iterations) const;

    // Constant after construction.
    ScramClientOptions options_;
    ScramKeyCache* cache_;
    std::string nonce_;
    // Changes with every message.
    State state_ = State::Start;
    std::string gs2_header_;
    std::string client_first_bare_;
    SecretKey server_signature_;
};

}  // namespace pgweir::auth
