// SPDX-License-Identifier: PostgreSQL
#include "io/probe_login.h"

#include <libpq-fe.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "pgweir/base/assert.h"

namespace pgweir::io {

namespace {

// Can't exist, and libpq takes it for a file that is missing: that is no error where a file is only
// looked for in case it is there.
constexpr const char* kNoFile = "/dev/null/none";

const char* sslmode(TlsMode mode) {
    switch (mode) {
        case TlsMode::Disable:
            return "disable";
        case TlsMode::Allow:
            return "allow";
        case TlsMode::Prefer:
            return "prefer";
        case TlsMode::Require:
            return "require";
        case TlsMode::VerifyCa:
            return "verify-ca";
        case TlsMode::VerifyFull:
            return "verify-full";
    }
    PGWEIR_ASSERT(false);
}

// The system's authorities as one file; libpq below 16 can't read its folder.
std::string system_authorities() {
    const std::array<const char*, 3> candidates = {X509_get_default_cert_file(),
                                                   "/etc/ssl/certs/ca-certificates.crt",
                                                   "/etc/pki/tls/certs/ca-bundle.crt"};
    for (const char* file : candidates) {
        if (::access(file, R_OK) == 0) return file;
    }
    return candidates.front();
}

std::string authorities(const MonitorLogin& login) {
    if (!login.tls_ca_file.empty()) return login.tls_ca_file;
    const bool verifies =
        login.tls_mode == TlsMode::VerifyCa || login.tls_mode == TlsMode::VerifyFull;
    // Without verification libpq would still verify if it found a file.
    return verifies ? system_authorities() : kNoFile;
}

std::string or_none(const std::string& file) {
    return file.empty() ? kNoFile : file;
}

void add_addresses(ProbeParameters& parameters, const NodeAddress& node,
                   const std::vector<SocketAddress>& addresses) {
    // libpq pairs the two lists: each address has the name, for the certificate.
    std::string hosts = node.host;
    std::string numeric;
    for (const SocketAddress& address : addresses) {
        if (!numeric.empty()) {
            numeric += ',';
            hosts += ',' + node.host;
        }
        numeric += address.host();
    }
    parameters.emplace_back("host", std::move(hosts));
    if (!numeric.empty()) parameters.emplace_back("hostaddr", std::move(numeric));
    parameters.emplace_back("port", std::to_string(node.port));
}

}  // namespace

ProbeParameters probe_parameters(const NodeAddress& node,
                                 const std::vector<SocketAddress>& addresses,
                                 const MonitorLogin& login) {
    ProbeParameters all;
    add_addresses(all, node, addresses);
    all.emplace_back("user", login.user);
    all.emplace_back("password", login.password);
    all.emplace_back("passfile", kNoFile);
    all.emplace_back("dbname", login.database);
    all.emplace_back("application_name", "pgweir monitor");
    all.emplace_back("client_encoding", "UTF8");
    all.emplace_back("sslmode", sslmode(login.tls_mode));
    all.emplace_back("sslrootcert", authorities(login));
    all.emplace_back("sslcert", or_none(login.tls_cert_file));
    all.emplace_back("sslkey", or_none(login.tls_key_file));
    all.emplace_back("sslcrl", kNoFile);
    all.emplace_back("ssl_min_protocol_version", "TLSv1.2");
    all.emplace_back("channel_binding", "prefer");
    all.emplace_back("gssencmode", "disable");
    all.emplace_back("keepalives", "1");
    all.emplace_back("target_session_attrs", "any");
    return all;
}

void forget_libpq_environment() {
    std::vector<std::string> names;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view variable = *entry;
        if (variable.starts_with("PG") && !variable.starts_with("PGWEIR")) {
            names.emplace_back(variable.substr(0, variable.find('=')));
        }
    }
    for (const std::string& name : names) ::unsetenv(name.c_str());
}

}  // namespace pgweir::io
