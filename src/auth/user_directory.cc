// SPDX-License-Identifier: PostgreSQL
// See user_directory.h.
#include "pgweir/auth/user_directory.h"

#include <utility>

#include "pgweir/base/assert.h"

namespace pgweir::auth {

namespace {

std::string key_of(std::string_view database, std::string_view user) {
    std::string key(database);
    key += '\0';
    key += user;
    return key;
}

}  // namespace

UserDirectory::UserDirectory(std::shared_ptr<const UserList> users, UserDirectoryLimits limits)
    : users_(std::move(users)), limits_(limits) {
    PGWEIR_ASSERT(users_ != nullptr);
    typical_kind_ = users_->typical_kind();
}

UserAnswer UserDirectory::lookup(const UserQuestion& question, Instant now) {
    const Secret* listed = users_->find(question.user);
    const bool may_ask = question.auth_query == AuthQuery::Configured;
    if (listed != nullptr && !(may_ask && is_empty(*listed))) {
        return {UserAnswer::Outcome::Known, *listed};
    }
    if (!may_ask) return {UserAnswer::Outcome::Unknown, {}};

    const Key key = key_of(question.database, question.user);
    if (const Entry* entry = found_.find(key, now)) {
        return {UserAnswer::Outcome::Known, entry->secret};
    }
    if (missing_.find(key, now) != nullptr) return {UserAnswer::Outcome::Unknown, {}};
    return {UserAnswer::Outcome::NeedQuery, {}};
}

void UserDirectory::learn(std::string_view database, std::string_view user,
                          std::optional<Secret> secret, Instant now) {
    const Key key = key_of(database, user);
    found_.remove(key);
    missing_.remove(key);
    const Duration lifetime = secret ? limits_.found_lifetime : limits_.missing_lifetime;
    if (!lifetime) return;
    Answers& answers = secret ? found_ : missing_;
    answers.put(key, std::move(secret), now + lifetime, limits_.entries_max);
}

void UserDirectory::replace(std::shared_ptr<const UserList> users, UserDirectoryLimits limits) {
    PGWEIR_ASSERT(users != nullptr);
    users_ = std::move(users);
    limits_ = limits;
    typical_kind_ = users_->typical_kind();
    forget_answers();
}

void UserDirectory::forget_answers() {
    found_.clear();
    missing_.clear();
}

SecretKind UserDirectory::typical_kind() const {
    return typical_kind_;
}

const UserDirectory::Entry* UserDirectory::Answers::find(const Key& key, Instant now) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    if (now < found->second.expires) return &found->second;
    remove(key);
    return nullptr;
}

void UserDirectory::Answers::put(const Key& key, std::optional<Secret> secret, Instant expires,
                                 std::size_t max) {
    if (max == 0) return;
    while (entries_.size() >= max) remove(Key(order_.front()));
    order_.push_back(key);
    entries_.insert_or_assign(key, Entry{std::move(secret), expires, std::prev(order_.end())});
}

void UserDirectory::Answers::remove(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    order_.erase(found->second.place);
    entries_.erase(found);
}

void UserDirectory::Answers::clear() {
    entries_.clear();
    order_.clear();
}

}  // namespace pgweir::auth
