// SPDX-License-Identifier: PostgreSQL
// Messages of the simulated session; statements are in pg_statements.cc and pg_registers.cc,
// transactions in pg_transaction.cc.
#include "sim/pg_session.h"

#include <algorithm>

namespace pgweir::sim {

PgSession::PgSession(std::string_view user, const Parameters& startup, const NodeData* data)
    : user_(user), data_(data) {
    settings_.set_hot_standby(is_in_recovery());
    settings_.start_with("session_authorization", user);
    for (const auto& [name, value] : startup) {
        if (name == "user" || name == "database" || name == "replication" || name == "options") {
            continue;
        }
        if (name.starts_with("_pq_.")) continue;
        const SettingVerdict verdict = settings_.start_with(name, value);
        if (verdict == SettingVerdict::Unknown) start_problem_ = "42704";
        if (verdict == SettingVerdict::Invalid) start_problem_ = "22023";
        if (verdict == SettingVerdict::ReadOnly) start_problem_ = "55P02";
    }
}

char PgSession::status() const {
    if (block_ == Block::Open) return 'T';
    return block_ == Block::Failed ? 'E' : 'I';
}

void PgSession::take(char tag, ByteView body) {
    tag_ = tag;
    body_.assign(body.begin(), body.end());
    script_begun_ = false;
    simple_begun_ = false;
    slept_ = false;
    from_row_ = kNotBegun;
    // A simple Query destroys the unnamed statement and the unnamed portal, whatever becomes of it.
    if (tag == 'Q' && !skipping_ && !copy_in_) {
        prepared_.erase("");
        portals_.erase("");
    }
}

PgSession::Progress PgSession::finished() {
    tag_ = 0;
    return Progress::Done;
}

PgSession::Progress PgSession::step(Bytes& out) {
    // Message Flow, "Extended Query": after an error everything is discarded until Sync.
    if (skipping_ && tag_ != 'S' && tag_ != 'X') return finished();
    if (copy_in_) return copy_message(out);
    return dispatch(out);
}

PgSession::Progress PgSession::dispatch(Bytes& out) {
    switch (tag_) {
        case 'Q':
            return simple_query(out);
        case 'P':
            return parse(out);
        case 'B':
            return bind(out);
        case 'D':
            return describe(out);
        case 'E':
            return execute(out);
        case 'C':
            return close_named(out);
        case 'S':
            return sync(out);
        case 'F':
            return function_call(out);
        case 'H':
        case 'd':  // The rest of a COPY that failed.
        case 'c':
        case 'f':
            return finished();
        case 'X':
            tag_ = 0;
            return Progress::Closed;
        default:
            return fatal(out, "08P01", "invalid frontend message type");
    }
}

PgSession::Progress PgSession::fatal(Bytes& out, std::string_view sqlstate,
                                     std::string_view message) {
    abort();
    write_error(out, 'E', "FATAL", sqlstate, message);
    tag_ = 0;
    return Progress::Closed;
}

void PgSession::greet(Bytes& out, std::uint32_t process, ByteView key) {
    settings_.report(out);
    MessageWriter(out, 'K').u32(process).raw(as_text(key));
    ready(out);
}

void PgSession::fail(Bytes& out, std::string_view sqlstate, std::string_view message) {
    const bool simple = tag_ == 'Q' || tag_ == 'F' || (copy_in_ && !script_.empty());
    write_error(out, 'E', "ERROR", sqlstate, message);
    abort();
    script_.clear();
    if (simple) {
        ready(out);
    } else {
        skipping_ = true;
        if (tag_ == 'S') {  // The commit of an implicit transaction failed.
            skipping_ = false;
            ready(out);
        }
    }
    tag_ = 0;
}

PgSession::Progress PgSession::error(Bytes& out, std::string_view sqlstate,
                                     std::string_view message) {
    fail(out, sqlstate, message);
    return Progress::Done;
}

void PgSession::ready(Bytes& out) {
    settings_.set_hot_standby(is_in_recovery());
    settings_.report(out);
    MessageWriter(out, 'Z').u8(static_cast<std::uint8_t>(status()));
}

void PgSession::warn(Bytes& out, std::string_view sqlstate, std::string_view message) const {
    write_error(out, 'N', "WARNING", sqlstate, message);
}

PgSession::Progress PgSession::simple_query(Bytes& out) {
    if (!script_begun_) {
        FieldCursor cursor{body_};
        const std::string_view text = cursor.text();
        if (!cursor.ok || !cursor.rest.empty()) {
            return error(out, "08P01", "invalid message format");
        }
        script_ = parse_script(text);
        next_statement_ = 0;
        script_begun_ = true;
        if (script_.empty()) {
            MessageWriter(out, 'I');
            ready(out);
            return finished();
        }
    }
    if (next_statement_ >= script_.size()) {
        if (implicit_) commit();
        script_.clear();
        ready(out);
        return finished();
    }
    const std::shared_ptr<const Statement> statement = script_[next_statement_];
    if (!simple_begun_) {
        if (refused_in_failed(*statement)) {
            return error(out, "25P02",
                         "current transaction is aborted, commands ignored until end of "
                         "transaction block");
        }
        start_transaction();
        simple_ = Portal{};
        auto prepared = std::make_shared<Prepared>();
        prepared->statement = statement;
        simple_.prepared = std::move(prepared);
        simple_begun_ = true;
        simple_.snapshot = snapshot();
        const bool is_unknown = statement->kind == StatementKind::Show && !shown(statement->name);
        if (statement->returns_rows() && !is_unknown && !is_refused_write(*statement)) {
            describe_rows(out, *statement, false);
        }
    }
    return after_statement(run(out, simple_, 0));
}

// A statement that ended lets the next one of its query string begin; the last one commits before
// its own end is told, so what the client hears is true.
PgSession::Progress PgSession::after_statement(Progress progress) {
    if (progress != Progress::Done || tag_ != 'Q' || copy_in_) {
        if (progress == Progress::Done && copy_in_) tag_ = 0;
        return progress;
    }
    ++next_statement_;
    simple_begun_ = false;
    slept_ = false;
    from_row_ = kNotBegun;
    if (next_statement_ >= script_.size() && implicit_) commit();
    return Progress::More;
}

PgSession::Progress PgSession::sync(Bytes& out) {
    skipping_ = false;
    if (implicit_) commit();
    if (block_ == Block::None) portals_.clear();
    ready(out);
    return finished();
}

PgSession::Progress PgSession::parse(Bytes& out) {
    FieldCursor cursor{body_};
    const std::string name(cursor.text());
    const std::string_view text = cursor.text();
    auto prepared = std::make_shared<Prepared>();
    const std::uint16_t types = cursor.u16();
    for (std::uint16_t i = 0; i < types && cursor.ok; ++i) prepared->types.push_back(cursor.u32());
    if (!cursor.ok || !cursor.rest.empty()) return error(out, "08P01", "invalid message format");
    start_transaction();
    if (name.empty()) prepared_.erase("");
    const Script script = parse_script(text);
    if (script.size() > 1) {
        return error(out, "42601", "cannot insert multiple commands into a prepared statement");
    }
    prepared->statement = script.empty() ? std::make_shared<Statement>() : script.front();
    if (refused_in_failed(*prepared->statement)) {
        return error(out, "25P02", "current transaction is aborted");
    }
    if (prepared->statement->kind == StatementKind::Wrong) {
        return error(out, prepared->statement->value, prepared->statement->name);
    }
    if (!name.empty() && prepared_.contains(name)) {
        return error(out, "42P05", "prepared statement \"" + name + "\" already exists");
    }
    prepared->types.resize(
        std::max<std::size_t>(prepared->types.size(), prepared->statement->parameters()));
    const std::uint32_t id = prepared->statement->id_parameter;
    if (id != 0 && prepared->types[id - 1] == 0) prepared->types[id - 1] = 23;
    for (std::uint32_t& type : prepared->types) type = type == 0 ? 25 : type;
    prepared_[name] = std::move(prepared);
    MessageWriter(out, '1');
    return finished();
}

PgSession::Progress PgSession::bind(Bytes& out) {
    FieldCursor cursor{body_};
    const std::string portal_name(cursor.text());
    const std::string name(cursor.text());
    start_transaction();
    const auto found = prepared_.find(name);
    if (found == prepared_.end()) {
        return error(out, "26000",
                     name.empty() ? "unnamed prepared statement does not exist"
                                  : "prepared statement \"" + name + "\" does not exist");
    }
    Portal portal;
    portal.prepared = found->second;
    const std::uint16_t formats = cursor.u16();
    for (std::uint16_t i = 0; i < formats; ++i) cursor.u16();
    const std::uint16_t arguments = cursor.u16();
    for (std::uint16_t i = 0; i < arguments && cursor.ok; ++i) {
        const std::uint32_t length = cursor.u32();
        const bool is_null = length == 0xffffffffU;
        portal.is_null.push_back(is_null);
        portal.arguments.emplace_back(is_null ? std::string_view{} : cursor.raw(length));
    }
    const std::uint16_t results = cursor.u16();
    for (std::uint16_t i = 0; i < results; ++i) portal.binary = cursor.u16() == 1;
    if (!cursor.ok || !cursor.rest.empty()) return error(out, "08P01", "invalid message format");
    if (arguments != portal.prepared->types.size()) {
        return error(out, "08P01",
                     "bind message supplies " + std::to_string(arguments) +
                         " parameters, but prepared statement \"" + name + "\" requires " +
                         std::to_string(portal.prepared->types.size()));
    }
    if (refused_in_failed(*portal.prepared->statement)) {
        return error(out, "25P02", "current transaction is aborted");
    }
    if (!portal_name.empty() && portals_.contains(portal_name)) {
        return error(out, "42P03", "cursor \"" + portal_name + "\" already exists");
    }
    // A query gets its snapshot, and its permission, when it is bound.
    if (portal.prepared->statement->locks_rows && is_read_only()) {
        return refuse_write(out, "SELECT FOR UPDATE");
    }
    portal.snapshot = snapshot();
    portals_[portal_name] = std::move(portal);
    MessageWriter(out, '2');
    return finished();
}

PgSession::Progress PgSession::describe(Bytes& out) {
    FieldCursor cursor{body_};
    const auto kind = static_cast<char>(cursor.u8());
    const std::string name(cursor.text());
    if (!cursor.ok) return error(out, "08P01", "invalid message format");
    start_transaction();
    if (kind == 'S') {
        const auto found = prepared_.find(name);
        if (found == prepared_.end()) {
            return error(out, "26000", "prepared statement \"" + name + "\" does not exist");
        }
        if (block_ == Block::Failed && found->second->statement->returns_rows()) {
            return error(out, "25P02", "current transaction is aborted");
        }
        {
            MessageWriter types(out, 't');
            types.u16(found->second->types.size());
            for (const std::uint32_t type : found->second->types) types.u32(type);
        }
        describe_rows(out, *found->second->statement, false);
        return finished();
    }
    if (kind != 'P') return error(out, "08P01", "invalid DESCRIBE message subtype");
    const auto found = portals_.find(name);
    if (found == portals_.end()) {
        return error(out, "34000", "portal \"" + name + "\" does not exist");
    }
    describe_rows(out, *found->second.prepared->statement, found->second.binary);
    return finished();
}

PgSession::Progress PgSession::execute(Bytes& out) {
    FieldCursor cursor{body_};
    const std::string name(cursor.text());
    const std::uint32_t most_rows = cursor.u32();
    if (!cursor.ok) return error(out, "08P01", "invalid message format");
    const auto found = portals_.find(name);
    if (found == portals_.end()) {
        return error(out, "34000", "portal \"" + name + "\" does not exist");
    }
    start_transaction();
    if (refused_in_failed(*found->second.prepared->statement)) {
        return error(out, "25P02", "current transaction is aborted");
    }
    // run() may end the transaction, and with it the portal that it runs.
    const StatementKind kind = found->second.prepared->statement->kind;
    if (kind == StatementKind::Select || kind == StatementKind::CopyIn ||
        kind == StatementKind::CopyOut) {
        return run(out, found->second, most_rows);
    }
    Portal portal = found->second;
    const Progress progress = run(out, portal, most_rows);
    return progress == Progress::Done ? finished() : progress;
}

PgSession::Progress PgSession::close_named(Bytes& out) {
    FieldCursor cursor{body_};
    const auto kind = static_cast<char>(cursor.u8());
    const std::string name(cursor.text());
    if (!cursor.ok || (kind != 'S' && kind != 'P')) {
        return error(out, "08P01", "invalid CLOSE message subtype");
    }
    start_transaction();
    if (kind == 'S') prepared_.erase(name);
    if (kind == 'P') portals_.erase(name);
    MessageWriter(out, '3');
    return finished();
}

}  // namespace pgweir::sim
