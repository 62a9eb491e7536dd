// SPDX-License-Identifier: PostgreSQL
// Logins with a hostile other side: a client that answers our requests, a server that sends us
// Authentication messages. Nothing is random here, so that a recorded honest login passes again.
//   input = role:u8 { length:u16be body }…
//   role, a client's login:  0 | method << 1 | secret << 3 | binding << 5
//   role, a server's login:  1 | secret << 1 | binding << 3 | scram only << 4 | tls << 5
#include <algorithm>

#include "fuzz/fuzz.h"
#include "pgweir/auth/client_authenticator.h"
#include "pgweir/auth/server_authenticator.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/fields.h"

using namespace pgweir;
using namespace pgweir::auth;

namespace {

constexpr std::string_view kPassword = "pencil";
constexpr std::uint32_t kIterations = 10;

class FixedEntropy : public Entropy {
 public:
    void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), 0x5a); }
};

Bytes fixed_bytes(std::string_view text) {
    return Bytes(text.begin(), text.end());
}

const ScramKeys& keys() {
    static const ScramKeys derived =
        derive_scram_keys(kPassword, as_bytes("0123456789abcdef"), kIterations);
    return derived;
}

std::optional<Secret> stored_secret(unsigned kind) {
    if (kind == 1) return PlainPassword{SecretText(kPassword)};
    if (kind == 2) return *md5_hash(kPassword, "alice");
    if (kind == 3) return make_verifier(keys(), as_bytes("0123456789abcdef"), kIterations);
    return std::nullopt;
}

LoginSecret login_secret(unsigned kind) {
    if (kind == 1) return PlainPassword{SecretText(kPassword)};
    if (kind == 2) return *md5_hash(kPassword, "alice");
    if (kind == 3) return keys();
    return {};
}

// One message, as long as it says or as the input lasts.
ByteView next_message(wire::FieldReader& input) {
    const std::size_t length = input.u16();
    return input.take(std::min(length, input.rest().size()));
}

void client_login(unsigned role, wire::FieldReader& input) {
    static ScramKeyCache cache;
    FixedEntropy entropy;
    AuthEnvironment environment{entropy, cache, SecretKey()};
    constexpr AuthMethod kMethods[] = {AuthMethod::ScramSha256, AuthMethod::Md5,
                                       AuthMethod::Password, AuthMethod::Cert};
    ClientAuthRequest request;
    request.method = kMethods[(role >> 1) & 3];
    request.user = "alice";
    request.secret = stored_secret((role >> 3) & 3);
    // A mock that costs no PBKDF2 per input.
    request.typical_kind = SecretKind::Plain;
    if ((role & 32) != 0) request.server_end_point = fixed_bytes("hash");
    const bool is_known = request.secret.has_value();

    ClientAuthenticator authenticator(std::move(request), environment);
    ClientAuthStep step = authenticator.start();
    int messages = 0;
    while (!std::holds_alternative<Accepted>(step) && !std::holds_alternative<Rejected>(step)) {
        if (!input.ok() || input.rest().empty()) return;
        step = authenticator.answer(next_message(input));
        PGWEIR_ASSERT(++messages <= 2);
    }
    PGWEIR_ASSERT(is_known || std::holds_alternative<Rejected>(step));
    if (const auto* rejected = std::get_if<Rejected>(&step)) {
        PGWEIR_ASSERT(wire::is_fatal(rejected->refusal));
        PGWEIR_ASSERT(rejected->log_text.find(kPassword) == std::string::npos);
    }
}

void server_login(unsigned role, wire::FieldReader& input) {
    static ScramKeyCache cache;
    FixedEntropy entropy;
    ServerAuthRequest request;
    request.user = "alice";
    request.secret = login_secret((role >> 1) & 3);
    if ((role & 8) != 0) request.server_end_point = fixed_bytes("hash");
    request.link = (role & 32) != 0 ? ServerLink::Tls : ServerLink::Plain;
    const bool scram_only = (role & 16) != 0;
    if (scram_only) request.policy.require_auth = {false, false, false, true};
    request.policy.scram_iterations_max = kIterations;
    const bool can_scram = ((role >> 1) & 1) != 0;

    ServerAuthenticator authenticator(std::move(request), entropy, &cache);
    bool is_finished = false;
    int responses = 0;
    while (input.ok() && !input.rest().empty()) {
        const ServerAuthStep step = authenticator.handle(next_message(input));
        // Once it has ended, it has ended.
        PGWEIR_ASSERT(!is_finished || std::holds_alternative<ServerAuthFailed>(step));
        if (std::holds_alternative<SendAuthResponse>(step)) PGWEIR_ASSERT(++responses <= 2);
        if (std::holds_alternative<ServerAuthDone>(step)) {
            PGWEIR_ASSERT(!scram_only || (can_scram && responses == 2));
        }
        is_finished = is_finished || std::holds_alternative<ServerAuthFailed>(step) ||
                      std::holds_alternative<ServerAuthDone>(step);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    wire::FieldReader input(ByteView(data, size));
    const unsigned role = input.u8();
    if ((role & 1) == 0) {
        client_login(role, input);
    } else {
        server_login(role, input);
    }
    return 0;
}
