// SPDX-License-Identifier: PostgreSQL
// Who may come from where, and how he must prove who he is: rules as in pg_hba.conf, first match
// decides, nothing matched is refused (PostgreSQL manual, "The pg_hba.conf File").
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/base/result.h"
#include "pgweir/config/database_settings.h"
#include "pgweir/wire/refusal.h"

namespace pgweir::auth {

using AuthMethod = config::AuthMethod;

struct HbaError {
    std::size_t rule = 0;  // Index in the list.
    unsigned line = 0;     // HbaRule::line.
    std::string text;      // Names the value, and what it may be.
};

struct HbaQuestion {
    std::string_view database;
    std::string_view user;
    bool is_replication =
        false;  // Physical. Logical replication names a database, and counts as it.
    bool is_unix = false;
    std::string_view host = {};  // Numeric; unused for a Unix socket.
    bool is_tls = false;
};

struct HbaRefusal {
    wire::Refusal refusal;
    std::string log_text;
};

class HbaRules {
 public:
    // No rules: everybody is refused.
    HbaRules() = default;
    // Database names may be "all", "sameuser" and "replication"; user names "all". An empty list
    // means all.
    static Result<HbaRules, HbaError> compile(std::span<const config::HbaRule> rules);
    // One method for everybody from everywhere.
    static HbaRules everybody(AuthMethod method);

    // Never AuthMethod::Reject.
    std::variant<AuthMethod, HbaRefusal> decide(const HbaQuestion& question) const;
    std::size_t size() const { return rules_.size(); }

 private:
    using ConnectionType = config::HbaRule::Type;
    // IPv4 as ::ffff:a.b.c.d, so that a mapped address and the plain one are the same.
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

    // These return what is wrong, or nothing.
    static std::string compile_rule(const config::HbaRule& written, Rule& rule);
    static std::string compile_names(const config::HbaRule& written, Rule& rule);
    static std::string compile_address(const config::HbaRule& written, Rule& rule);
    static std::string check_method(const config::HbaRule& written, Rule& rule);
    static bool matches_connection(const Rule& rule, const HbaQuestion& question);
    static bool matches_names(const Rule& rule, const HbaQuestion& question);
    static bool contains(const Network& network, const Address& address);

    std::vector<Rule> rules_;
};

}  // namespace pgweir::auth
