// SPDX-License-Identifier: PostgreSQL
// Prepared statements at protocol level in transaction mode. A statement is what it says: the full
// text and the parameter types of its Parse message. A hash only finds it, never decides.
//
//   client's name → Statement (ClientStatements) → number on one server (ServerStatements)
//
// Memory: texts are shared by everybody who uses them and counted once; the directory knows how
// many bytes are held and refuses what goes over its bound.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/sql/verdict.h"

namespace pgweir::session {

class StatementDirectory;

// One interned statement. Owned by its references; lives in one worker.
class Statement {
 public:
    // The body of a Parse message behind its statement name:
    // text:cstring count:u16be type:u32be[count].
    ByteView definition() const { return as_bytes(definition_); }
    std::string_view text() const { return std::string_view(definition_.c_str()); }
    // Too large to be remembered: it exists only on the server that it was sent to.
    bool is_opaque() const { return definition_.empty(); }
    // Contains a word that may end a transaction (COMMIT, END, PREPARE, …).
    bool may_commit() const { return may_commit_; }

    // What it was judged by when it was judged last, and what came of it.
    struct Judged {
        std::uint64_t catalog_generation = ~std::uint64_t{0};
        std::uint64_t epoch = 0;
        bool standard_conforming_strings = true;
        bool is_ascii_transparent = true;
        bool operator==(const Judged&) const = default;
    };
    const Judged& judged() const { return judged_; }
    const sql::Verdict& verdict() const { return verdict_; }
    void judge(const Judged& by, const sql::Verdict& verdict) const {
        judged_ = by;
        verdict_ = verdict;
    }

 private:
    friend class StatementDirectory;
    friend class StatementRef;
    StatementDirectory* directory_ = nullptr;
    std::string definition_;
    std::uint64_t hash_ = 0;
    std::uint32_t references_ = 0;
    std::uint32_t epoch_ = 0;
    bool may_commit_ = true;
    mutable Judged judged_;
    mutable sql::Verdict verdict_;
};

class StatementRef {
 public:
    StatementRef() = default;
    StatementRef(const StatementRef& other) : statement_(other.statement_) { retain(); }
    StatementRef(StatementRef&& other) noexcept
        : statement_(std::exchange(other.statement_, nullptr)) {}
    StatementRef& operator=(StatementRef other) noexcept {
        std::swap(statement_, other.statement_);
        return *this;
    }
    ~StatementRef() {
        if (statement_ != nullptr) release();
    }

    explicit operator bool() const { return statement_ != nullptr; }
    const Statement* get() const { return statement_; }
    const Statement* operator->() const { return statement_; }
    bool operator==(const StatementRef& other) const { return statement_ == other.statement_; }

 private:
    friend class StatementDirectory;
    explicit StatementRef(Statement* statement) : statement_(statement) { retain(); }
    void retain() {
        if (statement_ != nullptr) ++statement_->references_;
    }
    void release();

    Statement* statement_ = nullptr;
};

// True if the text may end a transaction block: it contains COMMIT, END, PREPARE, CALL, DO,
// ROLLBACK or ABORT as a word (what is pipelined behind a ROLLBACK commits by itself). Errs to
// true; used only to word what is known when a server is lost.
bool text_may_commit(std::string_view text);

std::uint64_t statement_hash(ByteView definition, std::uint64_t seed);

class StatementDirectory {
 public:
    using HashFunction = std::uint64_t (*)(ByteView definition, std::uint64_t seed);

    // `bytes_max`: what the texts of all statements of this worker may take.
    StatementDirectory(std::uint64_t bytes_max, std::uint64_t seed,
                       HashFunction hash = statement_hash);
    StatementDirectory(const StatementDirectory&) = delete;
    StatementDirectory& operator=(const StatementDirectory&) = delete;
    ~StatementDirectory();

