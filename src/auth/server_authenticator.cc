// SPDX-License-Identifier: PostgreSQL
// See server_authenticator.h. The messages are those of the manual, "Start-up" and "SASL
// Authentication".
#include "pgweir/auth/server_authenticator.h"

#include <algorithm>

#include "auth/ip_address.h"
#include "pgweir/auth/password.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::auth {

using wire::AuthenticationCode;

ServerLink unencrypted_link(std::string_view host) {
    if (host.starts_with('/')) return ServerLink::UnixSocket;
    if (host == "localhost") return ServerLink::Loopback;
    const auto address = parse_ip_address(host);
    const bool is_loopback = address && is_loopback_address(*address);
    return is_loopback ? ServerLink::Loopback : ServerLink::Plain;
}

ServerAuthenticator::ServerAuthenticator(ServerAuthRequest request, Entropy& entropy,
                                         ScramKeyCache* cache)
    : request_(std::move(request)), entropy_(entropy), cache_(cache) {}

ServerAuthStep ServerAuthenticator::handle(ByteView body) {
    const auto message = wire::read_authentication(body);
    if (!message) return fail("malformed Authentication message");
    switch (state_) {
        case State::Start:
            return handle_start(static_cast<std::uint32_t>(message->code), message->rest);
        case State::ExpectContinue:
            if (message->code != AuthenticationCode::SaslContinue) break;
            return handle_continue(message->rest);
        case State::ExpectFinal:
            if (message->code != AuthenticationCode::SaslFinal) break;
            return handle_final(message->rest);
        case State::ExpectOk:
            if (message->code != AuthenticationCode::Ok) break;
            return handle_ok(message->rest);
        case State::Finished:
            break;
    }
    return fail("the server sent Authentication message " +
                std::to_string(static_cast<std::uint32_t>(message->code)) + " out of turn");
}

ServerAuthStep ServerAuthenticator::handle_start(std::uint32_t code, ByteView rest) {
    switch (static_cast<AuthenticationCode>(code)) {
        case AuthenticationCode::Ok:
            if (!request_.policy.require_auth.none) {
                return fail(
                    "the server asked for no authentication, which server_require_auth forbids");
            }
            if (request_.policy.channel_binding == ChannelBinding::Require) {
                return fail(
                    "the server asked for no authentication, but channel binding is required");
            }
            return handle_ok(rest);
        case AuthenticationCode::CleartextPassword:
            return handle_cleartext(rest);
        case AuthenticationCode::Md5Password:
            return handle_md5(rest);
        case AuthenticationCode::Sasl:
            return handle_sasl(rest);
        case AuthenticationCode::KerberosV5:
        case AuthenticationCode::Gss:
        case AuthenticationCode::GssContinue:
        case AuthenticationCode::Sspi:
        case AuthenticationCode::SaslContinue:
        case AuthenticationCode::SaslFinal:
            break;
    }
    return fail("the server asked for authentication " + std::to_string(code) +
                ", which pgweir doesn't speak");
}

ServerAuthStep ServerAuthenticator::handle_ok(ByteView rest) {
    if (!rest.empty()) return fail("malformed AuthenticationOk");
    state_ = State::Finished;
    return ServerAuthDone{};
}

ServerAuthStep ServerAuthenticator::handle_cleartext(ByteView rest) {
    if (!rest.empty()) return fail("malformed AuthenticationCleartextPassword");
    if (!request_.policy.require_auth.password) {
        return fail("the server asked for a cleartext password, which server_require_auth forbids");
    }
    if (request_.policy.channel_binding == ChannelBinding::Require) {
        return fail("the server asked for a cleartext password, but channel binding is required");
    }
    if (request_.link == ServerLink::Plain &&
        request_.policy.cleartext == CleartextPassword::Protected) {
        return fail(
            "the server asked for a cleartext password over an unencrypted network, which "
            "server_cleartext_password = \"anywhere\" would allow");
    }
    const auto* plain = std::get_if<PlainPassword>(&request_.secret);
    if (plain == nullptr) return fail_for_want_of("a cleartext password");
    SendAuthResponse response;
    wire::password_message(response.message, plain->text.reveal());
    state_ = State::ExpectOk;
    return response;
}

