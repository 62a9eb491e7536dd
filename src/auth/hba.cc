// SPDX-License-Identifier: PostgreSQL
// See hba.h.
#include "pgweir/auth/hba.h"

#include <algorithm>
#include <charconv>

#include "auth/ip_address.h"

namespace pgweir::auth {

namespace {

bool lists(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// The bits that `bits` of a prefix leave in byte `index` of an address.
Byte mask_of(unsigned bits, std::size_t index) {
    const std::size_t before = index * 8;
    if (bits >= before + 8) return 0xff;
    if (bits <= before) return 0;
    return static_cast<Byte>(0xff << (8 - (bits - before)));
}

std::optional<unsigned> parse_bits(std::string_view text, unsigned max) {
    unsigned bits = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, bits);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end || bits > max) {
        return std::nullopt;
    }
    return bits;
}

std::string describe(const HbaQuestion& question) {
    const std::string host = question.is_unix ? "[local]" : std::string(question.host);
    const std::string where = question.is_replication
                                  ? std::string("replication connection")
                                  : "database \"" + std::string(question.database) + '"';
    std::string text =
        "host \"" + host + "\", user \"" + std::string(question.user) + "\", " + where;
    if (!question.is_unix) text += question.is_tls ? ", SSL encryption" : ", no encryption";
    return text;
}

// The client hears the same in both cases.
HbaRefusal refuse(std::string_view why, const HbaQuestion& question) {
    const std::string subject = describe(question);
    return {{.reason = wire::RefusalReason::NoHbaRule, .subject = subject},
            "hba: " + std::string(why) + subject};
}

}  // namespace

Result<HbaRules, HbaError> HbaRules::compile(std::span<const config::HbaRule> rules) {
    HbaRules compiled;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        Rule rule;
        if (std::string wrong = compile_rule(rules[i], rule); !wrong.empty()) {
            return failure(HbaError{i, rules[i].line, std::move(wrong)});
        }
        compiled.rules_.push_back(std::move(rule));
    }
    return compiled;
}

HbaRules HbaRules::everybody(AuthMethod method) {
    HbaRules rules;
    for (const ConnectionType type : {ConnectionType::Local, ConnectionType::Host}) {
        Rule rule;
        rule.type = type;
        rule.any_database = rule.replication = rule.any_user = rule.any_address = true;
        rule.method = method;
        rules.rules_.push_back(std::move(rule));
    }
    return rules;
}

std::string HbaRules::compile_rule(const config::HbaRule& written, Rule& rule) {
    rule.type = written.type;
    rule.method = written.method;
    for (const auto step : {compile_names, compile_address, check_method}) {
        if (std::string wrong = step(written, rule); !wrong.empty()) return wrong;
    }
    return {};
}

std::string HbaRules::compile_names(const config::HbaRule& written, Rule& rule) {
    rule.any_database = written.databases.empty();
    for (const std::string& name : written.databases) {
        if (name.empty()) return "a database's name is empty";
        if (name == "samerole" || name == "samegroup" || name.front() == '+') {
            return "database \"" + name + "\": roles are PostgreSQL's, pgweir doesn't know them";
        }
        if (name.front() == '/') {
            return "database \"" + name + "\": regular expressions are not supported";
        }
        if (name == "all") {
            rule.any_database = true;
        } else if (name == "sameuser") {
            rule.same_user = true;
        } else if (name == "replication") {
            rule.replication = true;
        } else {
            rule.databases.push_back(name);
        }
    }
    rule.any_user = written.users.empty();
    for (const std::string& name : written.users) {
        if (name.empty()) return "a user's name is empty";
        if (name.front() == '+') {
            return "user \"" + name + "\": roles are PostgreSQL's, pgweir doesn't know them";
        }
        if (name.front() == '/') {
            return "user \"" + name + "\": regular expressions are not supported";
        }
        if (name == "all") {
            rule.any_user = true;
        } else {
            rule.users.push_back(name);
        }
    }
    return {};
}

std::string HbaRules::compile_address(const config::HbaRule& written, Rule& rule) {
    if (rule.type == ConnectionType::Local || written.address == "all") {
        rule.any_address = true;
        return {};
    }
    const std::string_view text = written.address;
    const std::size_t slash = text.find('/');
    const std::optional<IpAddress> address = parse_ip_address(text.substr(0, slash));
    if (!address) {
        return "address \"" + written.address +
               "\" is neither \"all\" nor numeric, as in 10.0.0.0/8 or 2001:db8::/32";
    }
    // IPv4 is the part behind ::ffff:0:0/96.
    const unsigned bits_max = is_ipv4(*address) ? 32 : 128;
    unsigned bits = bits_max;
    if (slash != std::string_view::npos) {
        const auto parsed = parse_bits(text.substr(slash + 1), bits_max);
        if (!parsed) {
            return "address \"" + written.address +
                   "\": the prefix length is no number from 0 to " + std::to_string(bits_max);
        }
        bits = *parsed;
    }
    rule.network = {*address, 128 - bits_max + bits};
    // A forgotten bit means another network than the one that was meant.
    for (std::size_t i = 0; i < address->size(); ++i) {
        if (((*address)[i] & ~mask_of(rule.network.bits, i)) != 0) {
            return "address \"" + written.address + "\" has bits set behind its prefix";
        }
    }
    return {};
}

std::string HbaRules::check_method(const config::HbaRule& written, Rule&) {
    if (written.method == AuthMethod::Cert && written.type != ConnectionType::HostSsl) {
        return "method \"cert\" needs type \"hostssl\"";
    }
    if (written.method == AuthMethod::Peer && written.type != ConnectionType::Local) {
        return "method \"peer\" needs type \"local\"";
    }
    return {};
}

std::variant<AuthMethod, HbaRefusal> HbaRules::decide(const HbaQuestion& question) const {
    std::optional<IpAddress> address;
    if (!question.is_unix) address = parse_ip_address(question.host);

    for (const Rule& rule : rules_) {
        if (!matches_connection(rule, question) || !matches_names(rule, question)) continue;
        if (!rule.any_address && !(address && contains(rule.network, *address))) continue;
        if (rule.method != AuthMethod::Reject) return rule.method;
        return refuse("a rule rejects ", question);
    }
    return refuse("no rule for ", question);
}

bool HbaRules::matches_connection(const Rule& rule, const HbaQuestion& question) {
    switch (rule.type) {
        case ConnectionType::Local:
            return question.is_unix;
        case ConnectionType::Host:
            return !question.is_unix;
        case ConnectionType::HostSsl:
            return !question.is_unix && question.is_tls;
        case ConnectionType::HostNoSsl:
            return !question.is_unix && !question.is_tls;
    }
    return false;
}

bool HbaRules::matches_names(const Rule& rule, const HbaQuestion& question) {
    if (!rule.any_user && !lists(rule.users, question.user)) return false;
    // The manual: "all" doesn't match replication connections that name no database.
    if (question.is_replication) return rule.replication;
    return rule.any_database || (rule.same_user && question.database == question.user) ||
           lists(rule.databases, question.database);
}

bool HbaRules::contains(const Network& network, const Address& address) {
    for (std::size_t i = 0; i < address.size(); ++i) {
        if (((network.address[i] ^ address[i]) & mask_of(network.bits, i)) != 0) return false;
    }
    return true;
}

}  // namespace pgweir::auth
