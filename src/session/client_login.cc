// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/client_login.h"

#include <utility>
#include <variant>

#include "pgweir/base/assert.h"
#include "pgweir/wire/backend_messages.h"

namespace pgweir::session {

namespace {

constexpr std::size_t kHeaderBytes = 5;
// PostgreSQL reads no longer first packet, and we no longer proof.
constexpr std::uint32_t kProofLengthMax = 10000;
// The first byte of a TLS record that holds a handshake: direct TLS.
constexpr Byte kTlsHandshake = 0x16;

void send(ClientId client, const Bytes& bytes, EffectList& effects) {
    effects.send(client, effects.keep(bytes));
}

}  // namespace

ClientLogin::ClientLogin(ClientId id, ClientAddress address, TlsOffer offer)
    : id_(id), address_(std::move(address)), offer_(offer) {}

ClientLogin::Step ClientLogin::refuse(wire::Refusal refusal) {
    refusal.moment = wire::RefusalMoment::Login;
    refusal_ = std::move(refusal);
    state_ = State::Finished;
    return Step::Refused;
}

ClientLogin::Step ClientLogin::on_bytes(ByteView bytes, EffectList& effects) {
    switch (state_) {
        case State::Startup: {
            const bool is_first = input_.empty() && !asked_ssl_ && !asked_gss_ && !is_tls_;
            if (is_first && !bytes.empty() && bytes[0] == kTlsHandshake &&
                offer_ == TlsOffer::Yes) {
                state_ = State::Securing;
                effects.push(StartClientTls{id_, bytes, true});
                return Step::More;
            }
            input_.append(bytes);
            return first_packet(effects);
        }
        case State::Authenticating:
            input_.append(bytes);
            return password_message(effects);
        default:
            // While the proxy decides, what the client says next waits, within bounds.
            input_.append(bytes);
            return input_.size() > 2 * std::size_t{kProofLengthMax} ? Step::Closed : Step::More;
    }
}

void ClientLogin::on_secured(TlsPeer tls) {
    PGWEIR_ASSERT(state_ == State::Securing);
    state_ = State::Startup;
    is_tls_ = true;
    tls_ = std::move(tls);
}

ClientLogin::Step ClientLogin::first_packet(EffectList& effects) {
    const ByteView input = input_.view();
    if (input.size() < 4) return Step::More;
    const std::uint32_t length = load_u32(input.data());
    if (!wire::check_startup_length(length)) return Step::Closed;
    if (input.size() < length) return Step::More;
    const Bytes whole(input.begin(), input.begin() + length);
    input_.consume(length);
    return packet(whole, effects);
}

ClientLogin::Step ClientLogin::packet(ByteView packet, EffectList& effects) {
    auto read = wire::read_startup_packet(packet);
    if (!read) return startup_error(read.error(), packet);
    if (std::holds_alternative<wire::SslRequest>(*read)) {
        return encryption_request(true, packet.size(), effects);
    }
    if (std::holds_alternative<wire::GssEncRequest>(*read)) {
        return encryption_request(false, packet.size(), effects);
    }
    if (auto* cancel = std::get_if<wire::CancelRequest>(&*read)) {
        cancel_request_ = std::move(*cancel);
        state_ = State::Finished;
        return Step::Cancel;
    }
    return start(std::move(std::get<wire::StartupMessage>(*read)), effects);
}

ClientLogin::Step ClientLogin::startup_error(wire::StartupError error, ByteView packet) {
    const std::uint32_t code = wire::startup_code(packet);
    const std::string version = std::to_string(code >> 16) + "." + std::to_string(code & 0xffff);
    switch (error) {
        case wire::StartupError::UnsupportedMajor:
        case wire::StartupError::UnknownRequest:
            return refuse({.reason = wire::RefusalReason::UnsupportedProtocol, .value = version});
        case wire::StartupError::MalformedParameters:
            return refuse({.reason = wire::RefusalReason::MalformedStartup});
        case wire::StartupError::InvalidLength:
        case wire::StartupError::MalformedCancel:
        case wire::StartupError::MalformedRequest:
            break;
    }
    return Step::Closed;
}

ClientLogin::Step ClientLogin::encryption_request(bool is_ssl, std::size_t packet_bytes,
                                                  EffectList& effects) {
    bool& asked = is_ssl ? asked_ssl_ : asked_gss_;
    if (is_tls_) {
        return refuse({.reason = wire::RefusalReason::UnsupportedProtocol,
                       .value = is_ssl ? "1234.5679" : "1234.5680"});
    }
    // Once each, so that nobody negotiates for ever.
    if (asked) return Step::Closed;
    asked = true;
    // What lies behind the request was sent in clear; it would be taken for protected.
    if (!input_.empty()) return refuse({.reason = wire::RefusalReason::BytesBeforeTls});
    PGWEIR_ASSERT(packet_bytes == 8);
    static constexpr Byte kYes = 'S';
    static constexpr Byte kNo = 'N';
    if (is_ssl && offer_ == TlsOffer::Yes) {
        effects.send(id_, {&kYes, 1});
        effects.push(StartClientTls{id_, {}, false});
        state_ = State::Securing;
    } else {
        effects.send(id_, {&kNo, 1});
    }
    return Step::More;
}

ClientLogin::Step ClientLogin::start(wire::StartupMessage message, EffectList& effects) {
    startup_ = std::move(message);
    if (startup_.needs_negotiation()) {
        Bytes out;
        wire::negotiate_protocol_version(out, startup_.negotiated_minor(),
                                         startup_.unknown_protocol_options());
        send(id_, out, effects);
    }
    if (startup_.user().empty()) return refuse({.reason = wire::RefusalReason::NoUserName});
    state_ = State::Deciding;
    return Step::Started;
}

ClientLogin::Step ClientLogin::authenticate(auth::AuthMethod method,
                                            std::optional<auth::Secret> secret,
                                            auth::SecretKind typical_kind,
                                            auth::AuthEnvironment& environment,
                                            EffectList& effects) {
    PGWEIR_ASSERT(state_ == State::Deciding);
    state_ = State::Authenticating;
    authenticator_ = std::make_unique<auth::ClientAuthenticator>(
        auth::ClientAuthRequest{.method = method,
                                .user = std::string(startup_.user()),
                                .secret = std::move(secret),
                                .typical_kind = typical_kind,
                                .is_tls = is_tls_,
                                .common_name = tls_.common_name,
                                .server_end_point = tls_.server_end_point,
                                .peer_user = address_.peer_user},
        environment);
    const Step step = take(authenticator_->start(), effects);
    if (step != Step::More) return step;
    return password_message(effects);
}

ClientLogin::Step ClientLogin::password_message(EffectList& effects) {
    for (;;) {
        const ByteView input = input_.view();
        if (input.empty()) return Step::More;
        if (input[0] != 'p') {
            return refuse({.reason = wire::RefusalReason::PasswordExpected,
                           .subject = std::to_string(input[0])});
        }
        if (input.size() < kHeaderBytes) return Step::More;
        const std::uint32_t length = load_u32(input.data() + 1);
        if (length < 4 || length > kProofLengthMax) {
            return refuse({.reason = wire::RefusalReason::InvalidMessageLength,
                           .subject = "PasswordMessage",
                           .value = std::to_string(static_cast<std::int32_t>(length))});
        }
        const std::size_t size = 1 + std::size_t{length};
        if (input.size() < size) return Step::More;
        auth::ClientAuthStep step =
            authenticator_->answer(input.subspan(kHeaderBytes, size - kHeaderBytes));
        input_.consume(size);
        const Step taken = take(std::move(step), effects);
        if (taken != Step::More) return taken;
    }
}

ClientLogin::Step ClientLogin::take(auth::ClientAuthStep step, EffectList& effects) {
    Bytes out;
    if (std::holds_alternative<auth::SendCleartextRequest>(step)) {
        wire::authentication_cleartext_password(out);
    } else if (const auto* md5 = std::get_if<auth::SendMd5Request>(&step)) {
        wire::authentication_md5_password(out, md5->salt);
    } else if (const auto* sasl = std::get_if<auth::SendSasl>(&step)) {
        wire::authentication_sasl(out, sasl->mechanisms);
    } else if (const auto* more = std::get_if<auth::SendSaslContinue>(&step)) {
        wire::authentication_sasl_continue(out, more->data);
    } else if (auto* accepted = std::get_if<auth::Accepted>(&step)) {
        if (!accepted->sasl_final.empty()) {
            wire::authentication_sasl_final(out, accepted->sasl_final);
            send(id_, out, effects);
        }
        accepted_ = std::move(*accepted);
        state_ = State::Finished;
        return Step::Authenticated;
    } else {
        auto& rejected = std::get<auth::Rejected>(step);
        log_text_ = std::move(rejected.log_text);
        return refuse(std::move(rejected.refusal));
    }
    send(id_, out, effects);
    return Step::More;
}

}  // namespace pgweir::session
