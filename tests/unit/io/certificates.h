// SPDX-License-Identifier: PostgreSQL
// Throw-away certificates for tests, made when the test runs.
#pragma once

#include <string>

#include "helpers.h"

namespace pgweir::io::testing {

struct CertificateRequest {
    std::string common_name;
    std::string alternative_name;  // "DNS:db.example", "IP:127.0.0.1"; may be empty.
};

// Writes ca.crt, and NAME.crt and NAME.key signed by it.
class CertificateAuthority {
 public:
    explicit CertificateAuthority(const TemporaryFolder& folder, std::string file = "ca.crt");
    CertificateAuthority(const CertificateAuthority&) = delete;
    CertificateAuthority& operator=(const CertificateAuthority&) = delete;
    ~CertificateAuthority();

    void issue(const std::string& file, const CertificateRequest& request);

 private:
    struct Keys;
    const TemporaryFolder& folder_;
    std::unique_ptr<Keys> keys_;
};

}  // namespace pgweir::io::testing