    // The statement of this definition; a null reference if it is new and the bound is reached.
    StatementRef intern(ByteView definition);
    // A statement that equals no other.
    static StatementRef opaque();
    // What relations and types are may have changed: who prepares a text from now on gets a plan
    // of its own, and not one that no longer fits its result (0A000) because of those who prepared
    // it before.
    void begin_epoch() { ++epoch_; }

    std::uint64_t bytes() const { return bytes_; }
    std::size_t size() const { return statements_.size(); }
    void set_bytes_max(std::uint64_t bytes_max) { bytes_max_ = bytes_max; }

    // Names of clients count too: a client can't hold memory by naming alone.
    bool may_add(std::uint64_t n) const { return bytes_ + n <= bytes_max_; }
    void add_bytes(std::uint64_t n) { bytes_ += n; }
    void remove_bytes(std::uint64_t n) { bytes_ -= n; }

 private:
    friend class StatementRef;
    void forget(Statement* statement);

    std::uint64_t bytes_max_;
    std::uint64_t seed_;
    HashFunction hash_;
    std::uint64_t bytes_ = 0;
    std::uint32_t epoch_ = 0;
    std::unordered_multimap<std::uint64_t, std::unique_ptr<Statement>> statements_;
};

// What one client has prepared, by its own names.
class ClientStatements {
 public:
    explicit ClientStatements(StatementDirectory& directory) : directory_(directory) {}
    ClientStatements(const ClientStatements&) = delete;
    ClientStatements& operator=(const ClientStatements&) = delete;
    ~ClientStatements() { clear(); }

    // A null reference if the client has no statement of this name.
    StatementRef find(std::string_view name) const;
    // False if the directory's bound is reached.
    bool put(std::string_view name, const StatementRef& statement);
    StatementRef remove(std::string_view name);
    // A name of that statement, looked for among all; nothing if it has none.
    std::optional<std::string_view> name_of(const StatementRef& statement) const;
    void clear();
    std::size_t size() const { return named_.size(); }

 private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    static std::uint64_t cost(std::string_view name) { return name.size() + 64; }

    StatementDirectory& directory_;
    std::unordered_map<std::string, StatementRef, TextHash, std::equal_to<>> named_;
};

// What one server has prepared. Bounded in number; the least recently used gives way.
class ServerStatements {
 public:
    // The number in the server's name of the statement, if it is prepared there.
    std::optional<std::uint64_t> find(const StatementRef& statement);
    // A Parse of it was sent in that unit (a batch up to its Sync).
    // REQUIRES: not prepared yet. Numbers are never used twice on one server.
    std::uint64_t add(const StatementRef& statement, std::uint64_t unit);
    // ParseComplete has come for that number.
    void confirm(const StatementRef& statement, std::uint64_t number);
    // The Parse of that number failed or was skipped.
    void retract(const StatementRef& statement, std::uint64_t number);
    // Whether a message of `unit` may name it: the server has confirmed it, or will skip the
    // message together with the Parse, as both are of one unit.
    bool is_certain(const StatementRef& statement, std::uint64_t unit) const;
    // Its number there, if it was prepared.
    std::optional<std::uint64_t> remove(const StatementRef& statement);
    // The number of the least recently used statement, taken out; to be called while
    // size() is over the bound. REQUIRES: size() > 0.
    std::uint64_t evict();
    void clear() { prepared_.clear(); }
    std::size_t size() const { return prepared_.size(); }

    template <typename Visit>
    void for_each(Visit visit) const {
        for (const auto& [key, entry] : prepared_) visit(entry.statement, entry.number);
    }

 private:
    struct Entry {
        StatementRef statement;
        std::uint64_t number = 0;
        std::uint64_t used = 0;
        std::uint64_t unit = 0;
        bool is_confirmed = false;
    };
    std::unordered_map<const Statement*, Entry> prepared_;
    std::uint64_t last_number_ = 0;
    std::uint64_t clock_ = 0;
};

// The name of statement `number` on its server: "pgweir_17".
constexpr std::string_view kServerStatementPrefix = "pgweir_";
std::string server_statement_name(std::uint64_t number);

}  // namespace pgweir::session
