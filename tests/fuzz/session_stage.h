// SPDX-License-Identifier: PostgreSQL
// The stage of fuzz_session: one real core, the clients and servers around it, and an eye on what
// passes between them. Every promise that shows in effects is an assertion here:
//   - bytes for a client come from pgweir or from the server it leases;
//   - a server serves one client at a time, and the next one only when it owes nothing;
//   - a server that broke the protocol is closed at once; no effect names what is closed;
//   - no client hears more ReadyForQuery than it asked for, and in the end each hears all of them;
//   - deadlines don't stay in the past; a shutdown ends.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/session_server.h"
#include "pgweir/base/random.h"
#include "pgweir/base/slot_table.h"
#include "pgweir/proxy/proxy.h"

namespace pgweir::fuzz {

struct StageClient {
    ClientId id;
    unsigned number = 0;
    Bytes outbox;
    Bytes unread;  // The beginning of a message that was not told whole.
    Bytes key;     // BackendKeyData.
    unsigned ready_due = 0;
    unsigned ready_heard = 0;
    bool is_wild = false;      // What it asked for can't be counted.
    bool is_unsynced = false;  // It has begun a batch.
    bool is_paused = false;
    bool is_blocked = false;
};

struct StageServer {
    StageServer(ServerId own_id, unsigned own_number)
        : id(own_id), number(own_number), honest(own_number) {}

    bool is_idle() const { return honest.is_idle() && (outbox.empty() || !has_answers); }

    ServerId id;
    unsigned number;
    HonestServer honest;
    Bytes outbox;
    std::optional<std::size_t> babble_left;  // Bytes until it has broken the protocol for sure.
    bool has_answers = false;                // In the outbox; else what it may say at any time.
    bool is_open = false;
    bool is_paused = false;
    bool is_blocked = false;
    bool has_lied = false;
    bool is_framed = true;  // The outbox ends with a whole message.
};

class Stage {
 public:
    // One of kVariants settings.
    static constexpr unsigned kVariants = 12;
    explicit Stage(unsigned variant);

    // --- What the program does. Nothing, where there is nobody to do it to.
    StageClient* open_client();
    StageClient* client(unsigned which);
    StageServer* server(unsigned which);
    // `bytes` wait until flush(); `ready` is how many ReadyForQuery they ask for.
    void say(StageClient& client, ByteView bytes, unsigned ready);
    void flush(StageClient& client, std::size_t bytes_max);
    void close(StageClient& client);
    void block(StageClient& client, bool blocked);
    void connect(StageServer& server, bool succeeds);
    void answer(StageServer& server, int requests);
    // What a server may say at any time.
    void aside(StageServer& server, ByteView bytes);
    void lie(StageServer& server, ByteView bytes);
    void babble(StageServer& server, ByteView bytes);
    void flush(StageServer& server, std::size_t bytes_max);
    void close(StageServer& server);
    void block(StageServer& server, bool blocked);
    void pass(Duration duration);
    void reload(unsigned variant);
    void shut_down(ShutdownMode mode);

    // Everybody behaves from now on: every question is answered, then pgweir ends.
    void finish();

 private:
    void tell(Event event);
    void execute();
    void run(SendToClient& effect);
    void run(SendToServer& effect);
    void run(StartClientTls& effect);
    void run(StartServerTls& effect);
    void run(PauseClient& effect);
    void run(ResumeClient& effect);
    void run(PauseServer& effect);
    void run(ResumeServer& effect);
    void run(CloseClient& effect);
    void run(CloseServer& effect);
    void run(OpenServer& effect);
    void run(LookAtNode&) {}
    void run(ForgetNode&) {}
    void run(ResolveNode&) {}
    void run(Post& effect);
    void run(WriteLog&) {}
    void run(AskProcess& effect);
    void run(RunCommand&) {}
    void run(AnswerHttp&) {}
    void run(Stopped&) { is_stopped_ = true; }

    StageClient& find(ClientId id);
    StageServer& find(ServerId id);
    void client_hears(StageClient& client, const Frame& frame);
    void server_hears(StageServer& server, const Frame& frame);
    bool behave();
    bool behave(StageServer& server);
    void behave_for(Duration duration);

    pool::Limits limits_;
    std::unique_ptr<Entropy> entropy_;
    Instant now_{Duration::seconds(1000).us};
    EffectList effects_;
    IdAllocator<ClientId> client_ids_{0};
    // In order of age; deques, as records must stay where they are.
    std::map<std::uint64_t, StageClient> clients_;
    std::map<std::uint64_t, StageServer> servers_;
    unsigned clients_seen_ = 0;
    // The number of the client that a server serves, if what it was sent tells; also of servers
    // that have gone.
    std::vector<std::optional<unsigned>> serves_;  // By the server's number.
    std::deque<Event> own_events_;                 // What effects caused, for after this event.
    bool is_stopped_ = false;
    bool is_stopping_ = false;
    std::unique_ptr<proxy::Proxy> proxy_;
};

}  // namespace pgweir::fuzz
