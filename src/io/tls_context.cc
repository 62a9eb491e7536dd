// SPDX-License-Identifier: PostgreSQL
#include "io/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

using config::ConfigError;
using TextOption = config::Option<std::string>;

// ALPN's wire format: each name behind its length (RFC 7301, 3.1).
constexpr std::array<unsigned char, 11> kAlpnWire = {10,  'p', 'o', 's', 't', 'g',
                                                     'r', 'e', 's', 'q', 'l'};

std::string openssl_reason() {
    const unsigned long code = ERR_get_error();
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    ERR_clear_error();
    return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

[[noreturn]] void refuse(std::string_view file, const TextOption& option, std::string_view why) {
    throw ConfigError(file, option.line(),
                      std::string(option.name()) + ": \"" + option() + "\": " + std::string(why));
}

// As PostgreSQL: a private key that others can read is no secret. One of root's may be readable to
// its group, for keys that a system's services share.
void check_key_file(std::string_view file, const TextOption& option) {
    struct stat info {};
    if (::stat(option().c_str(), &info) != 0) refuse(file, option, std::strerror(errno));
    const mode_t forbidden = info.st_uid == 0 ? (S_IWGRP | S_IXGRP | S_IRWXO) : (S_IRWXG | S_IRWXO);
    if ((info.st_mode & forbidden) != 0) {
        refuse(file, option,
               "the private key can be read or changed by others: its permissions should be 0600, "
               "or 0640 if root owns it");
    }
}

void load_identity(SSL_CTX* context, std::string_view file, const TextOption& certificate,
                   const TextOption& key) {
    if (certificate().empty() && key().empty()) return;
    if (certificate().empty()) refuse(file, key, "there is a key but no certificate");
    if (key().empty()) refuse(file, certificate, "there is a certificate but no key");
    if (SSL_CTX_use_certificate_chain_file(context, certificate().c_str()) != 1) {
        refuse(file, certificate, openssl_reason());
    }
    check_key_file(file, key);
    // Nobody is there to type a passphrase.
    SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
    if (SSL_CTX_use_PrivateKey_file(context, key().c_str(), SSL_FILETYPE_PEM) != 1) {
        refuse(file, key, openssl_reason());
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        refuse(file, key, "the key does not belong to the certificate");
    }
}

void load_trust(SSL_CTX* context, std::string_view file, const TextOption& authorities) {
    if (authorities().empty()) return;
    if (SSL_CTX_load_verify_locations(context, authorities().c_str(), nullptr) != 1) {
        refuse(file, authorities, openssl_reason());
    }
}

void set_limits(SSL_CTX* context, std::string_view file, config::TlsVersion version,
                const TextOption& ciphers) {
    SSL_CTX_set_min_proto_version(
        context, version == config::TlsVersion::Tls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (!ciphers().empty() && SSL_CTX_set_cipher_list(context, ciphers().c_str()) != 1) {
        refuse(file, ciphers, openssl_reason());
    }
    // PostgreSQL's drivers never resume a session; tickets would only cost.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // An idle session holds no record buffers.
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* out_length,
                const unsigned char* offered, unsigned offered_length, void*) {
    unsigned char* chosen = nullptr;
    const int result = SSL_select_next_proto(&chosen, out_length, kAlpnWire.data(),
                                             kAlpnWire.size(), offered, offered_length);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool verifies(TlsMode mode) {
    return mode == TlsMode::VerifyCa || mode == TlsMode::VerifyFull;
}

bool verifies_servers(const config::Settings& settings) {
    if (verifies(settings.tls.server_tls_sslmode())) return true;
    return std::any_of(settings.databases().begin(), settings.databases().end(),
                       [&settings](const auto& entry) {
                           return verifies(settings.pool_for(entry.first, {}).tls_mode);
                       });
}

}  // namespace

std::string common_name_of(X509* certificate) {
    X509_NAME* subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    ASN1_STRING* data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    unsigned char* utf8 = nullptr;
    const int length = ASN1_STRING_to_UTF8(&utf8, data);
    if (length < 0) return {};
    std::string name(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(length));
    OPENSSL_free(utf8);
    // "admin\0.example.org" must not pass for "admin".
    if (name.find('\0') != std::string::npos) return {};
    return name;
}

void TlsContexts::FreeContext::operator()(SSL_CTX* context) const {
    SSL_CTX_free(context);
}

TlsContexts::TlsContexts(const config::Settings& settings, std::string_view file)
    : for_clients_(context_for_clients(settings.tls, file)),
      for_servers_(context_for_servers(settings, file)),
      server_alpn_(settings.tls.server_tls_direct() ? TlsAlpn::Required : TlsAlpn::Optional) {}

TlsContexts::Context TlsContexts::context_for_clients(const config::TlsSettings& tls,
                                                      std::string_view file) {
    if (tls.client_tls_sslmode() == TlsMode::Disable) return nullptr;
    if (tls.client_tls_cert_file().empty()) {
        throw ConfigError(file, tls.client_tls_sslmode.line(),
                          "client_tls_sslmode needs client_tls_cert_file and client_tls_key_file");
    }
    Context context(SSL_CTX_new(TLS_server_method()));
    PGWEIR_ASSERT(context != nullptr);
    set_limits(context.get(), file, tls.client_tls_min_protocol(), tls.client_tls_ciphers);
    load_identity(context.get(), file, tls.client_tls_cert_file, tls.client_tls_key_file);
    load_trust(context.get(), file, tls.client_tls_ca_file);
    SSL_CTX_set_alpn_select_cb(context.get(), &choose_alpn, nullptr);

    const bool required = verifies(tls.client_tls_sslmode());
    if (required && tls.client_tls_ca_file().empty()) {
        throw ConfigError(file, tls.client_tls_sslmode.line(),
                          "client_tls_sslmode: certificates of clients can only be verified with "
                          "client_tls_ca_file");
    }
    if (!tls.client_tls_ca_file().empty()) {
        // Names of authorities help the client to choose its certificate.
        SSL_CTX_set_client_CA_list(context.get(),
                                   SSL_load_client_CA_file(tls.client_tls_ca_file().c_str()));
        SSL_CTX_set_verify(context.get(),
                           SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                           nullptr);
    }
    return context;
}

TlsContexts::Context TlsContexts::context_for_servers(const config::Settings& settings,
                                                      std::string_view file) {
    const config::TlsSettings& tls = settings.tls;
    Context context(SSL_CTX_new(TLS_client_method()));
    PGWEIR_ASSERT(context != nullptr);
    set_limits(context.get(), file, tls.server_tls_min_protocol(), tls.server_tls_ciphers);
    load_identity(context.get(), file, tls.server_tls_cert_file, tls.server_tls_key_file);
    load_trust(context.get(), file, tls.server_tls_ca_file);
    // Reading the system's authorities takes longer than all the rest of a start.
    if (tls.server_tls_ca_file().empty() && verifies_servers(settings)) {
        SSL_CTX_set_default_verify_paths(context.get());
    }
    SSL_CTX_set_alpn_protos(context.get(), kAlpnWire.data(), kAlpnWire.size());
    return context;
}

std::unique_ptr<TlsSession> TlsContexts::accept(TlsAlpn alpn) const {
    PGWEIR_ASSERT(for_clients_ != nullptr);
    return std::make_unique<TlsSession>(for_clients_.get(), TlsRole::Server, alpn);
}

std::unique_ptr<TlsSession> TlsContexts::connect(const std::string& host, TlsMode mode) const {
    auto session = std::make_unique<TlsSession>(for_servers_.get(), TlsRole::Client, server_alpn_);
    auto verify = TlsSession::Verify::Nothing;
    if (mode == TlsMode::VerifyCa) verify = TlsSession::Verify::Chain;
    if (mode == TlsMode::VerifyFull) verify = TlsSession::Verify::ChainAndName;
    session->expect_server(host, verify);
    return session;
}

}  // namespace pgweir::io
