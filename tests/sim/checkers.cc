// SPDX-License-Identifier: PostgreSQL
// The invariants that show at the border between core and network.
#include "sim/checkers.h"

#include <utility>

#include "sim/pg_session.h"

namespace pgweir::sim {

void BorderWatch::opening(std::uint64_t server, Socket socket, SimPostgres* node) {
    Server& made = servers_[server];
    made = Server{};
    made.socket = socket;
    made.node = node;
    by_socket_[socket] = server;
    if (ceilings_.in_all != 0 && servers_.size() > ceilings_.in_all) {
        transcript_.violation("I9: " + std::to_string(servers_.size()) +
                              " connections to nodes, the limit is " +
                              std::to_string(ceilings_.in_all));
    }
}

void BorderWatch::sending(std::uint64_t id, ByteView bytes) {
    const auto found = servers_.find(id);
    if (found == servers_.end()) {
        transcript_.violation("I11: bytes for a server that is not open");
        return;
    }
    Server& server = found->second;
    if (server.kind == Kind::Unknown) return identify(server, bytes);
    if (server.kind == Kind::Cancel) return;
    new_turn(server);
    if (const auto token = find_token(bytes)) token_sent(id, server, *token);
}

void BorderWatch::identify(Server& server, ByteView bytes) {
    server.first_packet.insert(server.first_packet.end(), bytes.begin(), bytes.end());
    for (;;) {
        ByteView seen(server.first_packet);
        if (seen.size() < 8) return;
        const std::uint32_t length = load_u32(seen.data());
        if (length < 8 || length > 10000) {
            transcript_.violation("a node was sent a startup packet of length " +
                                  std::to_string(length));
            return;
        }
        if (seen.size() < length) return;
        const std::uint32_t code = load_u32(seen.data() + 4);
        if (code == kCancelRequest) return start_cancel(server, seen.subspan(8, length - 8));
        if (code != kSslRequest) return start_session(server, seen.subspan(8, length - 8));
        server.first_packet.erase(server.first_packet.begin(), server.first_packet.begin() + 8);
    }
}

void BorderWatch::start_session(Server& server, ByteView packet) {
    server.kind = Kind::Session;
    FieldCursor cursor{packet};
    while (cursor.ok) {
        const std::string_view name = cursor.text();
        if (name.empty()) break;
        const std::string_view value = cursor.text();
        if (name == "user") server.user = value;
        if (name == "database") server.database = value;
    }
    server.pool = server.node->name() + "/" + server.database + "/" + server.user;
    count(pools_, server.pool, ceilings_.pool, "pool");
    count(databases_, server.database, ceilings_.database, "database");
    count(users_, server.user, ceilings_.user, "user");
    server.first_packet = {};
}

void BorderWatch::count(std::map<std::string, std::uint64_t>& counts, const std::string& name,
                        std::uint64_t ceiling, const char* what) {
    const std::uint64_t now = ++counts[name];
    if (ceiling == 0 || now <= ceiling) return;
    transcript_.violation("I9: " + std::to_string(now) + " servers of " + what + " " + name +
                          ", the limit is " + std::to_string(ceiling));
}

// A cancel request leaves only while the request that it means is unanswered.
void BorderWatch::start_cancel(Server& server, ByteView packet) {
    server.kind = Kind::Cancel;
    server.first_packet.clear();
    if (packet.size() < 8) {
        transcript_.violation("I12: a cancel request without a key");
        return;
    }
    const std::uint32_t process = load_u32(packet.data());
    const SimBackend* backend = server.node->backend_by_key(process, load_u32(packet.data() + 4));
    if (backend == nullptr) return;  // Its server is gone: harmless.
    const auto target = by_socket_.find(other_end(backend->socket()));
    if (target == by_socket_.end()) return;
    Server& hit = servers_.at(target->second);
    const std::string story = "a cancel request for server process " + std::to_string(process);
    if (backend->is_quiet()) {
        transcript_.violation("I12: " + story + " left when nothing was open there");
    }
    if (hit.owner != 0 && !truth_.client(hit.owner).may_be_cancelled()) {
        transcript_.violation("I12: " + story + " left, and client " + std::to_string(hit.owner) +
                              " that holds it asked for none");
    }
    ++hit.cancels_in_flight;
    server.cancel_target = target->second;
}

// A turn begins when bytes go to a server that is quiet, and lasts until it is quiet again; one
// client's requests, behind whatever pgweir itself puts in front of them, make up a turn.
void BorderWatch::new_turn(Server& server) {
    const SimBackend* backend = server.node->backend_behind(server.socket);
    // Of a session that has ended unheard nothing can be said.
    const bool has_ended = backend == nullptr || !backend->is_session();
    if (!has_ended && !backend->is_quiet()) return;
    server.owner = 0;
    if (has_ended) return;
    server.turn_under_cancel = server.cancels_in_flight > 0;
    server.turn_began = agenda_.now();
    server.turn_in_doubt = server.doubtful;
}

void BorderWatch::token_sent(std::uint64_t id, Server& server, const Token& token) {
    const bool changes = token.client != server.owner;
    if (!changes) return;
    check_block(id, token);
    routing_.turn_begins(*server.node, token, server.turn_began);
    const SimBackend* backend = server.node->backend_behind(server.socket);
    const std::string story = "request " + token_text(token) + " was sent to the server process " +
                              std::to_string(backend == nullptr ? 0 : backend->process());
    if (server.owner != 0) {
        transcript_.violation("I3: " + story + " before it was done with client " +
                              std::to_string(server.owner));
    }
    if (server.turn_under_cancel) {
        transcript_.violation("I13: " + story + " as new work while a cancel was on its way there");
    }
    if (server.turn_in_doubt) {
        transcript_.violation("I13: " + story +
                              " after a cancel for it was given up without its end");
    }
    server.owner = token.client;
}

// All statements of a transaction run on one server.
void BorderWatch::check_block(std::uint64_t id, const Token& token) {
    if (homes_.size() <= token.client) homes_.resize(token.client + 1, 0);
    const std::uint64_t home = std::exchange(homes_[token.client], id);
    const auto found = servers_.find(home);
    if (home == id || found == servers_.end()) return;
    const SimBackend* backend = found->second.node->backend_behind(found->second.socket);
    if (backend == nullptr || backend->owner() != token.client || !backend->in_block()) return;
    transcript_.violation("I24: request " + token_text(token) +
                          " was sent to another server than the transaction that it is part of");
}

void BorderWatch::closed(std::uint64_t id, ClosedBy by) {
    const auto found = servers_.find(id);
    if (found == servers_.end()) return;
    const Server& server = found->second;
    if (server.kind == Kind::Session) {
        --pools_[server.pool];
        --databases_[server.database];
        --users_[server.user];
    }
    if (const auto target = servers_.find(server.cancel_target); target != servers_.end()) {
        --target->second.cancels_in_flight;
        if (by == ClosedBy::Core) target->second.doubtful = true;
    }
    by_socket_.erase(server.socket);
    servers_.erase(found);
}

void BorderWatch::sent_to_client(Socket socket) {
    constexpr std::size_t kMost = SimNetwork::kHighWater + 512 * 1024;
    if (network_.in_flight(socket) > kMost) {
        transcript_.violation("I10: " + std::to_string(network_.in_flight(socket)) +
                              " bytes wait for one client");
    }
}

}  // namespace pgweir::sim
