// SPDX-License-Identifier: PostgreSQL
// Users by name, and PgBouncer's userlist.txt.
#include <openssl/crypto.h>

#include <array>

#include "pgweir/auth/user_directory.h"

namespace pgweir::auth {

namespace {

constexpr std::size_t kUserNameBytesMax = 127;  // PgBouncer's limits.
constexpr std::size_t kSecretBytesMax = 2048;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

void skip_blanks(std::string_view& text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// Takes "…" off the front, "" being a quote. False if no complete text stands there.
bool take_quoted(std::string_view& text, std::string& value) {
    value.clear();
    if (!text.starts_with('"')) return false;
    text.remove_prefix(1);
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '"') {
            value += c;
        } else if (text.starts_with('"')) {
            value += '"';
            text.remove_prefix(1);
        } else {
            return true;
        }
    }
    return false;
}

// What is wrong with this line, or nothing.
std::string parse_line(std::string_view line, UserList& users) {
    skip_blanks(line);
    if (line.empty() || line.front() == ';') return {};

    std::string name;
    if (!take_quoted(line, name)) return "expected a user's name in double quotes";
    if (name.empty()) return "the user's name is empty";
    if (name.size() > kUserNameBytesMax) return "the user's name is longer than 127 bytes";
    if (line.empty() || !is_blank(line.front())) return "expected a space behind the user's name";
    skip_blanks(line);

    std::string secret;
    // A text that grows leaves copies behind.
    secret.reserve(line.size());
    const bool is_quoted = take_quoted(line, secret);
    const SecretText wiped(secret);
    OPENSSL_cleanse(secret.data(), secret.size());
    if (!is_quoted) return "expected the user's secret in double quotes";
    if (!line.empty() && !is_blank(line.front())) return "expected a space behind the secret";
    if (wiped.reveal().size() > kSecretBytesMax) return "the secret is longer than 2048 bytes";
    // PgBouncer: users without a password are listed too, for auth_type=trust.
    if (wiped.empty()) {
        users.add(std::move(name), PlainPassword{});
        return {};
    }

    Result<Secret, std::string> parsed = parse_secret(wiped.reveal());
    if (!parsed) return "the secret of user \"" + name + "\" " + parsed.error();
    users.add(std::move(name), std::move(*parsed));
    return {};
}

}  // namespace

void UserList::add(std::string name, Secret secret) {
    users_.insert_or_assign(std::move(name), std::move(secret));
}

void UserList::add_all(const UserList& others) {
    for (const auto& [name, secret] : others.users_) users_.insert_or_assign(name, secret);
}

const Secret* UserList::find(std::string_view name) const {
    const auto found = users_.find(name);
    return found == users_.end() ? nullptr : &found->second;
}

SecretKind UserList::typical_kind() const {
    std::array<std::size_t, 3> counts{};
    for (const auto& [name, secret] : users_) {
        if (!is_empty(secret)) ++counts[static_cast<std::size_t>(kind_of(secret))];
    }
    // Of equal numbers the safest: SecretKind ends with Scram.
    std::size_t typical = 2;
    for (const std::size_t kind : {std::size_t{1}, std::size_t{0}}) {
        if (counts[kind] > counts[typical]) typical = kind;
    }
    return static_cast<SecretKind>(typical);
}

Result<UserList, UserListError> parse_userlist(std::string_view text) {
    UserList users;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        if (std::string wrong = parse_line(text.substr(0, end), users); !wrong.empty()) {
            return failure(UserListError{number, std::move(wrong)});
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return users;
}

}  // namespace pgweir::auth