ServerAuthStep ServerAuthenticator::handle_md5(ByteView rest) {
    Md5Salt salt{};
    if (rest.size() != salt.size()) return fail("malformed AuthenticationMD5Password");
    std::copy(rest.begin(), rest.end(), salt.begin());
    if (!request_.policy.require_auth.md5) {
        return fail("the server asked for an md5 password, which server_require_auth forbids");
    }
    if (request_.policy.channel_binding == ChannelBinding::Require) {
        return fail("the server asked for an md5 password, but channel binding is required");
    }
    std::optional<Md5Hash> hash;
    if (const auto* plain = std::get_if<PlainPassword>(&request_.secret)) {
        hash = md5_hash(plain->text.reveal(), request_.user);
    } else if (const auto* stored = std::get_if<Md5Hash>(&request_.secret)) {
        hash = *stored;
    } else {
        return fail_for_want_of("an md5 password");
    }
    const std::optional<std::string> text =
        hash ? make_md5_response(*hash, salt) : std::optional<std::string>();
    if (!text) return fail("the server asked for an md5 password, but libcrypto refuses md5");
    SendAuthResponse response;
    wire::password_message(response.message, *text);
    state_ = State::ExpectOk;
    return response;
}

ServerAuthStep ServerAuthenticator::handle_sasl(ByteView rest) {
    const auto offered = wire::read_sasl_mechanisms(rest);
    if (!offered) return fail("malformed AuthenticationSASL");
    if (!request_.policy.require_auth.scram) {
        return fail("the server asked for SCRAM, which server_require_auth forbids");
    }
    ScramClientOptions options;
    if (const auto* plain = std::get_if<PlainPassword>(&request_.secret)) {
        options.secret = *plain;
    } else if (const auto* keys = std::get_if<ScramKeys>(&request_.secret)) {
        options.secret = *keys;
    } else {
        return fail_for_want_of("SCRAM");
    }
    options.channel_binding = request_.server_end_point;
    options.policy = request_.policy.channel_binding;
    options.iterations_max = request_.policy.scram_iterations_max;
    scram_.emplace(std::move(options), entropy_, cache_);

    const auto initial = scram_->first(*offered);
    if (!initial) return fail(initial.error().text);
    SendAuthResponse response;
    wire::sasl_initial_response(response.message, initial->mechanism, initial->client_first);
    state_ = State::ExpectContinue;
    return response;
}

ServerAuthStep ServerAuthenticator::handle_continue(ByteView rest) {
    const auto client_final = scram_->challenge(as_text(rest));
    if (!client_final) return fail(client_final.error().text);
    SendAuthResponse response;
    wire::sasl_response(response.message, *client_final);
    state_ = State::ExpectFinal;
    return response;
}

ServerAuthStep ServerAuthenticator::handle_final(ByteView rest) {
    const auto proved = scram_->finish(as_text(rest));
    if (!proved) return fail(proved.error().text);
    state_ = State::ExpectOk;
    return AwaitServer{};
}

ServerAuthStep ServerAuthenticator::fail_for_want_of(std::string_view what) {
    std::string_view have = "no secret for it";
    if (std::holds_alternative<Md5Hash>(request_.secret)) have = "an md5 hash only";
    if (std::holds_alternative<ScramKeys>(request_.secret)) have = "SCRAM keys only";
    return fail("the server asked user \"" + request_.user + "\" for " + std::string(what) +
                ", but pgweir has " + std::string(have));
}

ServerAuthStep ServerAuthenticator::fail(std::string log_text) {
    state_ = State::Finished;
    return ServerAuthFailed{std::move(log_text)};
}

}  // namespace pgweir::auth
