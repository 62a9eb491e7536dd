// SPDX-License-Identifier: PostgreSQL
// One PostgreSQL session after its login, as arithmetic: messages in, answers out, no time. A
// simulated server runs one for each connection; a simulated client runs one as its own model and
// knows by it what it must be told.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/base/instant.h"
#include "sim/messages.h"
#include "sim/mini_sql.h"
#include "sim/pg_settings.h"
#include "sim/registers.h"

namespace pgweir::sim {

// What a statement made true beyond its answer; taken out by the owner after every step.
struct Deeds {
    std::vector<Token> executed;   // Statements that ran to their end.
    std::vector<Write> committed;  // Writes that are now durable, all of one transaction.
    std::vector<Token> dropped;    // Writes that were rolled back.
    bool misplaced = false;        // A write was refused only because the node is in recovery.
};

class PgSession {
 public:
    enum class Progress : std::uint8_t {
        Done,    // The message is finished; take the next.
        More,    // Step again.
        Asleep,  // pg_sleep: wake() after sleep_time(), or fail().
        Closed,  // The session is over.
    };

    // `data` is what its node has; null in the model of a client, which can't know it. It outlives
    // the session.
    PgSession(std::string_view user, const Parameters& startup, const NodeData* data = nullptr);

    // False if a startup parameter was refused; `problem` is the SQLSTATE.
    bool healthy() const { return start_problem_.empty(); }
    const std::string& start_problem() const { return start_problem_; }

    // REQUIRES: !busy().
    void take(char tag, ByteView body);
    bool busy() const { return tag_ != 0; }
    Progress step(Bytes& out);
    Duration sleep_time() const { return sleep_; }
    void wake() { slept_ = true; }
    // What runs now ends with this error. REQUIRES: busy().
    void fail(Bytes& out, std::string_view sqlstate, std::string_view message);
    // The session goes on without what its transaction did: its server was lost.
    void lose_transaction(char status);

    // The initial ParameterStatus messages, BackendKeyData and ReadyForQuery.
    void greet(Bytes& out, std::uint32_t process, ByteView key);

    char status() const;  // I, T or E
    // A unit is open: a transaction, a batch before its Sync, or COPY FROM STDIN.
    bool unit_open() const { return status() != 'I' || implicit_ || skipping_ || copy_in_; }
    bool in_copy() const { return copy_in_; }
    // All of a query string has run and is committed; only its ReadyForQuery is missing.
    bool is_finishing() const {
        return tag_ == 'Q' && script_begun_ && next_statement_ >= script_.size();
    }
    bool skipping() const { return skipping_; }
    // The message that is worked on. REQUIRES: busy().
    ByteView body() const { return body_; }
    const std::vector<Write>& written() const { return written_; }
    bool in_block() const { return block_ != Block::None; }
    const PgSettings& settings() const { return settings_; }
    Deeds take_deeds() { return std::exchange(deeds_, {}); }

 private:
    enum class Block : std::uint8_t { None, Open, Failed };
    struct Prepared {
        std::shared_ptr<const Statement> statement;
        std::vector<std::uint32_t> types;
    };
    struct Portal {
        std::shared_ptr<const Prepared> prepared;
        std::vector<std::string> arguments;
        std::vector<bool> is_null;
        bool binary = false;
        WalPlace snapshot = 0;
        std::uint32_t done_rows = 0;
        bool finished = false;
    };
    struct Savepoint {
        std::string name;
        PgSettings::Savepoint settings;
        std::size_t written;
        bool is_read_only;
    };
    struct SqlError {
        std::string sqlstate;
        std::string message;
    };

    Progress dispatch(Bytes& out);
    Progress finished();
    Progress simple_query(Bytes& out);
    Progress after_statement(Progress progress);
    Progress parse(Bytes& out);
    Progress bind(Bytes& out);
    Progress describe(Bytes& out);
    Progress execute(Bytes& out);
    Progress close_named(Bytes& out);
    Progress sync(Bytes& out);
    Progress function_call(Bytes& out);
    Progress copy_message(Bytes& out);
    Progress fatal(Bytes& out, std::string_view sqlstate, std::string_view message);

