// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/server_auth.h"

namespace pgweir {

namespace {

bool* flag_of(RequireAuth& require, std::string_view name) {
    if (name == "none") return &require.none;
    if (name == "password") return &require.password;
    if (name == "md5") return &require.md5;
    if (name == "scram-sha-256") return &require.scram;
    return nullptr;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

}  // namespace

Result<RequireAuth, std::string> parse_require_auth(std::string_view text) {
    if (trimmed(text).empty()) return RequireAuth{};
    const bool forbids = trimmed(text).front() == '!';
    RequireAuth require{forbids, forbids, forbids, forbids};
    while (true) {
        const std::size_t comma = text.find(',');
        std::string_view name = trimmed(text.substr(0, comma));
        const std::string written(name);
        if (name.starts_with('!') != forbids) {
            return failure("can't mix allowed and forbidden methods, as \"" + written + "\" does");
        }
        if (forbids) name.remove_prefix(1);
        bool* flag = flag_of(require, name);
        if (flag == nullptr) {
            return failure("can't be \"" + written +
                           "\": methods are none, password, md5 and scram-sha-256");
        }
        *flag = !forbids;
        if (comma == std::string_view::npos) return require;
        text.remove_prefix(comma + 1);
    }
}

// What is allowed, by name; nothing at all is allowed by "!none,!password,!md5,!scram-sha-256".
std::string text_of(const RequireAuth& require) {
    if (require == RequireAuth{}) return {};
    std::string allowed;
    std::string forbidden;
    const auto add = [&](bool allows, const std::string& name) {
        std::string& list = allows ? allowed : forbidden;
        if (!list.empty()) list += ',';
        list += allows ? name : "!" + name;
    };
    add(require.none, "none");
    add(require.password, "password");
    add(require.md5, "md5");
    add(require.scram, "scram-sha-256");
    return allowed.empty() ? forbidden : allowed;
}

}  // namespace pgweir
