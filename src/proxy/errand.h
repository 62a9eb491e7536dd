// SPDX-License-Identifier: PostgreSQL
// A query of pgweir's own on a server of a pool: a lease like any other, in line with the clients'.
// It runs on a server whose settings are its defaults, and takes nothing from a client but bind
// parameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/byte_queue.h"
#include "pgweir/base/ids.h"
#include "pgweir/pool/waiting_line.h"
#include "pgweir/session/effect.h"
#include "pgweir/session/server_session.h"

namespace pgweir::proxy {

struct PoolEntry;

class Errand {
 public:
    Errand(ClientId id, std::string_view what, std::size_t answer_bytes_max)
        : id_(id), what_(what), answer_bytes_max_(answer_bytes_max) {}
    Errand(const Errand&) = delete;
    Errand& operator=(const Errand&) = delete;
    virtual ~Errand() = default;

    // Stands in the pools' lines beside the ids of clients.
    ClientId id() const { return id_; }

    // Sends the query on the server that was leased for it.
    virtual void ask(session::ServerSession& server, EffectList& effects) = 0;
    // Settings are brought back to their defaults first: the answer comes behind theirs.
    void settings_go_first() { settings_come_first_ = true; }
    // Looks at the server's bytes, beside the server session.
    void on_bytes(ByteView bytes);

    // After the server is ready again.
    bool has_failed() const { return !error_.empty(); }
    const std::string& error() const { return error_; }

    PoolEntry* waits_in = nullptr;
    pool::WaitingLine::Ticket ticket = 0;

 protected:
    virtual void row(ByteView body) = 0;
    void fail(std::string why) { error_ = std::move(why); }
    static void send(session::ServerSession& server, std::string_view sql,
                     std::span<const std::optional<std::string_view>> values, EffectList& effects);

 private:
    ClientId id_;
    std::string_view what_;  // For people: "auth_query".
    std::size_t answer_bytes_max_;
    ByteQueue input_;
    bool settings_come_first_ = false;
    std::string error_;
};

// Ids of errands are told from those of clients by this bit.
constexpr std::uint64_t kErrandBit = std::uint64_t{1} << 63;

}  // namespace pgweir::proxy