    // One statement, or a part of its rows. REQUIRES: a transaction is begun.
    Progress run(Bytes& out, Portal& portal, std::uint32_t most_rows);
    Progress run_rows(Bytes& out, Portal& portal, std::uint32_t most_rows);
    Progress run_begin(Bytes& out, const Statement& statement);
    Progress run_commit(Bytes& out);
    Progress run_rollback(Bytes& out);
    Progress run_savepoint(Bytes& out, const Statement& statement);
    Progress run_setting(Bytes& out, const Statement& statement);
    Progress run_show(Bytes& out, Portal& portal);
    Progress run_set_transaction(Bytes& out, const Statement& statement);
    Progress run_insert(Bytes& out, const Portal& portal);
    Progress run_update(Bytes& out, const Portal& portal);
    Progress run_catalog(Bytes& out);
    Progress run_copy(Bytes& out, Portal& portal);
    Progress run_discard(Bytes& out);
    Progress run_deallocate(Bytes& out, const Statement& statement);
    Progress error(Bytes& out, std::string_view sqlstate, std::string_view message);
    Progress complete(Bytes& out, std::string_view tag);
    bool apply_setting(Bytes& out, const std::string& name, const std::string& value, bool local);
    std::string row_value(const Portal& portal, const Column& column, std::uint32_t row);
    std::string read_register(const Portal& portal) const;
    static std::uint32_t register_of(const Portal& portal);
    static std::uint32_t rows_of(const Portal& portal);
    void write(std::uint32_t id, const std::string& value);
    WalPlace snapshot() const { return data_ == nullptr ? 0 : data_->snapshot(); }
    bool is_in_recovery() const { return data_ != nullptr && data_->is_in_recovery(); }
    bool is_read_only() const { return chose_read_only_ || in_recovery_; }
    // The command that a read-only transaction refuses; empty if it is allowed.
    static std::string_view writing_command(const Statement& statement);
    bool is_refused_write(const Statement& statement) const {
        return is_read_only() && !writing_command(statement).empty();
    }
    Progress refuse_write(Bytes& out, std::string_view command);
    // The SQLSTATE and message of what hinders these modes.
    std::optional<SqlError> set_modes(const Statement& statement);
    std::optional<std::string> shown(std::string_view name) const;
    bool refused_in_failed(const Statement& statement) const;
    void describe_rows(Bytes& out, const Statement& statement, bool binary) const;

    void start_transaction();
    void commit();
    void abort();      // After an error: a block stays open, failed.
    void abort_all();  // The transaction is over, without effect.
    void ready(Bytes& out);
    void drop_written(std::size_t kept);
    void warn(Bytes& out, std::string_view sqlstate, std::string_view message) const;
    void remember(const Portal& portal);

    std::string user_;
    const NodeData* data_;
    std::string start_problem_;
    PgSettings settings_;
    std::map<std::string, std::shared_ptr<const Prepared>, std::less<>> prepared_;
    std::map<std::string, Portal, std::less<>> portals_;
    std::vector<Savepoint> savepoints_;
    std::vector<Write> written_;
    Deeds deeds_;
    Block block_ = Block::None;
    bool implicit_ = false;         // A transaction that no BEGIN opened.
    bool in_recovery_ = false;      // Of the node, when the transaction began.
    bool chose_read_only_ = false;  // The transaction, by its own word or its session's.
    bool had_query_ = false;        // The transaction: it has a snapshot.
    bool skipping_ = false;         // After an error: everything up to Sync.
    bool copy_in_ = false;
    std::uint32_t copied_rows_ = 0;
    Token copy_token_{};

    // The message that is worked on.
    char tag_ = 0;
    Bytes body_;
    Script script_;
    std::size_t next_statement_ = 0;
    bool script_begun_ = false;
    Portal simple_;
    bool simple_begun_ = false;
    Duration sleep_{};
    bool slept_ = false;
    static constexpr std::uint32_t kNotBegun = 0xffffffffU;
    std::uint32_t from_row_ = kNotBegun;  // Where this Execute began in its portal.
};

}  // namespace pgweir::sim
