// SPDX-License-Identifier: PostgreSQL
// SCRAM as the side that is asked to believe (RFC 5802, 5 and 7). Stricter than the grammar in what
// a client has no reason to send, never more lenient than PostgreSQL.
#include <algorithm>

#include "auth/crypto.h"
#include "auth/scram_grammar.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

namespace {

ScramFailure malformed(std::string text) {
    return {ScramError::Malformed, std::move(text)};
}

// The parts of client-final.
struct ClientFinal {
    std::string_view channel_binding;
    std::string_view nonce;
    SecretKey proof;
    std::string_view without_proof;
};

std::optional<ScramFailure> parse_client_final(std::string_view message, ClientFinal& parsed) {
    std::string_view rest = message;
    const auto channel_binding = take_attribute(rest, 'c');
    if (!channel_binding) return malformed("client-final has no channel binding attribute (c=)");
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce) return malformed("client-final has no nonce (r=)");
    parsed.channel_binding = *channel_binding;
    parsed.nonce = *nonce;

    while (true) {
        const std::string_view before = message.substr(0, message.size() - rest.size());
        char name = 0;
        const auto value = take_any_attribute(rest, name);
        if (!value) return malformed("client-final has no proof (p=)");
        if (name == 'm') {
            return ScramFailure{ScramError::NotSupported,
                                "client requires an unsupported SCRAM extension"};
        }
        if (name != 'p') continue;
        // The comma in front of p= is not part of what is signed.
        parsed.without_proof = before.substr(0, before.size() - 1);
        if (!is_last(message, *value)) {
            return malformed("client-final goes on behind the proof");
        }
        const std::optional<Bytes> proof = base64_decode(*value);
        if (!proof || proof->size() != SecretKey::kBytes) {
            return malformed("the proof is not 32 bytes in base64");
        }
        std::copy(proof->begin(), proof->end(), parsed.proof.writable().begin());
        return std::nullopt;
    }
}

}  // namespace

ScramServer::ScramServer(ScramVerifier verifier, Subject subject, Bytes channel_binding,
                         Entropy& entropy)
    : verifier_(std::move(verifier)),
      subject_(subject),
      channel_binding_(std::move(channel_binding)),
      server_nonce_(make_nonce(entropy)) {}

std::vector<std::string_view> ScramServer::mechanisms() const {
    if (channel_binding_.empty()) return {kScramSha256};
    return {kScramSha256Plus, kScramSha256};
}

Result<std::string, ScramFailure> ScramServer::first(std::string_view mechanism,
                                                     std::string_view client_first) {
    if (state_ != State::Start) return fail(ScramError::Malformed, "client-first out of turn");
    if (client_first.size() > kScramMessageBytesMax) {
        return fail(ScramError::Malformed, "client-first is too long");
    }
    std::string_view rest = client_first;
    if (auto wrong = read_gs2_header(mechanism, rest)) return fail(wrong->error, wrong->text);
    if (auto wrong = read_client_first_bare(rest)) return fail(wrong->error, wrong->text);

    server_first_ = "r=" + nonce_ + ",s=" + base64_encode(verifier_.salt) +
                    ",i=" + std::to_string(verifier_.iterations);
    state_ = State::ExpectFinal;
    return server_first_;
}

// gs2-header = gs2-cbind-flag "," [ authzid ] ","
std::optional<ScramFailure> ScramServer::read_gs2_header(std::string_view mechanism,
                                                         std::string_view& rest) {
    const std::vector<std::string_view> offered = mechanisms();
    if (std::find(offered.begin(), offered.end(), mechanism) == offered.end()) {
        return malformed("client selected an invalid SASL authentication mechanism");
    }
    is_plus_ = mechanism == kScramSha256Plus;

    const std::size_t comma = rest.find(',');
    if (comma == std::string_view::npos) return malformed("client-first has no gs2 header");
    if (auto wrong = check_binding_flag(rest.substr(0, comma))) return wrong;
    gs2_header_ = std::string(rest.substr(0, comma + 1)) + ',';
    rest.remove_prefix(comma + 1);

    if (rest.starts_with("a=")) {
        return ScramFailure{ScramError::NotSupported,
                            "client uses authorization identity, but it is not supported"};
    }
    if (!rest.starts_with(',')) return malformed("client-first has a malformed gs2 header");
    rest.remove_prefix(1);
    return std::nullopt;
}

