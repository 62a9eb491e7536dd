// SPDX-License-Identifier: PostgreSQL
// SCRAM as the side that logs in (RFC 5802, 5 and 7). The server may be hostile: what it sends is
// bounded before anything is computed from it.
#include <algorithm>
#include <charconv>

#include "auth/crypto.h"
#include "auth/scram_grammar.h"
#include "pgweir/auth/scram.h"

namespace pgweir::auth {

namespace {

bool offers(const std::vector<std::string_view>& offered, std::string_view mechanism) {
    return std::find(offered.begin(), offered.end(), mechanism) != offered.end();
}

// Decimal digits and nothing else, 1 to 2^32 - 1.
std::optional<std::uint32_t> parse_iterations(std::string_view text) {
    std::uint32_t number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != end || number == 0) return std::nullopt;
    return number;
}

}  // namespace

ScramClient::ScramClient(ScramClientOptions options, Entropy& entropy, ScramKeyCache* cache)
    : options_(std::move(options)), cache_(cache), nonce_(make_nonce(entropy)) {}

Result<ScramInitial, ScramFailure> ScramClient::first(
    const std::vector<std::string_view>& offered) {
    if (state_ != State::Start) return fail(ScramError::Malformed, "a second SASL request");

    const bool can_bind =
        options_.policy != ChannelBinding::Disable && !options_.channel_binding.empty();
    const bool plus = can_bind && offers(offered, kScramSha256Plus);
    if (options_.policy == ChannelBinding::Require && !plus) {
        return fail(ScramError::ChannelBinding,
                    options_.channel_binding.empty()
                        ? "channel binding is required, but the connection has no data for it"
                        : "channel binding is required, but the server doesn't offer it");
    }
    if (!plus && !offers(offered, kScramSha256)) {
        return fail(ScramError::NotSupported, "the server offers no mechanism that pgweir speaks");
    }
    // RFC 5802, 6: "y" tells the server that we could have bound and saw no offer, so that it
    // notices if somebody took the offer away.
    if (plus) {
        gs2_header_ = "p=" + std::string(kBindingType) + ",,";
    } else {
        gs2_header_ = can_bind ? "y,," : "n,,";
    }
    client_first_bare_ = "n=,r=" + nonce_;
    state_ = State::ExpectFirst;
    return ScramInitial{plus ? kScramSha256Plus : kScramSha256, gs2_header_ + client_first_bare_};
}

// server-first-message = nonce "," salt "," iteration-count
Result<std::string, ScramFailure> ScramClient::challenge(std::string_view server_first) {
    if (state_ != State::ExpectFirst) {
        return fail(ScramError::Malformed, "server-first out of turn");
    }
    if (server_first.size() > kScramMessageBytesMax) {
        return fail(ScramError::Malformed, "server-first is too long");
    }
    std::string_view rest = server_first;
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce || !is_nonce(*nonce)) {
        return fail(ScramError::Malformed,
                    "the server's nonce is missing, too long or unprintable");
    }
    if (nonce->size() <= nonce_.size() || !nonce->starts_with(nonce_)) {
        return fail(ScramError::Malformed, "the server's nonce doesn't extend ours");
    }
    const auto salt_text = take_attribute(rest, 's');
    const auto salt = salt_text ? base64_decode(*salt_text) : std::nullopt;
    if (!salt || salt->empty() || salt->size() > kScramSaltBytesMax) {
        return fail(ScramError::Malformed, "the server's salt is missing, too long or malformed");
    }
    const auto count_text = take_attribute(rest, 'i');
    const auto iterations = count_text ? parse_iterations(*count_text) : std::nullopt;
    if (!iterations || !is_last(server_first, *count_text)) {
        return fail(ScramError::Malformed, "the server's iteration count is malformed");
    }
    if (*iterations > options_.iterations_max) {
        return fail(ScramError::Malformed, "the server asks for " + std::to_string(*iterations) +
                                               " iterations, more than scram_iterations_max = " +
                                               std::to_string(options_.iterations_max));
    }

    const ByteView binding =
        gs2_header_[0] == 'p' ? ByteView(options_.channel_binding) : ByteView();
    const std::string without_proof =
        "c=" + channel_binding_attribute(gs2_header_, binding) + ",r=" + std::string(*nonce);
    const std::string auth_message =
        client_first_bare_ + ',' + std::string(server_first) + ',' + without_proof;

    const ScramKeys keys = keys_for(*salt, *iterations);
    const SecretKey stored_key = sha256(keys.client_key.reveal());
    const SecretKey signature = hmac_sha256(stored_key.reveal(), as_bytes(auth_message));
    server_signature_ = hmac_sha256(keys.server_key.reveal(), as_bytes(auth_message));
    state_ = State::ExpectFinal;
    return without_proof + ",p=" + base64_encode(exclusive_or(keys.client_key, signature).reveal());
}

// server-final-message = (server-error / verifier)
Result<bool, ScramFailure> ScramClient::finish(std::string_view server_final) {
    if (state_ != State::ExpectFinal) {
        return fail(ScramError::Malformed, "server-final out of turn");
    }
    if (server_final.size() > kScramMessageBytesMax) {
        return fail(ScramError::Malformed, "server-final is too long");
    }
    if (server_final.starts_with("e=")) {
        return fail(ScramError::WrongServer,
                    "the server refused: " + std::string(server_final.substr(2, 200)));
    }
    std::string_view rest = server_final;
    const auto text = take_attribute(rest, 'v');
    const auto bytes = text ? base64_decode(*text) : std::nullopt;
    if (!bytes || !is_last(server_final, *text)) {
        return fail(ScramError::Malformed, "the server's signature is malformed");
    }
    if (!equal_in_constant_time(*bytes, server_signature_.reveal())) {
        return fail(ScramError::WrongServer,
                    "the server's signature is wrong: it doesn't know the password");
    }
    state_ = State::Done;
    return true;
}

ScramKeys ScramClient::keys_for(ByteView salt, std::uint32_t iterations) const {
    if (const auto* keys = std::get_if<ScramKeys>(&options_.secret)) return *keys;
    const std::string_view password = std::get<PlainPassword>(options_.secret).text.reveal();
    if (cache_ != nullptr) return cache_->keys(password, salt, iterations);
    return derive_scram_keys(password, salt, iterations);
}

Failure<ScramFailure> ScramClient::fail(ScramError error, std::string text) {
    state_ = State::Failed;
    return failure(ScramFailure{error, std::move(text)});
}

}  // namespace pgweir::auth
