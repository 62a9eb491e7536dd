// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/hba.h"

#include <doctest/doctest.h>

#include <optional>

#include "auth/ip_address.h"

namespace pgweir::auth {

namespace {

using Type = config::HbaRule::Type;

config::HbaRule rule(Type type, std::string address, AuthMethod method) {
    config::HbaRule written;
    written.type = type;
    written.address = std::move(address);
    written.method = method;
    return written;
}

HbaRules compiled(const std::vector<config::HbaRule>& rules) {
    auto result = HbaRules::compile(rules);
    REQUIRE_MESSAGE(result.ok(), (result.ok() ? "" : result.error().text));
    return std::move(*result);
}

std::string error_of(const config::HbaRule& written) {
    const auto result = HbaRules::compile(std::vector{config::HbaRule(), written});
    if (result) return "";
    CHECK(result.error().rule == 1);
    return result.error().text;
}

HbaQuestion from(std::string_view host) {
    return {.database = "app", .user = "alice", .host = host};
}
HbaQuestion from_unix() {
    return {.database = "app", .user = "alice", .is_unix = true};
}

std::optional<AuthMethod> method(const HbaRules& rules, const HbaQuestion& question) {
    const auto decision = rules.decide(question);
    if (const auto* found = std::get_if<AuthMethod>(&decision)) return *found;
    return std::nullopt;
}

}  // namespace

TEST_CASE("without rules everybody is refused") {
    CHECK_FALSE(method(HbaRules(), from("127.0.0.1")));
    CHECK_FALSE(method(HbaRules(), from_unix()));
}

TEST_CASE("one method for everybody is for everybody") {
    const HbaRules rules = HbaRules::everybody(AuthMethod::Md5);
    CHECK(method(rules, from("203.0.113.9")) == AuthMethod::Md5);
    CHECK(method(rules, from_unix()) == AuthMethod::Md5);
    HbaQuestion replication = from("::1");
    replication.is_replication = true;
    CHECK(method(rules, replication) == AuthMethod::Md5);
    CHECK_FALSE(method(HbaRules::everybody(AuthMethod::Reject), from_unix()));
}

TEST_CASE("the first rule that matches decides, a reject too") {
    const HbaRules rules = compiled({rule(Type::Host, "10.0.0.7", AuthMethod::Reject),
                                     rule(Type::Host, "10.0.0.0/8", AuthMethod::Md5),
                                     rule(Type::Host, "all", AuthMethod::ScramSha256)});
    CHECK_FALSE(method(rules, from("10.0.0.7")));
    CHECK(method(rules, from("10.0.0.8")) == AuthMethod::Md5);
    CHECK(method(rules, from("11.0.0.8")) == AuthMethod::ScramSha256);
    CHECK_FALSE(method(rules, from_unix()));
}

TEST_CASE("local, hostssl and hostnossl see the kind of connection") {
    const HbaRules rules = compiled({rule(Type::Local, "all", AuthMethod::Peer),
                                     rule(Type::HostSsl, "all", AuthMethod::Cert),
                                     rule(Type::HostNoSsl, "all", AuthMethod::Md5)});
    HbaQuestion question = from("192.0.2.1");
    CHECK(method(rules, question) == AuthMethod::Md5);
    question.is_tls = true;
    CHECK(method(rules, question) == AuthMethod::Cert);
    CHECK(method(rules, from_unix()) == AuthMethod::Peer);
}

TEST_CASE("databases and users are matched exactly, sameuser by name") {
    config::HbaRule some = rule(Type::Host, "all", AuthMethod::Md5);
    some.databases = {"app", "sameuser"};
    some.users = {"alice", "bob"};
    const HbaRules rules = compiled({some});
    const auto asked = [&](std::string_view database, std::string_view user) {
        return method(rules, {.database = database, .user = user, .host = "::1"}).has_value();
    };
    CHECK(asked("app", "alice"));
    CHECK(asked("bob", "bob"));
    CHECK_FALSE(asked("other", "alice"));
    CHECK_FALSE(asked("App", "alice"));
    CHECK_FALSE(asked("app", "carol"));
    CHECK_FALSE(asked("sameuser", "alice"));
    CHECK_FALSE(asked("carol", "carol"));
}

TEST_CASE("replication connections match replication only, not all") {
    config::HbaRule physical = rule(Type::Host, "all", AuthMethod::Md5);
    physical.databases = {"replication"};
    const HbaRules all = compiled({rule(Type::Host, "all", AuthMethod::Trust)});
    const HbaRules replication = compiled({physical});
    HbaQuestion question = from("::1");
    CHECK_FALSE(method(replication, question));
    question.is_replication = true;
    CHECK_FALSE(method(all, question));
    CHECK(method(replication, question) == AuthMethod::Md5);
}

TEST_CASE("networks match to the bit") {
    struct Case {
        std::string_view network, inside, outside;
    };
    for (const Case& each :
         {Case{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
          Case{"192.0.2.128/25", "192.0.2.128", "192.0.2.127"},
          Case{"192.0.2.4/30", "192.0.2.7", "192.0.2.8"},
          Case{"192.0.2.1/32", "192.0.2.1", "192.0.2.0"},
          Case{"192.0.2.1", "192.0.2.1", "192.0.2.2"},
          Case{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"}, Case{"::1", "::1", "::2"},
          Case{"0.0.0.0/0", "203.0.113.1", "::1"}, Case{"fe80::/10", "fe80::1%eth0", "fec0::1"}}) {
        CAPTURE(each.network);
        const HbaRules rules =
            compiled({rule(Type::Host, std::string(each.network), AuthMethod::Md5)});
        CHECK(method(rules, from(each.inside)));
        CHECK_FALSE(method(rules, from(each.outside)));
    }
}

TEST_CASE("an IPv4 address is the same in IPv6's clothes") {
    const HbaRules rules = compiled({rule(Type::Host, "10.0.0.0/8", AuthMethod::Md5)});
    CHECK(method(rules, from("::ffff:10.1.2.3")));
    CHECK(method(rules, from("::ffff:a01:203")));
    CHECK_FALSE(method(rules, from("::10.1.2.3")));
    const HbaRules mapped = compiled({rule(Type::Host, "::ffff:10.0.0.0/8", AuthMethod::Md5)});
    CHECK(method(mapped, from("10.1.2.3")));
    CHECK_FALSE(method(mapped, from("11.1.2.3")));
}

TEST_CASE("an address that can't be read is in no network") {
    const HbaRules rules = compiled({rule(Type::Host, "0.0.0.0/0", AuthMethod::Md5)});
    for (const std::string_view host : {"", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256"}) {
        CHECK_FALSE(method(rules, from(host)));
    }
}

TEST_CASE("the refusal says who came from where, and is the same for no rule and for reject") {
    const auto refusal_of = [](const HbaRules& rules, const HbaQuestion& question) {
        return std::get<HbaRefusal>(rules.decide(question));
    };
    HbaQuestion question = from("192.0.2.1");
    const HbaRefusal none = refusal_of(HbaRules(), question);
    CHECK(none.refusal.reason == wire::RefusalReason::NoHbaRule);
    CHECK(none.refusal.subject ==
          "host \"192.0.2.1\", user \"alice\", database \"app\", no encryption");
    const HbaRefusal rejected =
        refusal_of(compiled({rule(Type::Host, "all", AuthMethod::Reject)}), question);
    CHECK(rejected.refusal.subject == none.refusal.subject);
    CHECK(rejected.log_text != none.log_text);
    question.is_tls = true;
    question.is_replication = true;
    CHECK(refusal_of(HbaRules(), question).refusal.subject ==
          "host \"192.0.2.1\", user \"alice\", replication connection, SSL encryption");
    CHECK(refusal_of(HbaRules(), from_unix()).refusal.subject ==
          "host \"[local]\", user \"alice\", database \"app\"");
}

TEST_CASE("a rule that can't be meant is refused, with what is wrong") {
    for (const std::string address : {"",
                                      "localhost",
                                      "10.0.0.0/33",
                                      "10.0.0.0/",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8x",
                                      "10.0.0.1/8",
                                      "10.0.0",
                                      "010.0.0.1",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7",
                                      "1::2::3",
                                      ":1",
                                      "1:",
                                      "12345::",
                                      "::/129",
                                      "::g",
                                      "1:2:3:4:5:6:7::8",
                                      "::1.2.3",
                                      "1.2.3.4::",
                                      "samehost"}) {
        CAPTURE(address);
        CHECK(error_of(rule(Type::Host, address, AuthMethod::Md5)).find("address") !=
              std::string::npos);
    }
    CHECK(error_of(rule(Type::Host, "all", AuthMethod::Cert)).find("hostssl") != std::string::npos);
    CHECK(error_of(rule(Type::Host, "all", AuthMethod::Peer)).find("local") != std::string::npos);
    config::HbaRule written = rule(Type::Host, "all", AuthMethod::Md5);
    written.users = {"+admins"};
    CHECK(error_of(written).find("\"+admins\"") != std::string::npos);
    written.users = {"/^a"};
    CHECK(error_of(written).find("regular expressions") != std::string::npos);
    written.users = {};
    for (const std::string name : {"samerole", "+admins", "/x", ""}) {
        written.databases = {name};
        CHECK(error_of(written).find("database") != std::string::npos);
    }
}

TEST_CASE("addresses are read as RFC 4291 writes them") {
    const auto same = [](std::string_view a, std::string_view b) {
        const auto first = parse_ip_address(a);
        return first && first == parse_ip_address(b);
    };
    CHECK(same("::", "0:0:0:0:0:0:0:0"));
    CHECK(same("2001:DB8::1", "2001:db8:0:0:0:0:0:1"));
    CHECK(same("::ffff:192.0.2.1", "192.0.2.1"));
    CHECK(same("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"));
    CHECK(same("1::", "1:0:0:0:0:0:0:0"));
    CHECK_FALSE(same("::1", "::2"));
}

}  // namespace pgweir::auth
