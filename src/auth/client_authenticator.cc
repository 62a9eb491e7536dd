// SPDX-License-Identifier: PostgreSQL
// See client_authenticator.h. PostgreSQL's own order and choices: src/backend/libpq/auth.c's, as
// the manual describes them in "Password Authentication" and "SASL Authentication".
#include "pgweir/auth/client_authenticator.h"

#include "pgweir/base/assert.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::auth {

using wire::RefusalReason;

namespace {

constexpr std::string_view kWrongPassword = "the password is wrong or the user is unknown";

}  // namespace

ClientAuthenticator::ClientAuthenticator(ClientAuthRequest request, AuthEnvironment& environment)
    : request_(std::move(request)), environment_(environment) {}

ClientAuthStep ClientAuthenticator::start() {
    PGWEIR_ASSERT(state_ == State::Start);
    switch (request_.method) {
        case AuthMethod::Any:
            return accept(stored_login_secret());
        case AuthMethod::Trust:
            if (request_.secret) return accept(stored_login_secret());
            return reject(RefusalReason::AuthenticationFailed, "trust: the user is unknown");
        case AuthMethod::Cert:
            return check_name(RefusalReason::CertificateFailed, request_.common_name,
                              "the certificate's common name");
        case AuthMethod::Peer:
            return check_name(RefusalReason::AuthenticationFailed, request_.peer_user,
                              "the operating system's user");
        case AuthMethod::Password:
            state_ = State::ExpectPassword;
            return SendCleartextRequest{};
        case AuthMethod::Md5:
            return start_md5();
        case AuthMethod::ScramSha256:
            return start_scram();
        case AuthMethod::Reject:
            return reject(RefusalReason::AuthenticationFailed, "the method is reject");
    }
    return reject(RefusalReason::AuthenticationFailed, "the method is none");
}

ClientAuthStep ClientAuthenticator::answer(ByteView body) {
    switch (state_) {
        case State::ExpectPassword:
            return check_password(body);
        case State::ExpectMd5:
            return check_md5(body);
        case State::ExpectInitial:
            return check_initial(body);
        case State::ExpectResponse:
            return check_response(body);
        case State::Start:
        case State::Finished:
            break;
    }
    PGWEIR_ASSERT(state_ != State::Start && state_ != State::Finished);
    return reject(RefusalReason::AuthenticationFailed, "out of turn");
}

bool ClientAuthenticator::is_usable() const {
    return request_.secret && !is_empty(*request_.secret);
}

// The manual, "md5": if the user's password is stored for SCRAM, SCRAM is chosen instead.
ClientAuthStep ClientAuthenticator::start_md5() {
    const SecretKind kind = is_usable() ? kind_of(*request_.secret) : request_.typical_kind;
    if (kind == SecretKind::Scram) return start_scram();
    environment_.entropy.fill(md5_salt_);
    state_ = State::ExpectMd5;
    return SendMd5Request{md5_salt_};
}

ClientAuthStep ClientAuthenticator::start_scram() {
    ScramVerifier verifier = mock_verifier(environment_.mock_key, request_.user);
    auto subject = ScramServer::Subject::Mock;
    if (is_usable()) {
        if (const auto* stored = std::get_if<ScramVerifier>(&*request_.secret)) {
            verifier = *stored;
            subject = ScramServer::Subject::Known;
        } else if (const auto* plain = std::get_if<PlainPassword>(&*request_.secret)) {
            // With the salt that an unknown user would get: what is configured doesn't show.
            const Bytes salt = mock_salt(environment_.mock_key, request_.user);
            verifier = make_verifier(
                environment_.scram_keys.keys(plain->text.reveal(), salt, kScramIterations), salt,
                kScramIterations);
            subject = ScramServer::Subject::Known;
        }
    }
    scram_.emplace(std::move(verifier), subject, request_.server_end_point, environment_.entropy);
    state_ = State::ExpectInitial;
    return SendSasl{scram_->mechanisms()};
}

ClientAuthStep ClientAuthenticator::check_name(RefusalReason reason, std::string_view proved,
                                               std::string_view what) {
    if (!proved.empty() && proved == request_.user) return accept(stored_login_secret());
    const std::string found = proved.empty() ? "unknown" : '"' + std::string(proved) + '"';
    return reject(reason, std::string(what) + " is " + found);
}

