// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/statements.h"

#include <algorithm>
#include <array>

#include "pgweir/base/assert.h"

namespace pgweir::session {

namespace {

constexpr std::uint64_t kStatementOverhead = sizeof(Statement) + 64;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_word(char c) {
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// `word` is in lower case.
bool starts_with_word(std::string_view text, std::string_view word) {
    if (text.size() < word.size()) return false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (lower(text[i]) != word[i]) return false;
    }
    return text.size() == word.size() || !is_word(text[word.size()]);
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const auto product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

bool text_may_commit(std::string_view text) {
    static constexpr std::array<std::string_view, 7> kWords = {
        "commit", "end", "prepare", "call", "do", "rollback", "abort"};
    bool at_word = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = lower(text[i]);
        if (at_word && (c == 'c' || c == 'e' || c == 'p' || c == 'd' || c == 'r' || c == 'a')) {
            for (std::string_view word : kWords) {
                if (starts_with_word(text.substr(i), word)) return true;
            }
        }
        at_word = !is_word(c);
    }
    return false;
}

std::uint64_t statement_hash(ByteView definition, std::uint64_t seed) {
    constexpr std::uint64_t kFirst = 0xA0761D6478BD642FULL;
    constexpr std::uint64_t kSecond = 0xE7037ED1A0B428DBULL;
    std::uint64_t hash = seed ^ mix(definition.size() ^ kFirst, kSecond);
    const Byte* at = definition.data();
    std::size_t left = definition.size();
    while (left >= 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, 8);
        hash = mix(hash ^ word, kFirst);
        at += 8;
        left -= 8;
    }
    std::uint64_t tail = 0;
    if (left > 0) std::memcpy(&tail, at, left);
    return mix(hash ^ tail, kSecond ^ left);
}

void StatementRef::release() {
    PGWEIR_ASSERT(statement_->references_ > 0);
    if (--statement_->references_ > 0) return;
    if (statement_->directory_ != nullptr) {
        statement_->directory_->forget(statement_);
    } else {
        delete statement_;
    }
}

StatementDirectory::StatementDirectory(std::uint64_t bytes_max, std::uint64_t seed,
                                       HashFunction hash)
    : bytes_max_(bytes_max), seed_(seed), hash_(hash) {}

StatementDirectory::~StatementDirectory() {
    PGWEIR_ASSERT(statements_.empty());
}

StatementRef StatementDirectory::intern(ByteView definition) {
    const std::uint64_t hash = hash_(definition, seed_);
    auto [first, last] = statements_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
        const Statement& known = *it->second;
        if (known.epoch_ == epoch_ && known.definition_ == as_text(definition)) {
            return StatementRef(it->second.get());
        }
    }
    const std::uint64_t cost = definition.size() + kStatementOverhead;
    if (!may_add(cost)) return StatementRef();
    auto statement = std::make_unique<Statement>();
    statement->directory_ = this;
    statement->definition_ = to_string(definition);
    statement->hash_ = hash;
    statement->epoch_ = epoch_;
    statement->may_commit_ = text_may_commit(statement->text());
    bytes_ += cost;
    auto placed = statements_.emplace(hash, std::move(statement));
    return StatementRef(placed->second.get());
}

StatementRef StatementDirectory::opaque() {
    return StatementRef(new Statement());
}

void StatementDirectory::forget(Statement* statement) {
    auto [first, last] = statements_.equal_range(statement->hash_);
    auto found = std::find_if(
        first, last, [statement](const auto& entry) { return entry.second.get() == statement; });
    PGWEIR_ASSERT(found != last);
    bytes_ -= statement->definition_.size() + kStatementOverhead;
    statements_.erase(found);
}

StatementRef ClientStatements::find(std::string_view name) const {
    auto found = named_.find(name);
    return found == named_.end() ? StatementRef() : found->second;
}

bool ClientStatements::put(std::string_view name, const StatementRef& statement) {
    auto found = named_.find(name);
    if (found != named_.end()) {
        found->second = statement;
        return true;
    }
    if (!directory_.may_add(cost(name))) return false;
    directory_.add_bytes(cost(name));
    named_.emplace(std::string(name), statement);
    return true;
}

StatementRef ClientStatements::remove(std::string_view name) {
    auto found = named_.find(name);
    if (found == named_.end()) return StatementRef();
    StatementRef statement = std::move(found->second);
    directory_.remove_bytes(cost(name));
    named_.erase(found);
    return statement;
}

std::optional<std::string_view> ClientStatements::name_of(const StatementRef& statement) const {
    for (const auto& [name, named] : named_) {
        if (named == statement) return name;
    }
    return std::nullopt;
}

void ClientStatements::clear() {
    for (const auto& [name, statement] : named_) directory_.remove_bytes(cost(name));
    named_.clear();
}

std::optional<std::uint64_t> ServerStatements::find(const StatementRef& statement) {
    auto found = prepared_.find(statement.get());
    if (found == prepared_.end()) return std::nullopt;
    found->second.used = ++clock_;
    return found->second.number;
}

std::uint64_t ServerStatements::add(const StatementRef& statement, std::uint64_t unit) {
    const std::uint64_t number = ++last_number_;
    const bool is_new =
        prepared_.emplace(statement.get(), Entry{statement, number, ++clock_, unit, false}).second;
    PGWEIR_ASSERT(is_new);
    return number;
}

void ServerStatements::confirm(const StatementRef& statement, std::uint64_t number) {
    auto found = prepared_.find(statement.get());
    // It may have been evicted and prepared again since.
    if (found != prepared_.end() && found->second.number == number) {
        found->second.is_confirmed = true;
    }
}

void ServerStatements::retract(const StatementRef& statement, std::uint64_t number) {
    auto found = prepared_.find(statement.get());
    if (found != prepared_.end() && found->second.number == number) prepared_.erase(found);
}

bool ServerStatements::is_certain(const StatementRef& statement, std::uint64_t unit) const {
    auto found = prepared_.find(statement.get());
    return found == prepared_.end() || found->second.is_confirmed || found->second.unit == unit;
}

std::optional<std::uint64_t> ServerStatements::remove(const StatementRef& statement) {
    auto found = prepared_.find(statement.get());
    if (found == prepared_.end()) return std::nullopt;
    const std::uint64_t number = found->second.number;
    prepared_.erase(found);
    return number;
}

std::uint64_t ServerStatements::evict() {
    PGWEIR_ASSERT(!prepared_.empty());
    auto oldest = std::min_element(
        prepared_.begin(), prepared_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    const std::uint64_t number = oldest->second.number;
    prepared_.erase(oldest);
    return number;
}

std::string server_statement_name(std::uint64_t number) {
    return std::string(kServerStatementPrefix) + std::to_string(number);
}

}  // namespace pgweir::session
