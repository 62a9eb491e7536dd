// SPDX-License-Identifier: PostgreSQL
// Where a user's secret comes from: the configuration, PgBouncer's userlist.txt, or the answers of
// auth_query, which are remembered for a while. The query itself is asked elsewhere.
#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "pgweir/auth/secret.h"
#include "pgweir/base/instant.h"
#include "pgweir/base/result.h"

namespace pgweir::auth {

// Users that are known by name. Filled once, then shared by all workers as an immutable snapshot.
class UserList {
 public:
    // A later entry replaces an earlier one of the same name. An empty PlainPassword is a user
    // without a password: known, but nothing he says can match; auth_query is asked for him too.
    void add(std::string name, Secret secret);
    void add_all(const UserList& others);

    const Secret* find(std::string_view name) const;
    std::size_t size() const { return users_.size(); }
    // The kind that most users have: an unknown user is answered as they are.
    SecretKind typical_kind() const;

 private:
    std::map<std::string, Secret, std::less<>> users_;
};

struct UserListError {
    std::size_t line = 0;  // From 1.
    std::string text;
};

// PgBouncer's userlist.txt:  "name" "secret" …   One user per line, "" inside quotes is a quote,
// lines that begin with ; are comments, what follows the secret is ignored.
Result<UserList, UserListError> parse_userlist(std::string_view text);

// Whether a user who is not in the list may be asked for.
enum class AuthQuery : std::uint8_t { None, Configured };

struct UserQuestion {
    std::string_view database;
    std::string_view user;
    AuthQuery auth_query = AuthQuery::None;
};

struct UserAnswer {
    enum class Outcome : std::uint8_t { Known, Unknown, NeedQuery };
    Outcome outcome = Outcome::Unknown;
    std::optional<Secret> secret;  // Set if Known.
};

struct UserDirectoryLimits {
    Duration found_lifetime = Duration::seconds(30);
    Duration missing_lifetime = Duration::seconds(5);
    std::size_t entries_max = 10'000;  // Of users found, and as many of users not found.
};

// One per worker.
class UserDirectory {
 public:
    explicit UserDirectory(std::shared_ptr<const UserList> users, UserDirectoryLimits limits = {});

    // The list wins over remembered answers.
    UserAnswer lookup(const UserQuestion& question, Instant now);
    // What auth_query answered: the secret, or nothing for a user it doesn't know. A lifetime of 0
    // remembers nothing.
    void learn(std::string_view database, std::string_view user, std::optional<Secret> secret,
               Instant now);
    // A reload: the new list, and answers are asked for again.
    void replace(std::shared_ptr<const UserList> users, UserDirectoryLimits limits);
    void forget_answers();

    SecretKind typical_kind() const;
    std::size_t answers() const { return found_.size() + missing_.size(); }

 private:
    using Key = std::string;  // database NUL user: neither can hold a NUL.
    struct Entry {
        std::optional<Secret> secret;
        Instant expires;
        std::list<Key>::iterator place;
    };
    // Remembered answers; the oldest goes first when the limit is reached.
    class Answers {
     public:
        const Entry* find(const Key& key, Instant now);
        void put(const Key& key, std::optional<Secret> secret, Instant expires, std::size_t max);
        void remove(const Key& key);
        void clear();
        std::size_t size() const { return entries_.size(); }

     private:
        std::unordered_map<Key, Entry> entries_;
        std::list<Key> order_;
    };

    std::shared_ptr<const UserList> users_;
    SecretKind typical_kind_ = SecretKind::Scram;
    UserDirectoryLimits limits_;
    Answers found_;
    Answers missing_;
};

}  // namespace pgweir::auth
