// SPDX-License-Identifier: PostgreSQL
#include <doctest/doctest.h>

#include "pgweir/auth/user_directory.h"
#include "support.h"

namespace pgweir::auth {

namespace {

std::string_view password_of(const UserList& users, std::string_view name) {
    const Secret* secret = users.find(name);
    if (secret == nullptr) return "(unknown)";
    const auto* text = std::get_if<PlainPassword>(secret);
    return text == nullptr ? "(no password)" : text->text.reveal();
}

}  // namespace

TEST_CASE("PgBouncer's userlist.txt is read: passwords, hashes, verifiers, comments") {
    const std::string text = std::string("; users of the shop\n") +
                             "\"alice\" \"wonderland\"\n"
                             "\r\n"
                             "  ; another comment\n"
                             "\t\"bob\"\t\"md5b52328d7451bfeace80c4b8c338106f9\" \"\" trailing\r\n"
                             "\"carol\" \"" +
                             std::string(kPencilVerifier) + "\"";
    const auto users = parse_userlist(text);
    REQUIRE(users);
    CHECK(users->size() == 3);
    CHECK(password_of(*users, "alice") == "wonderland");
    CHECK(kind_of(*users->find("bob")) == SecretKind::Md5);
    CHECK(kind_of(*users->find("carol")) == SecretKind::Scram);
    CHECK(users->find("Alice") == nullptr);
}

TEST_CASE("two quotes are a quote, a backslash is itself") {
    const auto users = parse_userlist("\"o\"\"neill\" \"say \"\"hi\"\" \\n\"\n");
    REQUIRE(users);
    CHECK(password_of(*users, "o\"neill") == "say \"hi\" \\n");
}

TEST_CASE("of two entries of one name the later counts") {
    const auto users = parse_userlist("\"a\" \"one\"\n\"a\" \"two\"\n");
    REQUIRE(users);
    CHECK(users->size() == 1);
    CHECK(password_of(*users, "a") == "two");
}

TEST_CASE("an empty password is a known user without one") {
    const auto users = parse_userlist("\"a\" \"\"\n");
    REQUIRE(users);
    REQUIRE(users->find("a") != nullptr);
    CHECK(is_empty(*users->find("a")));
}

TEST_CASE("an empty file has no users") {
    CHECK(parse_userlist("")->size() == 0);
    CHECK(parse_userlist("\n\n;\n")->size() == 0);
}

TEST_CASE("a broken line is named by its number, its secret is not") {
    struct Case {
        std::string text;
        std::string_view says;
    };
    const Case cases[] = {
        {"alice \"x\"", "double quotes"},
        {"\"alice", "double quotes"},
        {"\"alice\"", "space"},
        {"\"alice\"\"x\"", "space"},
        {"\"alice\" ", "secret in double quotes"},
        {"\"alice\" hunter2", "secret in double quotes"},
        {"\"alice\" \"hunter2", "secret in double quotes"},
        {"\"alice\" \"hunter2\"x", "space behind the secret"},
        {"\"\" \"hunter2\"", "empty"},
        {"\"alice\" \"SCRAM-SHA-256$hunter2\"", "SCRAM verifier"},
        {"\"" + std::string(128, 'a') + "\" \"hunter2\"", "127"},
        {"\"alice\" \"" + std::string(2049, 'a') + "\"", "2048"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.text);
        const auto users = parse_userlist("; first\n\"ok\" \"ok\"\n" + each.text + "\n");
        REQUIRE_FALSE(users);
        CHECK(users.error().line == 3);
        CHECK(users.error().text.find(each.says) != std::string::npos);
        CHECK(users.error().text.find("hunter2") == std::string::npos);
    }
}

TEST_CASE("a file cut at any byte is read or refused, never anything else") {
    const std::string text = "; c\n\"a\" \"b\"\n\"c\"\"d\" \"e\"\"f\" x\n";
    for (std::size_t n = 0; n <= text.size(); ++n) {
        const auto users = parse_userlist(std::string_view(text).substr(0, n));
        if (users) CHECK(users->size() <= 2);
    }
}

TEST_CASE("the typical kind is that of most users, and SCRAM where there is none") {
    UserList users;
    CHECK(users.typical_kind() == SecretKind::Scram);
    users.add("nobody", PlainPassword{});
    CHECK(users.typical_kind() == SecretKind::Scram);
    users.add("a", plain("x"));
    CHECK(users.typical_kind() == SecretKind::Plain);
    users.add("b", pencil_verifier());
    CHECK(users.typical_kind() == SecretKind::Scram);
    users.add("c", *md5_hash("x", "c"));
    users.add("d", *md5_hash("x", "d"));
    CHECK(users.typical_kind() == SecretKind::Md5);
}

TEST_CASE("lists are joined, the added one wins") {
    UserList users;
    users.add("a", plain("file"));
    users.add("b", plain("file"));
    UserList configured;
    configured.add("b", plain("configured"));
    users.add_all(configured);
    CHECK(password_of(users, "a") == "file");
    CHECK(password_of(users, "b") == "configured");
}

}  // namespace pgweir::auth
