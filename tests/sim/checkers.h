// SPDX-License-Identifier: PostgreSQL
// Watches the border between the core and the network: who is sent what, at which moment, and how
// many connections there are. What clients are told is checked in answer_check.h, what servers are
// told also in sim_backend.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "pgweir/base/bytes.h"
#include "sim/messages.h"
#include "sim/routing_watch.h"
#include "sim/sim_network.h"
#include "sim/sim_postgres.h"

namespace pgweir::sim {

// The ceilings that hold over all workers together; 0 means none.
struct Ceilings {
    std::uint64_t pool = 0;
    std::uint64_t database = 0;
    std::uint64_t user = 0;
    std::uint64_t in_all = 0;
};

class BorderWatch {
 public:
    struct Parts {
        const Agenda& agenda;
        SimNetwork& network;
        Transcript& transcript;
        Truth& truth;
    };
    BorderWatch(Parts parts, Ceilings ceilings, RoutingBounds bounds)
        : agenda_(parts.agenda),
          network_(parts.network),
          transcript_(parts.transcript),
          truth_(parts.truth),
          ceilings_(ceilings),
          routing_(parts.agenda, parts.transcript, bounds) {}

    // `node` is null if the address is nobody's.
    void opening(std::uint64_t server, Socket socket, SimPostgres* node);
    // Before the bytes go out.
    void sending(std::uint64_t server, ByteView bytes);
    enum class ClosedBy : std::uint8_t { Core, Network };
    void closed(std::uint64_t server, ClosedBy by);
    void sent_to_client(Socket socket);

    std::size_t open_servers() const { return servers_.size(); }
    RoutingWatch& routing() { return routing_; }

 private:
    enum class Kind : std::uint8_t { Unknown, Session, Cancel };
    struct Server {
        Socket socket = kNoSocket;
        SimPostgres* node = nullptr;
        Kind kind = Kind::Unknown;
        Bytes first_packet;
        std::string database;
        std::string user;
        std::string pool;         // Of this node, database and user.
        std::uint32_t owner = 0;  // Whose turn it is, once that shows.
        bool turn_under_cancel = false;
        Instant turn_began{};
        bool turn_in_doubt = false;
        std::uint64_t cancels_in_flight = 0;
        std::uint64_t cancel_target = 0;  // Of a cancel request's connection.
        bool doubtful = false;            // A cancel request for it may still arrive.
    };
    void identify(Server& server, ByteView bytes);
    void start_session(Server& server, ByteView packet);
    void start_cancel(Server& server, ByteView packet);
    void new_turn(Server& server);
    void token_sent(std::uint64_t id, Server& server, const Token& token);
    void check_block(std::uint64_t id, const Token& token);
    void count(std::map<std::string, std::uint64_t>& counts, const std::string& name,
               std::uint64_t ceiling, const char* what);

    const Agenda& agenda_;
    SimNetwork& network_;
    Transcript& transcript_;
    Truth& truth_;
    Ceilings ceilings_;
    RoutingWatch routing_;
    std::unordered_map<std::uint64_t, Server> servers_;  // Only looked up.
    std::vector<std::uint64_t> homes_;  // Where each client's last turn was, by its number.
    std::unordered_map<Socket, std::uint64_t> by_socket_;  // Only looked up.
    std::map<std::string, std::uint64_t> pools_;
    std::map<std::string, std::uint64_t> databases_;
    std::map<std::string, std::uint64_t> users_;
};

}  // namespace pgweir::sim