std::optional<ScramFailure> ScramServer::check_binding_flag(std::string_view flag) const {
    if (flag == "n") {
        if (!is_plus_) return std::nullopt;
        return malformed(
            "client selected SCRAM-SHA-256-PLUS, but its message has no channel binding data");
    }
    if (flag == "y") {
        if (is_plus_) {
            return malformed(
                "client selected SCRAM-SHA-256-PLUS, but its message has no channel binding data");
        }
        // RFC 5802, 6: the client believes that we offered no PLUS; somebody took it away.
        if (!channel_binding_.empty()) {
            return ScramFailure{ScramError::ChannelBinding,
                                "SCRAM channel binding negotiation error: the client thinks that "
                                "channel binding was not offered, but it was"};
        }
        return std::nullopt;
    }
    if (flag.starts_with("p=")) {
        if (!is_plus_) {
            return malformed(
                "client selected SCRAM-SHA-256 without channel binding, but its message includes "
                "channel binding data");
        }
        if (flag.substr(2) == kBindingType) return std::nullopt;
        return ScramFailure{ScramError::ChannelBinding, "unsupported SCRAM channel binding type"};
    }
    return malformed("unexpected channel binding flag");
}

// client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
std::optional<ScramFailure> ScramServer::read_client_first_bare(std::string_view bare) {
    std::string_view rest = bare;
    if (rest.starts_with("m=")) {
        return ScramFailure{ScramError::NotSupported,
                            "client requires an unsupported SCRAM extension"};
    }
    // The name in the StartupMessage counts; libpq leaves this one empty.
    if (!take_attribute(rest, 'n')) return malformed("client-first has no user name (n=)");
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce) return malformed("client-first has no nonce (r=)");
    if (!is_nonce(*nonce)) return malformed("the client's nonce is empty, too long or unprintable");
    while (!rest.empty()) {
        char name = 0;
        if (!take_any_attribute(rest, name)) {
            return malformed("client-first has a malformed attribute");
        }
    }
    nonce_ = std::string(*nonce) + server_nonce_;
    client_first_bare_ = bare;
    return std::nullopt;
}

Result<std::string, ScramFailure> ScramServer::final(std::string_view client_final) {
    if (state_ != State::ExpectFinal)
        return fail(ScramError::Malformed, "client-final out of turn");
    if (client_final.size() > kScramMessageBytesMax) {
        return fail(ScramError::Malformed, "client-final is too long");
    }
    ClientFinal parsed;
    if (auto wrong = parse_client_final(client_final, parsed)) {
        return fail(wrong->error, wrong->text);
    }
    if (auto wrong = check_channel_binding(parsed.channel_binding)) {
        return fail(wrong->error, wrong->text);
    }
    if (!equal_in_constant_time(as_bytes(parsed.nonce), as_bytes(nonce_))) {
        return fail(ScramError::Malformed, "client-final has another nonce");
    }

    const std::string auth_message =
        client_first_bare_ + ',' + server_first_ + ',' + std::string(parsed.without_proof);
    const bool right = proof_is_right(parsed.proof, auth_message);
    const SecretKey signature = hmac_sha256(verifier_.server_key.reveal(), as_bytes(auth_message));
    if (!right || subject_ == Subject::Mock) return fail(ScramError::WrongProof, "wrong proof");

    state_ = State::Done;
    return "v=" + base64_encode(signature.reveal());
}

std::optional<ScramFailure> ScramServer::check_channel_binding(std::string_view attribute) const {
    const ByteView data = is_plus_ ? ByteView(channel_binding_) : ByteView();
    if (attribute == channel_binding_attribute(gs2_header_, data)) return std::nullopt;
    if (is_plus_) return ScramFailure{ScramError::ChannelBinding, "channel binding check failed"};
    return malformed("unexpected channel binding attribute in client-final");
}

bool ScramServer::proof_is_right(const SecretKey& proof, std::string_view auth_message) {
    const SecretKey signature = hmac_sha256(verifier_.stored_key.reveal(), as_bytes(auth_message));
    client_key_ = exclusive_or(proof, signature);
    return sha256(client_key_.reveal()).matches(verifier_.stored_key);
}

ScramKeys ScramServer::keys() const {
    PGWEIR_ASSERT(is_done());
    return {client_key_, verifier_.server_key};
}

Failure<ScramFailure> ScramServer::fail(ScramError error, std::string text) {
    state_ = State::Failed;
    return failure(ScramFailure{error, std::move(text)});
}

}  // namespace pgweir::auth
