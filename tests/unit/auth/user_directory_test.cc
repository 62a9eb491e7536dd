// SPDX-License-Identifier: PostgreSQL
#include "pgweir/auth/user_directory.h"

#include <doctest/doctest.h>

#include "support.h"

namespace pgweir::auth {

namespace {

using Outcome = UserAnswer::Outcome;

constexpr Instant at(std::int64_t seconds) {
    return Instant{} + Duration::seconds(seconds);
}

std::shared_ptr<const UserList> list_of_alice() {
    auto users = std::make_shared<UserList>();
    users->add("alice", plain("wonderland"));
    users->add("nopassword", PlainPassword{});
    return users;
}

UserDirectoryLimits limits(std::size_t entries_max = 100) {
    return {.found_lifetime = Duration::seconds(30),
            .missing_lifetime = Duration::seconds(5),
            .entries_max = entries_max};
}

Outcome ask(UserDirectory& users, std::string_view user, Instant now,
            std::string_view database = "app") {
    return users.lookup({database, user, AuthQuery::Configured}, now).outcome;
}

}  // namespace

TEST_CASE("a listed user is known without a query, in every database") {
    UserDirectory users(list_of_alice(), limits());
    const UserAnswer answer = users.lookup({"app", "alice", AuthQuery::Configured}, at(0));
    CHECK(answer.outcome == Outcome::Known);
    CHECK(std::get<PlainPassword>(*answer.secret).text.reveal() == "wonderland");
    CHECK(ask(users, "alice", at(0), "other") == Outcome::Known);
}

TEST_CASE("a user who is not listed is unknown, or asked for if there is an auth_query") {
    UserDirectory users(list_of_alice(), limits());
    const UserAnswer answer = users.lookup({"app", "bob", AuthQuery::None}, at(0));
    CHECK(answer.outcome == Outcome::Unknown);
    CHECK_FALSE(answer.secret);
    CHECK(ask(users, "bob", at(0)) == Outcome::NeedQuery);
}

TEST_CASE("a listed user without a password is asked for if there is an auth_query") {
    UserDirectory users(list_of_alice(), limits());
    CHECK(users.lookup({"app", "nopassword", AuthQuery::None}, at(0)).outcome == Outcome::Known);
    CHECK(ask(users, "nopassword", at(0)) == Outcome::NeedQuery);
    users.learn("app", "nopassword", plain("learnt"), at(0));
    const UserAnswer answer = users.lookup({"app", "nopassword", AuthQuery::Configured}, at(1));
    CHECK(std::get<PlainPassword>(*answer.secret).text.reveal() == "learnt");
}

TEST_CASE("an answer of auth_query is believed until it expires, for its database only") {
    UserDirectory users(list_of_alice(), limits());
    users.learn("app", "bob", pencil_verifier(), at(100));
    CHECK(ask(users, "bob", at(129)) == Outcome::Known);
    CHECK(ask(users, "bob", at(129), "other") == Outcome::NeedQuery);
    CHECK(ask(users, "bob", at(130)) == Outcome::NeedQuery);
    CHECK(users.answers() == 0);
}

TEST_CASE("a user who was not found stays unknown for a shorter time") {
    UserDirectory users(list_of_alice(), limits());
    users.learn("app", "mallory", std::nullopt, at(100));
    CHECK(ask(users, "mallory", at(104)) == Outcome::Unknown);
    CHECK(ask(users, "mallory", at(105)) == Outcome::NeedQuery);
}

TEST_CASE("the latest answer counts") {
    UserDirectory users(list_of_alice(), limits());
    users.learn("app", "bob", pencil_verifier(), at(0));
    users.learn("app", "bob", std::nullopt, at(1));
    CHECK(ask(users, "bob", at(2)) == Outcome::Unknown);
    users.learn("app", "bob", plain("new"), at(3));
    CHECK(ask(users, "bob", at(4)) == Outcome::Known);
    CHECK(users.answers() == 1);
}

TEST_CASE("answers are bounded, the oldest goes first, and strangers can't push out users") {
    UserDirectory users(list_of_alice(), limits(3));
    users.learn("app", "bob", plain("x"), at(0));
    for (int i = 0; i < 100; ++i) {
        users.learn("app", "stranger" + std::to_string(i), std::nullopt, at(1));
    }
    CHECK(users.answers() == 4);
    CHECK(ask(users, "bob", at(2)) == Outcome::Known);
    CHECK(ask(users, "stranger99", at(2)) == Outcome::Unknown);
    CHECK(ask(users, "stranger96", at(2)) == Outcome::NeedQuery);
}

TEST_CASE("a lifetime of 0 asks for every login, a limit of 0 remembers nothing") {
    UserDirectoryLimits never = limits();
    never.found_lifetime = never.missing_lifetime = Duration{};
    UserDirectory users(list_of_alice(), never);
    users.learn("app", "bob", plain("x"), at(0));
    CHECK(ask(users, "bob", at(0)) == Outcome::NeedQuery);
    UserDirectory none(list_of_alice(), limits(0));
    none.learn("app", "bob", plain("x"), at(0));
    CHECK(ask(none, "bob", at(0)) == Outcome::NeedQuery);
}

TEST_CASE("a reload brings the new list and forgets the answers") {
    UserDirectory users(list_of_alice(), limits());
    users.learn("app", "bob", plain("x"), at(0));
    auto fresh = std::make_shared<UserList>();
    fresh->add("dave", *md5_hash("x", "dave"));
    users.replace(fresh, limits());
    CHECK(ask(users, "alice", at(1)) == Outcome::NeedQuery);
    CHECK(ask(users, "bob", at(1)) == Outcome::NeedQuery);
    CHECK(ask(users, "dave", at(1)) == Outcome::Known);
    CHECK(users.typical_kind() == SecretKind::Md5);
}

TEST_CASE("database and user can't be confused with each other") {
    UserDirectory users(list_of_alice(), limits());
    users.learn("ab", "c", plain("x"), at(0));
    CHECK(ask(users, "bc", at(1), "a") == Outcome::NeedQuery);
    CHECK(ask(users, "c", at(1), "ab") == Outcome::Known);
}

}  // namespace pgweir::auth
