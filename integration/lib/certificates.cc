// SPDX-License-Identifier: PostgreSQL
// Self-made certificates, by the openssl command line.
#include "certificates.h"

#include "process.h"

namespace pgweir::integration {

Certificates::Certificates(const std::filesystem::path& parent) : folder_(parent / "certificates") {
    std::filesystem::create_directories(folder_);
    make_authority("authority");
    make_authority("stranger");
    issue("server", "authority", "localhost", "DNS:localhost,IP:127.0.0.1");
    issue("client", "authority", "certified", "");
    issue("stranger_client", "stranger", "certified", "");
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        if (entry.path().extension() == ".key") {
            std::filesystem::permissions(entry.path(), std::filesystem::perms(0600));
        }
        hand_over(entry.path());
    }
    hand_over(folder_);
}

void Certificates::make_authority(const std::string& name) {
    run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "30", "-subj", "/CN=" + name, "-keyout", file(name + ".key"), "-out",
         file(name + ".crt")});
}

void Certificates::issue(const std::string& name, const std::string& authority,
                         const std::string& common_name, const std::string& alternative_names) {
    run({"openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=" + common_name, "-keyout", file(name + ".key"), "-out",
         file(name + ".csr")});
    std::string extensions = "basicConstraints=CA:FALSE\n";
    if (!alternative_names.empty()) extensions += "subjectAltName=" + alternative_names + "\n";
    write_file(file(name + ".ext"), extensions);
    run({"openssl", "x509", "-req", "-in", file(name + ".csr"), "-CA", file(authority + ".crt"),
         "-CAkey", file(authority + ".key"), "-CAcreateserial", "-days", "30", "-sha256",
         "-extfile", file(name + ".ext"), "-out", file(name + ".crt")});
}

std::string Certificates::renew_server_certificate() {
    issue("server", "authority", "localhost", "DNS:localhost,IP:127.0.0.1");
    std::filesystem::permissions(file("server.key"), std::filesystem::perms(0600));
    hand_over(file("server.key"));
    hand_over(file("server.crt"));
    std::string serial = run({"openssl", "x509", "-in", file("server.crt"), "-noout", "-serial"});
    while (!serial.empty() && serial.back() == '\n') serial.pop_back();
    return serial.substr(serial.find('=') + 1);
}

}  // namespace pgweir::integration
