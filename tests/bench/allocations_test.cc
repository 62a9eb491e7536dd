// SPDX-License-Identifier: PostgreSQL
// A query that is relayed in steady state allocates nothing: every operator new while the core
// handles an event is counted. Clients and servers are played by hand, so that nothing else runs.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "pgweir/sql/classifier.h"
#include "unit/proxy/by_hand.h"

namespace {
bool counts = false;
std::size_t allocations = 0;

void* allocate(std::size_t size) {
    if (counts) ++allocations;
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new[](std::size_t size) {
    return allocate(size);
}
// std::stable_sort asks for its buffer in this way.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    if (counts) ++allocations;
    return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace pgweir::testing {

namespace {

constexpr std::string_view kSettings = R"(
[pgweir]
auth_type = "any"
[tls]
server_tls_sslmode = "disable"
[databases.app]
host = "127.0.0.1"
pool_size = 4
)";

// What one query says and is answered. The answers are a real server's, for what it is asked.
struct Protocol {
    const char* name;
    Said before;  // Once, in front of all queries.
    Said before_answer;
    Said query;
    Said answer;
};

std::vector<Protocol> protocols() {
    const Said result = server::row() + server::row() + server::complete("SELECT 2");
    const Said extended_answer =
        server::parsed() + server::bound() + server::columns() + result + server::ready();
    const Said portal = message('D', std::string_view("P\0", 2));
    return {
        {"simple", {}, {}, client::query("SELECT 1"), server::columns() + result + server::ready()},
        {"extended",
         {},
         {},
         client::parse("", "SELECT 1") + client::bind("") + portal + client::execute() +
             client::sync(),
         extended_answer},
        {"prepared", client::parse("a", "SELECT 1") + client::sync(),
         server::parsed() + server::ready(),
         client::bind("a") + portal + client::execute() + client::sync(),
         server::bound() + server::columns() + result + server::ready()},
        {"described", client::parse("a", "SELECT 1") + client::sync(),
         server::parsed() + server::ready(),
         client::describe("a") + client::bind("a") + client::execute() + client::sync(),
         message('t', std::string_view("\0\0", 2)) + server::columns() + server::bound() + result +
             server::ready()},
        {"one transaction of three",
         {},
         {},
         client::query("BEGIN; SELECT 1; COMMIT"),
         server::complete("BEGIN") + server::columns() + result + server::complete("COMMIT") +
             server::ready()},
    };
}

// A proxy whose effects are looked at, not copied: nothing of the test allocates while it runs.
class Steady {
 public:
    explicit Steady(std::size_t clients) : world_(kSettings) {
        for (std::size_t i = 0; i < clients; ++i) {
            clients_.push_back(world_.connect());
            while (logged_in_ < world_.opened().size())
                world_.log_in(world_.opened()[logged_in_++]);
        }
        busy_.reserve(64);
        next_.reserve(64);
    }

    // Each client runs the query once, as many at a time as there are servers, while all others
    // wait. Answers come as soon as a query is there.
    std::size_t round(const Said& query, const Said& answer, std::size_t answers_wanted) {
        answers_ = 0;
        const std::size_t before = allocations;
        for (const ClientId id : clients_) handle(ClientBytes{id, query});
        for (int i = 0; i < 1000 && answers_ < answers_wanted; ++i) {
            std::swap(busy_, next_);
            next_.clear();
            for (const ServerId id : busy_) {
                ++answers_;
                handle(ServerBytes{id, answer});
            }
            busy_.clear();
        }
        return allocations - before;
    }
    std::size_t answered() const { return answers_; }
    std::size_t clients() const { return clients_.size(); }
    std::size_t servers() const { return world_.opened().size(); }

    // As many servers as may be are opened and know what their clients prepare.
    void warm_up(const Protocol& protocol) {
        for (int i = 0; i < 2; ++i) {
            for (const ClientId id : clients_) world_.say(id, protocol.query);
            for (std::size_t n = 0; n < 4 * clients_.size(); ++n) {
                while (logged_in_ < world_.opened().size()) {
                    world_.log_in(world_.opened()[logged_in_++]);
                }
                for (const ServerId id : world_.opened()) answer(id);
            }
            for (const ClientId id : clients_) world_.heard(id);
        }
    }
    void prepare(const Protocol& protocol) {
        if (protocol.before.empty()) return;
        for (const ClientId id : clients_) {
            world_.say(id, protocol.before);
            for (const ServerId server : world_.opened()) answer(server);
        }
    }

 private:
    // Answers what a server was asked, as PostgreSQL would.
    void answer(ServerId id) {
        ByteView asked;
        const Bytes bytes = world_.asked_bytes(id);
        Said out;
        for (asked = bytes; asked.size() >= 5;
             asked = asked.subspan(1 + load_u32(asked.data() + 1))) {
            switch (asked[0]) {
                case 'Q':
                    out = out + server::complete("SELECT 1") + server::ready();
                    break;
                case 'P':
                    out = out + server::parsed();
                    break;
                case 'B':
                    out = out + server::bound();
                    break;
                case 'D':
                    if (asked[5] == 'S') out = out + message('t', std::string_view("\0\0", 2));
                    out = out + server::columns();
                    break;
                case 'E':
                    out = out + server::complete("SELECT 1");
                    break;
                case 'S':
                    out = out + server::ready();
                    break;
                default:
                    break;
            }
        }
        if (!out.empty()) world_.answer(id, out);
    }
    void handle(Event event) {
        counts = true;
        world_.proxy().handle(std::move(event), world_.now(), effects_);
        counts = false;
        for (Effect& effect : effects_.all()) {
            auto* sent = std::get_if<SendToServer>(&effect);
            if (sent != nullptr && (next_.empty() || next_.back() != sent->server)) {
                next_.push_back(sent->server);
            }
        }
        effects_.clear();
    }

    ByHand world_;
    EffectList effects_;
    std::vector<ClientId> clients_;
    std::vector<ServerId> busy_;
    std::vector<ServerId> next_;
    std::size_t logged_in_ = 0;
    std::size_t answers_ = 0;
};

void relays_without_allocating(const Protocol& protocol, std::size_t clients) {
    CAPTURE(protocol.name);
    CAPTURE(clients);
    Steady steady(clients);
    steady.prepare(protocol);
    steady.warm_up(protocol);
    CHECK(steady.servers() == std::min<std::size_t>(clients, 4));
    // The lists of the first rounds find their size.
    for (int i = 0; i < 3; ++i) steady.round(protocol.query, protocol.answer, clients);
    for (int i = 0; i < 20; ++i) {
        const std::size_t found = steady.round(protocol.query, protocol.answer, clients);
        CHECK(found == 0);
        REQUIRE(steady.answered() == clients);
    }
}

}  // namespace

TEST_CASE("the count finds an allocation") {
    const std::size_t before = allocations;
    counts = true;
    auto* number = new int(1);
    counts = false;
    CHECK(allocations == before + 1);
    delete number;
}

TEST_CASE("a query of one client costs no allocation") {
    for (const Protocol& protocol : protocols()) relays_without_allocating(protocol, 1);
}

TEST_CASE("a query of one of 100 clients that wait for 4 servers costs no allocation") {
    for (const Protocol& protocol : protocols()) relays_without_allocating(protocol, 100);
}

TEST_CASE("a statement of known shape is judged without an allocation") {
    const sql::Catalog catalog(1, {{'r', "t", true}, {'o', "=", true}});
    sql::Classifier classifier({}, 1);
    const std::string texts[] = {"SELECT * FROM t WHERE a = 1 AND b IN ('x', 'y')",
                                 "/* pgweir: primary */ INSERT INTO t VALUES (1, 2), (3, 4)",
                                 "BEGIN", "", "SET search_path = a"};
    for (int round = 0; round < 3; ++round) {
        const std::size_t before = allocations;
        counts = round > 0;
        for (const std::string& text : texts) {
            classifier.classify({.text = text, .catalog = &catalog});
        }
        counts = false;
        CHECK(allocations == before);
    }
}

}  // namespace pgweir::testing
