// SPDX-License-Identifier: PostgreSQL
// Whole sessions through the real core of one worker. The input is a program of what clients,
// servers, the network and the clock do; session_stage.h says what must hold whatever they do.
//   input = settings:u8 { op:u8 argument… }…      op = action | who << 5
// Who is one of the clients or servers that there are, oldest first. What is said waits in an
// outbox until it is flushed, whole or cut after some bytes.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "fuzz/session_stage.h"
#include "pgweir/wire/fields.h"
#include "pgweir/wire/startup.h"
#include "support/told.h"

using namespace pgweir;
using namespace pgweir::fuzz;

namespace {

constexpr int kStepsMax = 400;

enum Action : unsigned {
    OpenClient,
    ClientQuery,
    ClientExtended,
    ClientOther,
    ClientFlush,
    ClientCut,
    ClientRaw,
    ClientClose,
    ClientBlock,
    ClientUnit,
    CancelQuery,
    ServerConnect,
    ServerFail,
    ServerAnswer,
    ServerAnswerCut,
    ServerLie,
    ServerBabble,
    ServerRaw,
    ServerClose,
    ServerBlock,
    ServerAside,
    ServerFatal,
    ServerBehave,
    PassShort,
    PassLong,
    Reload,
    ShutDown,
    kActions
};

std::string sql(unsigned which, Token asker) {
    static constexpr const char* kStatements[] = {"SELECT 1",
                                                  "BEGIN",
                                                  "COMMIT",
                                                  "ROLLBACK",
                                                  "FAIL",
                                                  "COPY t FROM STDIN",
                                                  "COPY t TO STDOUT",
                                                  "SET DateStyle TO 'German'",
                                                  "DISCARD ALL",
                                                  "DEALLOCATE ALL",
                                                  "",
                                                  "SYNTAX",
                                                  "SET DateStyle TO 'ISO'",
                                                  "SELECT 2",
                                                  "SELECT pg_sleep(1)",
                                                  "INSERT INTO t VALUES (1)"};
    return std::string(kStatements[which % std::size(kStatements)]) + text(asker);
}

// The same text, whoever says it.
std::string shared_sql(unsigned which) {
    std::string text = sql(which, {});
    return text.substr(0, text.find("/*"));
}

std::string statement_name(unsigned which) {
    static constexpr const char* kNames[] = {"", "a", "b", "a_rather_long_name"};
    return kNames[which % std::size(kNames)];
}

testing::Said bind(unsigned which, Token asker) {
    const std::string value = text(asker);
    const std::optional<std::string_view> values[] = {value};
    testing::Said out;
    wire::bind(out, which & 4 ? "p" : "", statement_name(which), values);
    return out;
}

testing::Said raw(wire::FieldReader& input) {
    const std::size_t length = input.u8();
    const ByteView bytes = input.take(std::min(length, input.rest().size()));
    testing::Said out;
    out.assign(bytes.begin(), bytes.end());
    return out;
}

class Program {
 public:
    explicit Program(ByteView input) : input_(input), stage_(input_.u8()) {}

    void run() {
        for (int step = 0; step < kStepsMax && input_.ok() && !input_.rest().empty(); ++step) {
            const unsigned op = input_.u8();
            const auto action = static_cast<Action>((op & 31) % kActions);
            who_ = op >> 5;
            if (action == OpenClient) {
                open_client();
            } else if (action <= CancelQuery) {
                if (StageClient* client = stage_.client(who_)) client_does(action, *client);
            } else if (action <= ServerBehave) {
                if (StageServer* server = stage_.server(who_)) server_does(action, *server);
            } else {
                world_does(action);
            }
        }
        stage_.finish();
    }

 private:
    void open_client();
    void client_does(Action action, StageClient& client);
    void extended(StageClient& client);
    void other(StageClient& client);
    void unit(StageClient& client);
    void cancel(const StageClient& client);
    void server_does(Action action, StageServer& server);
    testing::Said lie(Token liar);
    void world_does(Action action);

