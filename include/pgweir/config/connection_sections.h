// SPDX-License-Identifier: PostgreSQL
// The options of [tcp] and [tls]: how connections are made and protected. The other sections are in
// sections.h.
#pragma once

#include <string>

#include "pgweir/config/option.h"

namespace pgweir::config {

struct TcpSettings : OptionGroup {
    TcpSettings() : OptionGroup("tcp") {}

    Option<bool> tcp_keepalive{this,
                               {.name = "tcp_keepalive",
                                .fallback = true,
                                .doc = "Asks the kernel to notice that the other side is gone."}};
    Option<Duration> tcp_keepidle{
        this,
        {.name = "tcp_keepidle",
         .doc = "Silence before the first keepalive probe; 0 means the system's value."}};
    Option<Duration> tcp_keepintvl{
        this,
        {.name = "tcp_keepintvl",
         .doc = "Time between keepalive probes; 0 means the system's value."}};
    Option<Count> tcp_keepcnt{
        this,
        {.name = "tcp_keepcnt",
         .max = 127,
         .doc = "Unanswered probes after which a connection is gone; 0 means the system's value."}};
    Option<Duration> tcp_user_timeout{
        this,
        {.name = "tcp_user_timeout",
         .doc = "How long sent bytes may stay unacknowledged; 0 means the system's value."}};
    Option<Count> listen_backlog{this,
                                 {.name = "listen_backlog",
                                  .fallback = 1024,
                                  .min = 1,
                                  .max = 65535,
                                  .reload = Reload::Restart,
                                  .doc = "Connections that wait to be accepted."}};
};

struct TlsSettings : OptionGroup {
    TlsSettings() : OptionGroup("tls") {}

    Option<TlsMode> client_tls_sslmode{
        this,
        {.name = "client_tls_sslmode",
         .fallback = TlsMode::Disable,
         .doc = "TLS with clients: disable, allow or prefer (if the client asks), require, "
                "verify-ca or verify-full (the client must have a certificate)."}};
    Option<std::string> client_tls_cert_file{
        this, {.name = "client_tls_cert_file", .doc = "The certificate (chain) that clients see."}};
    Option<std::string> client_tls_key_file{
        this, {.name = "client_tls_key_file", .doc = "The private key of client_tls_cert_file."}};
    Option<std::string> client_tls_ca_file{
        this,
        {.name = "client_tls_ca_file",
         .doc = "Certificates of those who may have signed clients' certificates."}};
    Option<TlsVersion> client_tls_min_protocol{
        this,
        {.name = "client_tls_min_protocol",
         .fallback = TlsVersion::Tls12,
         .doc = "The oldest version of TLS that clients may use: \"1.2\" or \"1.3\"."}};
    Option<std::string> client_tls_ciphers{
        this,
        {.name = "client_tls_ciphers",
         .doc = "OpenSSL cipher list for TLS 1.2 with clients; empty means OpenSSL's default."}};

    Option<TlsMode> server_tls_sslmode{this,
                                       {.name = "server_tls_sslmode",
                                        .fallback = TlsMode::Prefer,
                                        .doc = "TLS with nodes, as libpq's sslmode."}};
    Option<std::string> server_tls_ca_file{
        this,
        {.name = "server_tls_ca_file",
         .doc = "Certificates of those who may have signed nodes' certificates."}};
    Option<std::string> server_tls_cert_file{
        this, {.name = "server_tls_cert_file", .doc = "The certificate that nodes may ask for."}};
    Option<std::string> server_tls_key_file{
        this, {.name = "server_tls_key_file", .doc = "The private key of server_tls_cert_file."}};
    Option<TlsVersion> server_tls_min_protocol{
        this,
        {.name = "server_tls_min_protocol",
         .fallback = TlsVersion::Tls12,
         .doc = "The oldest version of TLS that nodes may use: \"1.2\" or \"1.3\"."}};
    Option<std::string> server_tls_ciphers{
        this,
        {.name = "server_tls_ciphers",
         .doc = "OpenSSL cipher list for TLS 1.2 with nodes; empty means OpenSSL's default."}};
    Option<bool> server_tls_direct{
        this,
        {.name = "server_tls_direct",
         .fallback = false,
         .doc = "Starts TLS with nodes at once (PostgreSQL 17 and later), as libpq's "
                "sslnegotiation=direct."}};
    Option<RequireAuth> server_require_auth{
        this,
        {.name = "server_require_auth",
         .doc = "How nodes may authenticate pgweir, as libpq's require_auth: none, password, md5, "
                "scram-sha-256, separated by commas, or those that they may not, each with a \"!\" "
                "before it; empty means any."}};
    Option<ChannelBinding> server_channel_binding{
        this,
        {.name = "server_channel_binding",
         .fallback = ChannelBinding::Prefer,
         .doc = "Whether SCRAM is bound to the TLS connection, so that nobody can stand between: "
                "disable, prefer or require (no login without it)."}};
    Option<CleartextPassword> server_cleartext_password{
        this,
        {.name = "server_cleartext_password",
         .fallback = CleartextPassword::Protected,
         .doc = "Where a node that asks for the password in clear gets it: protected (over TLS, a "
                "Unix socket or loopback) or anywhere."}};
    Option<ProtocolVersion> server_max_protocol_version{
        this,
        {.name = "server_max_protocol_version",
         .fallback = ProtocolVersion::V30,
         .doc = "The newest protocol version that nodes are asked for: \"3.0\", which everything "
                "understands, or \"3.2\" (PostgreSQL 18 and later; older ones answer 3.0), whose "
                "cancel keys nobody guesses."}};
};

}  // namespace pgweir::config