ClientAuthStep ClientAuthenticator::check_password(ByteView body) {
    const auto password = wire::read_password_message(body);
    if (!password) return reject(RefusalReason::MalformedMessage, "malformed PasswordMessage");
    if (password->empty()) {
        return reject(RefusalReason::AuthenticationFailed, "the client's password is empty");
    }
    const bool known = is_usable();
    const Secret secret = known ? *request_.secret : mock_secret();
    // The comparison comes first and always: an unknown user must cost what a known one costs.
    if (!password_matches(secret, request_.user, *password) || !known) {
        return reject(RefusalReason::AuthenticationFailed, std::string(kWrongPassword));
    }
    return accept(PlainPassword{SecretText(*password)});
}

ClientAuthStep ClientAuthenticator::check_md5(ByteView body) {
    const auto response = wire::read_password_message(body);
    if (!response) return reject(RefusalReason::MalformedMessage, "malformed PasswordMessage");
    const bool known = is_usable();
    const Secret secret = known ? *request_.secret : mock_secret();
    if (!md5_response_matches(secret, request_.user, md5_salt_, *response) || !known) {
        return reject(RefusalReason::AuthenticationFailed, std::string(kWrongPassword));
    }
    return accept(stored_login_secret());
}

ClientAuthStep ClientAuthenticator::check_initial(ByteView body) {
    const auto message = wire::read_sasl_initial_response(body);
    if (!message) return reject(RefusalReason::MalformedSasl, "malformed SASLInitialResponse");
    if (!message->data) {
        // The manual allows to send none and to be asked again; every client sends one.
        return reject(RefusalReason::MalformedSasl, "SASLInitialResponse without a response");
    }
    Result<std::string, ScramFailure> server_first =
        scram_->first(message->mechanism, *message->data);
    if (!server_first) return reject_scram(server_first.error());
    state_ = State::ExpectResponse;
    return SendSaslContinue{std::move(*server_first)};
}

ClientAuthStep ClientAuthenticator::check_response(ByteView body) {
    Result<std::string, ScramFailure> server_final = scram_->final(as_text(body));
    if (!server_final) return reject_scram(server_final.error());
    LoginSecret login_secret = stored_login_secret();
    if (std::holds_alternative<std::monostate>(login_secret)) login_secret = scram_->keys();
    return accept(std::move(login_secret), std::move(*server_final));
}

ClientAuthStep ClientAuthenticator::accept(LoginSecret login_secret, std::string sasl_final) {
    state_ = State::Finished;
    return Accepted{std::move(sasl_final), std::move(login_secret)};
}

ClientAuthStep ClientAuthenticator::reject(RefusalReason reason, std::string log_text) {
    state_ = State::Finished;
    wire::Refusal refusal{
        .reason = reason, .subject = request_.user, .moment = wire::RefusalMoment::Login};
    if (reason == RefusalReason::MalformedSasl) refusal.detail = log_text;
    if (reason == RefusalReason::MalformedMessage) refusal.subject = "PasswordMessage";
    return Rejected{std::move(refusal), std::move(log_text)};
}

ClientAuthStep ClientAuthenticator::reject_scram(const ScramFailure& failed) {
    if (failed.error == ScramError::WrongProof) {
        return reject(RefusalReason::AuthenticationFailed, std::string(kWrongPassword));
    }
    return reject(RefusalReason::MalformedSasl, failed.text);
}

// A secret as most users have one, that nothing matches.
Secret ClientAuthenticator::mock_secret() const {
    const ScramVerifier verifier = mock_verifier(environment_.mock_key, request_.user);
    const std::string_view random = as_text(verifier.stored_key.reveal());
    switch (request_.typical_kind) {
        case SecretKind::Plain:
            return PlainPassword{SecretText(random)};
        case SecretKind::Md5:
            return Md5Hash{SecretText(random)};
        case SecretKind::Scram:
            break;
    }
    return verifier;
}

LoginSecret ClientAuthenticator::stored_login_secret() const {
    if (!is_usable()) return {};
    if (const auto* plain = std::get_if<PlainPassword>(&*request_.secret)) return *plain;
    if (const auto* hash = std::get_if<Md5Hash>(&*request_.secret)) return *hash;
    return {};
}

}  // namespace pgweir::auth
