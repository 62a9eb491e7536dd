// SPDX-License-Identifier: PostgreSQL
// What an operator writes about users and rules: userlist.txt, secrets, require_auth, networks; and
// passwords in any encoding. What is read must be readable again as it is written.
#include "auth/saslprep.h"
#include "fuzz/fuzz.h"
#include "pgweir/auth/hba.h"
#include "pgweir/auth/server_authenticator.h"
#include "pgweir/auth/user_directory.h"
#include "pgweir/base/assert.h"

using namespace pgweir;
using namespace pgweir::auth;

namespace {

void read_userlist(std::string_view text) {
    const auto users = parse_userlist(text);
    if (users) {
        (void)users->typical_kind();
    } else {
        PGWEIR_ASSERT(users.error().line > 0 && !users.error().text.empty());
    }
}

void read_secret(std::string_view text) {
    const auto secret = parse_secret(text);
    if (!secret) return;
    const auto* verifier = std::get_if<ScramVerifier>(&*secret);
    if (verifier == nullptr) return;
    ScramVerifier again;
    PGWEIR_ASSERT(ScramVerifier::parse(verifier->format(), again));
    PGWEIR_ASSERT(again.format() == verifier->format());
}

void read_rule(std::string_view text) {
    config::HbaRule rule;
    rule.address = std::string(text);
    rule.method = config::AuthMethod::Md5;
    const auto rules = HbaRules::compile(std::vector{rule});
    const HbaQuestion question{.database = "d", .user = "u", .host = text};
    if (!rules) {
        PGWEIR_ASSERT(!rules.error().text.empty());
        return;
    }
    // An address alone is the network of itself.
    const bool is_address = text.find('/') == std::string_view::npos && text != "all";
    const auto decision = rules->decide(question);
    PGWEIR_ASSERT(!is_address || std::holds_alternative<AuthMethod>(decision));
}

void prepare(std::string_view text) {
    const SecretText once = saslprep(text);
    PGWEIR_ASSERT(saslprep(once.reveal()).reveal() == once.reveal());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text({data, size});
    read_userlist(text);
    read_secret(text);
    read_rule(text);
    prepare(text);
    (void)pgweir::parse_require_auth(text);
    return 0;
}