    static Token token(const StageClient& client) { return {'c', client.number}; }
    static Token token(const StageServer& server) { return {'s', server.number}; }

    wire::FieldReader input_;
    Stage stage_;
    unsigned who_ = 0;
};

void Program::open_client() {
    StageClient* client = stage_.open_client();
    if (client == nullptr) return;
    wire::Parameters parameters = {{"user", "alice"}, {"database", "app"}};
    if (who_ & 1) parameters.push_back({"application_name", "one"});
    if (who_ & 2) parameters.push_back({"DateStyle", "German, DMY"});
    Bytes startup;
    wire::startup_message(startup, parameters, who_ & 4 ? 2 : 0);
    stage_.say(*client, startup, 1);
}

void Program::client_does(Action action, StageClient& client) {
    switch (action) {
        case ClientQuery: {
            const unsigned which = input_.u8();
            // What comes behind it may be a part of the COPY, and after an error in a batch it is
            // skipped.
            if (which % 16 == 5 || client.is_unsynced) client.is_wild = true;
            return stage_.say(client, testing::client::query(sql(which, token(client))), 1);
        }
        case ClientExtended:
            return extended(client);
        case ClientOther:
            return other(client);
        case ClientUnit:
            return unit(client);
        case ClientFlush:
            return stage_.flush(client, client.outbox.size());
        case ClientCut:
            return stage_.flush(client, input_.u8());
        case ClientRaw:
            client.is_wild = true;
            return stage_.say(client, raw(input_), 0);
        case ClientClose:
            return stage_.close(client);
        case ClientBlock:
            return stage_.block(client, !client.is_blocked);
        default:
            return cancel(client);
    }
}

void Program::extended(StageClient& client) {
    namespace say = testing::client;
    const unsigned kind = input_.u8();
    const unsigned which = kind >> 4;
    const std::string name = statement_name(which);
    client.is_unsynced = (kind & 15) < 13;
    switch (kind & 15) {
        case 0:
        case 1:
            return stage_.say(client, say::parse(name, sql(input_.u8() & 11, token(client))), 0);
        case 2:
        case 3:
            return stage_.say(client, say::parse(name, shared_sql(input_.u8() & 11)), 0);
        case 4:
        case 5:
            return stage_.say(client, bind(which, token(client)), 0);
        case 6:
            return stage_.say(client, say::describe(name), 0);
        case 7:
            return stage_.say(client, testing::message('D', std::string_view("P\0", 2)), 0);
        case 8:
        case 9:
            return stage_.say(client, say::execute(which & 4 ? "p" : ""), 0);
        case 10:
            return stage_.say(client, say::close(name), 0);
        case 11:
            return stage_.say(client, testing::message('C', std::string_view("P\0", 2)), 0);
        case 12:
            return stage_.say(client, say::flush(), 0);
        default:
            return stage_.say(client, say::sync(), 1);
    }
}

// A whole unit with a statement that others use, too.
void Program::unit(StageClient& client) {
    namespace say = testing::client;
    const unsigned which = input_.u8();
    const unsigned statement = which >> 2 & 1 ? 13 : 0;
    testing::Said out;
    if (which & 8) out = say::parse(statement_name(which), shared_sql(statement));
    out = out + bind(which & 3, token(client));
    if (which & 16) out = out + say::describe(statement_name(which));
    client.is_unsynced = false;
    stage_.say(client, out + say::execute() + say::sync(), 1);
    if (which & 32) stage_.flush(client, client.outbox.size());
}

void Program::other(StageClient& client) {
    namespace say = testing::client;
    const unsigned kind = input_.u8();
    switch (kind & 7) {
        case 0:
            return stage_.say(client, say::copy_data(text(token(client))), 0);
        case 1:
            return stage_.say(client, say::copy_done(), 0);
        case 2:
            return stage_.say(client, testing::message('f', std::string_view("no\0", 3)), 0);
        case 3:
            client.is_wild = client.is_wild || client.is_unsynced;
            return stage_.say(client, testing::message('F', text(token(client))), 1);
        case 4:
            client.is_wild = true;
            return stage_.say(client, testing::message('p', std::string_view("secret\0", 7)), 0);
        case 5:
            client.is_wild = client.is_wild || client.is_unsynced;
            // Long enough to be handed on in pieces.
            return stage_.say(client,
                              say::query("SELECT 1" + text(token(client)) +
                                         std::string(std::size_t{kind >> 3} * 1000, ' ')),
                              1);
        case 6:
            client.is_wild = true;
            return stage_.say(client, testing::message(static_cast<char>(kind)), 0);
        default:
            return stage_.say(client, testing::message('X'), 0);
    }
}

void Program::cancel(const StageClient& client) {
    if (client.key.size() < 8) return;
    const Bytes key = client.key;
    StageClient* requester = stage_.open_client();
    if (requester == nullptr) return;
    Bytes request;
    wire::cancel_request(request, load_u32(key.data()), ByteView(key).subspan(4));
    stage_.say(*requester, request, 0);
    stage_.flush(*requester, request.size());
}

void Program::server_does(Action action, StageServer& server) {
    const Token liar = token(server);
    switch (action) {
        case ServerConnect:
            return stage_.connect(server, true);
        case ServerFail:
            return stage_.connect(server, false);
        case ServerAnswer:
            stage_.answer(server, 1 + input_.u8() % 16);
            return stage_.flush(server, server.outbox.size());
        case ServerAnswerCut:
            stage_.answer(server, 1);
            return stage_.flush(server, input_.u8());
        case ServerLie:
            return stage_.lie(server, lie(liar));
        case ServerBabble: {
            testing::Said nonsense = testing::message('\1', "12345");
            if (who_ & 1) nonsense = testing::message('D'), store_u32(nonsense.data() + 1, 3);
            return stage_.babble(server, nonsense);
        }
        case ServerRaw:
            server.is_framed = false;
            return stage_.lie(server, raw(input_));
        case ServerClose:
            return stage_.close(server);
        case ServerBlock:
            return stage_.block(server, !server.is_blocked);
        case ServerFatal:
            return stage_.lie(server, testing::server::error("57P01", "FATAL"));
        case ServerBehave:
            if (!server.is_open) return stage_.connect(server, true);
            stage_.answer(server, 100);
            return stage_.flush(server, server.outbox.size());
        default:
            return stage_.aside(server, testing::server::status("DateStyle", "SQL, DMY"));
    }
}

testing::Said Program::lie(Token liar) {
    namespace say = testing::server;
    const std::string name = text(liar);
    switch (input_.u8() % 16) {
        case 0:
            return say::row(name);
        case 1:
            return say::ready('I');
        case 2:
            return say::ready('T');
        case 3:
            return say::ready('E');
        case 4:
            return say::complete("COMMIT");
        case 5:
            return say::parsed();
        case 6:
            return say::bound();
        case 7:
            return say::closed();
        case 8:
            return say::copy_in();
        case 9:
            return say::copy_out();
        case 10:
            return testing::message('N', std::string("M") + name + std::string(2, '\0'));
        case 11:
            return testing::message('A', std::string(4, '\0') + name + std::string(2, '\0'));
        case 12:
            return say::error("XX000");
        case 13:
            return testing::message('R', std::string(4, '\0'));
        case 14:
            return testing::message('K', std::string(8, '\1'));
        default:
            return say::copy_data(name);
    }
}

void Program::world_does(Action action) {
    const std::uint8_t value = input_.u8();
    switch (action) {
        case PassShort:
            return stage_.pass(Duration::milliseconds(value));
        case PassLong:
            return stage_.pass(Duration::milliseconds(std::int64_t{value} * 200));
        case Reload:
            return stage_.reload(value);
        default:
            // Rare, as little happens after it.
            if (value < 32) stage_.shut_down(value < 8 ? ShutdownMode::Now : ShutdownMode::Drain);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Program(ByteView(data, size)).run();
    return 0;
}
