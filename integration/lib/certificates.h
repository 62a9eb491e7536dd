// SPDX-License-Identifier: PostgreSQL
// Self-made certificates for tests: one authority, a server certificate for "localhost" and
// 127.0.0.1, a client certificate for the role "certified", and a stranger's authority.
#pragma once

#include <filesystem>
#include <string>

namespace pgweir::integration {

class Certificates {
 public:
    explicit Certificates(const std::filesystem::path& parent);

    std::string authority() const { return file("authority.crt"); }
    std::string server_certificate() const { return file("server.crt"); }
    std::string server_key() const { return file("server.key"); }
    std::string client_certificate() const { return file("client.crt"); }
    std::string client_key() const { return file("client.key"); }
    std::string stranger_authority() const { return file("stranger.crt"); }
    std::string stranger_client_certificate() const { return file("stranger_client.crt"); }
    std::string stranger_client_key() const { return file("stranger_client.key"); }

    // A new server certificate of the same authority, in place; returns its serial number in hex.
    std::string renew_server_certificate();

 private:
    std::string file(const std::string& name) const { return (folder_ / name).string(); }
    void make_authority(const std::string& name);
    void issue(const std::string& name, const std::string& authority,
               const std::string& common_name, const std::string& alternative_names);

    std::filesystem::path folder_;
};

}  // namespace pgweir::integration
