// SPDX-License-Identifier: PostgreSQL
// Who may come from where, and how he must prove who he is: rules as in pg_hba.conf, first match
// decides, nothing matched is refused (PostgreSQL manual, "The pg_hba.conf File").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/base/result.h"

namespace pgweir::auth {

enum class AuthMethod : std::uint8_t { Trust, Reject, Password, Md5, ScramSha256, Cert, Peer };

// "scram-sha-256" → ScramSha256; nothing for an unknown name.
std::optional<AuthMethod> parse_auth_method(std::string_view name);
std::string_view name_of(AuthMethod method);

// One rule as it is written.
struct HbaLine {
    std::string type = "host";           // local, host, hostssl, hostnossl
    std::vector<std::string> databases;  // Names, "all", "sameuser", "replication"; empty: all.
    std::vector<std::string> users;      // Names, "all"; empty: all.
    std::string address = "all";         // CIDR, a single address, or "all"; unused for local.
    std::string method = "scram-sha-256";
};

struct HbaError {
    std::size_t rule = 0;  // Index in the list.
    std::string text;      // Names the value, and what it may be.
};

struct HbaQuestion {
    std::string_view database;
    std::string_view user;
    bool is_replication = false;
    bool is_unix = false;
    std::string_view host;  // Numeric; unused for a Unix socket.
    bool is_tls = false;
};

struct HbaRefusal {
    std::string text;  // What the client hears, with SQLSTATE 28000.
};

class HbaRules {
 public:
    // No rules: everybody is refused.
    HbaRules() = default;
    static Result<HbaRules, HbaError> compile(const std::vector<HbaLine>& lines);
    // One method for everybody from everywhere.
    static HbaRules everybody(AuthMethod method);

    // Never AuthMethod::Reject.
    std::variant<AuthMethod, HbaRefusal> decide(const HbaQuestion& question) const;
    std::size_t size() const { return rules_.size(); }

 private:
    enum class ConnectionType : std::uint8_t { Local, Host, HostSsl, HostNoSsl };
    // Every address as 16 bytes: IPv4 as ::ffff:a.b.c.d.
    using Address = std::array<Byte, 16>;
    struct Network {
        Address address{};
        unsigned bits = 0;
    };
    struct Rule {
        ConnectionType type = ConnectionType::Host;
        bool any_database = false;
        bool same_user = false;
        bool replication = false;
        std::vector<std::string> databases;
        bool any_user = false;
        std::vector<std::string> users;
        bool any_address = false;
        Network network;
        AuthMethod method = AuthMethod::Reject;
    };

    static Result<Rule, std::string> compile_rule(const HbaLine& line);
    static bool compile_names(const HbaLine& line, Rule& rule, std::string& error);
    static std::optional<Network> parse_network(std::string_view text);
    static std::optional<Address> parse_address(std::string_view text);
    static bool contains(const Network& network, const Address& address);
    static bool matches(const Rule& rule, const HbaQuestion& question,
                        const std::optional<Address>& address);

    std::vector<Rule> rules_;
};

}  // namespace pgweir::auth
