// SPDX-License-Identifier: PostgreSQL
// One run of auth_query: a lease of pgweir's own. It takes nothing from the client but the user's
// name, as a bind parameter, on a server whose settings are its defaults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgweir/base/byte_queue.h"
#include "pgweir/base/ids.h"
#include "pgweir/pool/waiting_line.h"
#include "pgweir/session/effect.h"
#include "pgweir/session/server_session.h"

namespace pgweir::proxy {

struct PoolEntry;

class UserLookup {
 public:
    UserLookup(ClientId id, std::string database, std::string user, std::string sql)
        : id_(id), database_(std::move(database)), user_(std::move(user)), sql_(std::move(sql)) {}

    ClientId id() const { return id_; }
    const std::string& database() const { return database_; }
    const std::string& user() const { return user_; }

    // Sends the query on the server that was leased for it.
    void ask(session::ServerSession& server, EffectList& effects);
    // Looks at the server's bytes, beside the server session.
    void on_bytes(ByteView bytes);

    // After the server is ready again: whether the query failed, and what it said of the user.
    bool has_failed() const { return !error_.empty(); }
    const std::string& error() const { return error_; }
    const std::optional<std::string>& secret() const { return secret_; }

    std::vector<ClientId> askers;
    PoolEntry* waits_in = nullptr;
    pool::WaitingLine::Ticket ticket = 0;
    ServerId server;

 private:
    void row(ByteView body);

    ClientId id_;
    std::string database_;
    std::string user_;
    std::string sql_;
    ByteQueue input_;
    std::string error_;
    std::optional<std::string> secret_;
};

}  // namespace pgweir::proxy
