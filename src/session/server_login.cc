// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/server_login.h"

#include <utility>
#include <variant>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"

namespace pgweir::session {

namespace {
constexpr std::size_t kHeaderBytes = 5;
// A login is some kilobytes; a server that says more is not one.
constexpr std::size_t kMessageBytesMax = 64 * 1024;
constexpr std::size_t kLoginBytesMax = 256 * 1024;
}  // namespace

bool wants_tls(const NodeAddress& address, TlsMode mode) {
    const bool is_unix = !address.host.empty() && address.host[0] == '/';
    return !is_unix && mode != TlsMode::Disable;
}

bool demands_tls(TlsMode mode) {
    return mode == TlsMode::Require || mode == TlsMode::VerifyCa || mode == TlsMode::VerifyFull;
}

ServerLogin::ServerLogin(ServerId id, ServerLoginRequest request, Entropy& entropy,
                         auth::ScramKeyCache& scram_keys)
    : id_(id), request_(std::move(request)), entropy_(entropy), scram_keys_(scram_keys) {}

void ServerLogin::start(EffectList& effects) {
    if (!wants_tls(request_.address, request_.tls_mode)) return send_startup(effects);
    if (request_.direct_tls) {
        state_ = State::Securing;
        effects.push(StartServerTls{id_, request_.address.host, request_.tls_mode});
        return;
    }
    state_ = State::TlsAsked;
    Bytes out;
    wire::ssl_request(out);
    effects.send(id_, effects.keep(out));
}

void ServerLogin::on_secured(TlsPeer tls, EffectList& effects) {
    is_tls_ = true;
    tls_ = std::move(tls);
    send_startup(effects);
}

void ServerLogin::send_startup(EffectList& effects) {
    state_ = State::Authenticating;
    authenticator_ = std::make_unique<auth::ServerAuthenticator>(
        auth::ServerAuthRequest{
            .user = request_.user,
            .secret = std::move(request_.secret),
            .link = is_tls_ ? auth::ServerLink::Tls : auth::unencrypted_link(request_.address.host),
            .server_end_point = tls_.server_end_point,
            .policy = request_.policy},
        entropy_, &scram_keys_);
    wire::Parameters parameters{{"user", request_.user}};
    parameters.insert(parameters.end(), request_.parameters.begin(), request_.parameters.end());
    Bytes out;
    const bool is_newest = request_.max_protocol_version == ProtocolVersion::V32;
    wire::startup_message(out, parameters, is_newest ? wire::kProtocolMinorMax : 0);
    effects.send(id_, effects.keep(out));
}

ServerLogin::Step ServerLogin::fail(std::string message) {
    failure_.message = std::move(message);
    return Step::Failed;
}

ServerLogin::Step ServerLogin::tls_answer(ByteView bytes, EffectList& effects) {
    const Byte answer = bytes[0];
    // Whatever comes behind the answer was not protected, and may be anybody's.
    if (bytes.size() > 1) return fail("the server sent bytes in clear behind its TLS answer");
    if (answer == 'S') {
        state_ = State::Securing;
        effects.push(StartServerTls{id_, request_.address.host, request_.tls_mode});
        return Step::More;
    }
    if (answer == 'N' && !demands_tls(request_.tls_mode)) {
        send_startup(effects);
        return Step::More;
    }
    // The text of an error that came unprotected is nobody's to read.
    return fail(answer == 'N' ? "the server does not speak TLS, and server_tls_sslmode demands it"
                              : "the server answered SSLRequest with neither yes nor no");
}

ServerLogin::Step ServerLogin::on_bytes(ByteView bytes, EffectList& effects) {
    bytes_read_ += bytes.size();
    if (bytes_read_ > kLoginBytesMax) return fail("the server's login takes too many bytes");
    if (bytes.empty()) return Step::More;
    if (state_ == State::TlsAsked) return tls_answer(bytes, effects);
    if (state_ == State::Connected || state_ == State::Securing) {
        return fail("the server spoke before it was asked");
    }
    input_.append(bytes);
    for (;;) {
        const ByteView input = input_.view();
        if (input.size() < kHeaderBytes) return Step::More;
        const std::uint32_t length = load_u32(input.data() + 1);
        if (length < 4 || length > kMessageBytesMax) {
            return fail("the server sent a message of length " + std::to_string(length) +
                        " during login");
        }
        const std::size_t size = 1 + std::size_t{length};
        if (input.size() < size) return Step::More;
        const Step step =
            message(input[0], input.subspan(kHeaderBytes, size - kHeaderBytes), effects);
        if (step == Step::Failed) return step;
        input_.consume(size);
        if (step == Step::Ready) {
            return input_.empty() ? step : fail("the server sent more than its login");
        }
    }
}

ServerLogin::Step ServerLogin::message(Byte tag, ByteView body, EffectList& effects) {
    if (tag == 'E') return server_said(body);
    if (tag == 'N') return Step::More;
    if (state_ == State::Authenticating) {
        if (tag == 'R') return authentication(body, effects);
        if (tag == 'v') return negotiation(body);
        return fail("the server sent a message '" + std::string(1, static_cast<char>(tag)) +
                    "' before AuthenticationOk");
    }
    switch (tag) {
        case 'S': {
            const auto status = wire::read_parameter_status(body);
            if (!status) return fail("a malformed ParameterStatus");
            parameters_.put(status->name, status->value, true);
            return Step::More;
        }
        case 'K': {
            const auto key = wire::read_backend_key_data(body);
            if (!key) return fail("a malformed BackendKeyData");
            facts_.process_id = key->process_id;
            facts_.cancel_secret.assign(key->secret.begin(), key->secret.end());
            facts_.has_key = true;
            return Step::More;
        }
        case 'Z': {
            const auto status = wire::read_ready_for_query(body);
            if (!status || *status != wire::TransactionStatus::Idle) {
                return fail("the server was not idle after its login");
            }
            return Step::Ready;
        }
        default:
            return fail("the server sent a message '" + std::string(1, static_cast<char>(tag)) +
                        "' during login");
    }
}

// A server that does not know 3.2 says so, once, and goes on with 3.0 in the same connection: it
// costs no round trip. There is no 3.1 ("Version 3.1 is reserved"), and pgweir sends no protocol
// option that could be unknown.
ServerLogin::Step ServerLogin::negotiation(ByteView body) {
    const auto offer = wire::read_negotiate_protocol_version(body);
    if (!offer) return fail("a malformed NegotiateProtocolVersion");
    const bool is_asked = request_.max_protocol_version == ProtocolVersion::V32;
    if (!is_asked || is_negotiated_ || offer->minor() != 0 || !offer->unknown_options.empty()) {
        return fail("a NegotiateProtocolVersion that answers nothing pgweir asked for");
    }
    is_negotiated_ = true;
    return Step::More;
}

ServerLogin::Step ServerLogin::authentication(ByteView body, EffectList& effects) {
    auth::ServerAuthStep step = authenticator_->handle(body);
    if (const auto* response = std::get_if<auth::SendAuthResponse>(&step)) {
        effects.send(id_, effects.keep(response->message));
    } else if (std::holds_alternative<auth::ServerAuthDone>(step)) {
        state_ = State::Starting;
    } else if (auto* failed = std::get_if<auth::ServerAuthFailed>(&step)) {
        failure_.is_refused_by_us = true;
        return fail(std::move(failed->log_text));
    }
    return Step::More;
}

ServerLogin::Step ServerLogin::server_said(ByteView body) {
    const auto fields = wire::read_error_fields(body);
    if (!fields) return fail("a malformed ErrorResponse");
    failure_.sqlstate = fields->sqlstate;
    failure_.is_from_server = true;
    failure_.was_tls = is_tls_;
    return fail(std::string(fields->message));
}

ServerFacts ServerLogin::take_facts(ParameterDirectory& directory) {
    facts_.parameters = directory.intern(std::move(parameters_));
    return std::move(facts_);
}

}  // namespace pgweir::session
