// SPDX-License-Identifier: PostgreSQL
// What TLS sessions are made from: certificates, keys, trust, versions, built from settings. A
// reload builds new ones; sessions keep those that they began with.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/tls_session.h"
#include "pgweir/config/settings.h"

struct ssl_ctx_st;
struct x509_st;

namespace pgweir::io {

// The ALPN protocol ID that PostgreSQL registered.
inline constexpr std::string_view kAlpnProtocol = "postgresql";

// The CN of a certificate's subject; empty if it has none, or one that can't be trusted as text.
std::string common_name_of(x509_st* certificate);

class TlsContexts {
 public:
    // Throws config::ConfigError. Paths are absolute, or relative to the working directory.
    explicit TlsContexts(const config::Settings& settings, std::string_view file);
    TlsContexts(const TlsContexts&) = delete;
    TlsContexts& operator=(const TlsContexts&) = delete;

    // False if clients get no TLS.
    bool serves_clients() const { return for_clients_ != nullptr; }
    // REQUIRES: serves_clients().
    std::unique_ptr<TlsSession> accept(TlsAlpn alpn) const;
    std::unique_ptr<TlsSession> connect(const std::string& host, TlsMode mode) const;

 private:
    struct FreeContext {
        void operator()(ssl_ctx_st* context) const;
    };
    using Context = std::unique_ptr<ssl_ctx_st, FreeContext>;

    static Context context_for_clients(const config::TlsSettings& tls, std::string_view file);
    static Context context_for_servers(const config::Settings& settings, std::string_view file);

    Context for_clients_;
    Context for_servers_;
    TlsAlpn server_alpn_;
};

}  // namespace pgweir::io
