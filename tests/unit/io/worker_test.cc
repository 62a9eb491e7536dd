// SPDX-License-Identifier: PostgreSQL
// A worker with a script in place of the core: what it tells, in which order, and what it does.
#include "io/worker.h"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <deque>

#include "certificates.h"
#include "fake_postgresql.h"
#include "helpers.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

// Notes events as text; answers with what the test says.
struct Script {
    std::vector<std::string> events;
    std::function<void(const Event&, EffectList&)> answer = [](const Event&, EffectList&) {};
    Instant deadline = Instant::never();
    int handling = 0;

    std::size_t count(std::string_view text) const {
        return static_cast<std::size_t>(std::count(events.begin(), events.end(), text));
    }
};

std::string name_of(const Event& event) {
    struct Namer {
        std::string operator()(const ClientOpened&) const { return "client opened"; }
        std::string operator()(const ClientBytes& e) const {
            return "client says " + to_string(e.bytes);
        }
        std::string operator()(const ClientSecured&) const { return "client secured"; }
        std::string operator()(const ClientClosed&) const { return "client closed"; }
        std::string operator()(const ClientBlocked&) const { return "client blocked"; }
        std::string operator()(const ClientDrained&) const { return "client drained"; }
        std::string operator()(const ServerOpened&) const { return "server opened"; }
        std::string operator()(const ServerOpenFailed&) const { return "server open failed"; }
        std::string operator()(const ServerBytes& e) const {
            return "server says " + to_string(e.bytes);
        }
        std::string operator()(const ServerSecured&) const { return "server secured"; }
        std::string operator()(const ServerClosed&) const { return "server closed"; }
        std::string operator()(const ServerBlocked&) const { return "server blocked"; }
        std::string operator()(const ServerDrained&) const { return "server drained"; }
        std::string operator()(const NodeObserved&) const { return "node observed"; }
        std::string operator()(const NodeResolved& e) const {
            return "node resolved " + (e.addresses.empty() ? e.failure : e.addresses.front());
        }
        std::string operator()(const Posted&) const { return "posted"; }
        std::string operator()(const Woken&) const { return "woken"; }
        std::string operator()(const SettingsChanged&) const { return "settings changed"; }
        std::string operator()(const ReloadFinished&) const { return "reload finished"; }
        std::string operator()(const HttpRequested& e) const { return "asked " + e.request.path; }
        std::string operator()(const ShutdownRequested&) const { return "shutdown requested"; }
    };
    return std::visit(Namer{}, event);
}

class ScriptedCore final : public Core {
 public:
    explicit ScriptedCore(Script& script) : script_(script) {}
    void handle(Event&& event, Instant, EffectList& effects) override {
        CHECK(script_.handling == 0);  // Never told anything while it is being asked.
        ++script_.handling;
        script_.events.push_back(name_of(event));
        script_.answer(event, effects);
        --script_.handling;
    }
    Instant next_deadline() override { return script_.deadline; }

 private:
    Script& script_;
};

struct RecordingHost final : WorkerHost {
    void post(WorkerIndex to, Posted letter) override {
        posts.push_back(to);
        worker->put(std::move(letter));
    }
    void ask(WorkerIndex, AskProcess request) override { asked.push_back(request.request); }
    void answer(AnswerHttp answer) override { answers.push_back(std::move(answer.answer.body)); }
    void on_worker_stopped(WorkerIndex) override { ++stopped; }

    Worker* worker = nullptr;
    std::vector<WorkerIndex> posts;
    std::vector<ProcessRequest> asked;
    std::vector<std::string> answers;
    int stopped = 0;
};

struct RecordingLog final : Log {
    void write(LogLevel, std::string_view text) override { lines.emplace_back(text); }
    bool wants(LogLevel) const override { return true; }
    std::vector<std::string> lines;
};

struct Fixture {
    TemporaryFolder folder;
    std::shared_ptr<config::Settings> settings = std::make_shared<config::Settings>();
    Loop loop;
    RecordingHost host;
    RecordingLog log;
    Script script;
    std::unique_ptr<Worker> worker;
    ClientId client;  // The latest that was opened.

    Fixture() { start(); }
    void start() {
        worker.reset();
        worker = std::make_unique<Worker>(
            WorkerParts{.loop = loop,
                        .host = host,
                        .log = log,
                        .settings = settings,
                        .tls = std::make_shared<TlsContexts>(*settings, ""),
                        .core = std::make_unique<ScriptedCore>(script)});
        host.worker = worker.get();
        script.answer = [this](const Event& event, EffectList&) { note(event); };
    }
    void note(const Event& event) {
        if (const auto* opened = std::get_if<ClientOpened>(&event)) client = opened->client;
    }
    void answer(std::function<void(const Event&, EffectList&)> with) {
        script.answer = [this, with = std::move(with)](const Event& event, EffectList& effects) {
            note(event);
            with(event, effects);
        };
    }
    UniqueFd connect() {
        SocketPair pair = make_pair();
        worker->promise_client();
        worker->open_client({std::move(pair.ours), ClientAddress{}});
        return std::move(pair.theirs);
    }
    bool until(const std::function<bool()>& done) { return run_until(loop, done); }
    bool heard(const std::string& event) {
        return until([&] { return script.count(event) > 0; });
    }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "bytes of a client reach the core, and its answer the client") {
    answer([](const Event& event, EffectList& effects) {
        const auto* bytes = std::get_if<ClientBytes>(&event);
        if (bytes == nullptr) return;
        effects.send(bytes->client, effects.keep(as_bytes("you said ")));
        effects.send(bytes->client, bytes->bytes);
    });
    const UniqueFd theirs = connect();
    CHECK(worker->client_count() == 1);
    say(theirs, "hello");
    CHECK(heard("client says hello"));
    CHECK(hear(theirs) == "you said hello");
}

TEST_CASE_FIXTURE(Fixture, "a client that ends is told as closed, once, and forgotten") {
    UniqueFd theirs = connect();
    theirs.reset();
    CHECK(heard("client closed"));
    CHECK(worker->client_count() == 0);
    const ClientId first = client;
    const UniqueFd next = connect();
    CHECK(client != first);
    CHECK(slot_of(client) == slot_of(first));
    CHECK(script.count("client closed") == 1);
}

TEST_CASE_FIXTURE(Fixture, "a client that the core closed is never named again") {
    answer([](const Event& event, EffectList& effects) {
        const auto* bytes = std::get_if<ClientBytes>(&event);
        if (bytes == nullptr) return;
        effects.push(SendToClient{bytes->client, as_bytes("bye")});
        effects.push(CloseClient{bytes->client, CloseMode::Flush});
        effects.push(SendToClient{bytes->client, as_bytes("not any more")});
    });
    UniqueFd theirs = connect();
    say(theirs, "x");
    CHECK(heard("client says x"));
    CHECK(worker->client_count() == 0);
    CHECK(until([&] { return hear(theirs) == "bye"; }));
    theirs.reset();
    run_for(loop, Duration::milliseconds(20));
    CHECK(script.events == std::vector<std::string>{"client opened", "client says x"});
}

TEST_CASE_FIXTURE(Fixture, "what effects cause is told after them, unless they made it moot") {
    const std::string large(2'000'000, 'x');
    bool also_close = false;
    SUBCASE("blocked") {}
    SUBCASE("blocked, but closed by a later effect") {
        also_close = true;
    }
    answer([&](const Event& event, EffectList& effects) {
        const auto* bytes = std::get_if<ClientBytes>(&event);
        if (bytes == nullptr) return;
        effects.push(SendToClient{bytes->client, as_bytes(large)});
        effects.log(LogLevel::Info, "after the send");
        if (also_close) effects.push(CloseClient{bytes->client, CloseMode::Abort});
    });
    const UniqueFd theirs = connect();
    say(theirs, "x");
    CHECK(heard("client says x"));
    CHECK(log.lines == std::vector<std::string>{"after the send"});
    CHECK(script.count("client blocked") == (also_close ? 0 : 1));
    if (also_close) return;
    CHECK(until([&] {
        hear(theirs);
        return script.count("client drained") == 1;
    }));
}

TEST_CASE_FIXTURE(Fixture, "a deadline wakes the core, not before and not never") {
    const Instant start = clock_now();
    script.deadline = start + Duration::milliseconds(50);
    Instant woken;
    answer([&](const Event& event, EffectList&) {
        if (!std::holds_alternative<Woken>(event)) return;
        if (clock_now() >= script.deadline) script.deadline = Instant::never();
        woken = clock_now();
    });
    CHECK(until([&] { return script.deadline.is_never(); }));
    CHECK(woken >= start + Duration::milliseconds(50));
    CHECK(woken < start + Duration::milliseconds(1000));
    const std::size_t times = script.count("woken");
    run_for(loop, Duration::milliseconds(30));
    CHECK(script.count("woken") == times);
}

TEST_CASE_FIXTURE(Fixture, "a deadline that comes nearer is kept") {
    script.deadline = clock_now() + Duration::seconds(100);
    run_for(loop, Duration::milliseconds(5));
    script.deadline = clock_now() + Duration::milliseconds(20);
    const UniqueFd theirs = connect();
    CHECK(heard("woken"));
}

TEST_CASE_FIXTURE(Fixture, "a server is dialed, spoken to and closed") {
    const std::string path = folder.file(".s.PGSQL.5432");
    SocketAddress address;
    REQUIRE(SocketAddress::unix_path(path, address));
    const UniqueFd listening = open_socket(AF_UNIX);
    REQUIRE(::bind(listening.get(), address.get(), address.length) == 0);
    REQUIRE(::listen(listening.get(), 5) == 0);
    IdAllocator<ServerId> ids(0);
    const ServerId server = ids.allocate();
    answer([&](const Event& event, EffectList& effects) {
        if (std::holds_alternative<ClientOpened>(event)) {
            effects.push(OpenServer{server, {folder.text(), 5432}});
        } else if (std::holds_alternative<ServerOpened>(event)) {
            effects.push(SendToServer{server, as_bytes("hello node")});
        } else if (std::holds_alternative<ServerBytes>(event)) {
            effects.push(SendToServer{server, as_bytes("X")});
            effects.push(CloseServer{server});
        }
    });
    const UniqueFd theirs = connect();
    CHECK(heard("server opened"));
    UniqueFd node(::accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK));
    REQUIRE(node);
    CHECK(hear(node) == "hello node");
    say(node, "hello pooler");
    CHECK(heard("server says hello pooler"));
    CHECK(until([&] { return hear(node) == "X"; }));
    CHECK(until([&] { return is_closed(node); }));
    CHECK(script.count("server closed") == 0);
}

TEST_CASE_FIXTURE(Fixture,
                  "a server that can't be reached is told so, unless the core has given up") {
    IdAllocator<ServerId> ids(0);
    const ServerId server = ids.allocate();
    bool gives_up = false;
    SUBCASE("told") {}
    SUBCASE("given up") {
        gives_up = true;
    }
    answer([&](const Event& event, EffectList& effects) {
        if (!std::holds_alternative<ClientOpened>(event)) return;
        effects.push(OpenServer{server, {folder.text(), 5432}});
        if (gives_up) effects.push(CloseServer{server});
    });
    const UniqueFd theirs = connect();
    run_for(loop, Duration::milliseconds(20));
    CHECK(script.count("server open failed") == (gives_up ? 0 : 1));
}

TEST_CASE_FIXTURE(Fixture, "a message to a worker comes back as an event of its own") {
    answer([](const Event& event, EffectList& effects) {
        if (!std::holds_alternative<ClientOpened>(event)) return;
        effects.push(Post{3, std::make_unique<Message>()});
        effects.push(AskProcess{ProcessRequest::Reload, {}});
    });
    const UniqueFd theirs = connect();
    CHECK(host.posts == std::vector<WorkerIndex>{3});
    CHECK(host.asked == std::vector<ProcessRequest>{ProcessRequest::Reload});
    CHECK(script.count("posted") == 0);
    CHECK(heard("posted"));
}

TEST_CASE_FIXTURE(Fixture, "a client is secured with what it was told before still in clear") {
    CertificateAuthority authority(folder);
    authority.issue("node", {"db.example", ""});
    settings->tls.client_tls_sslmode.assign(TlsMode::Require);
    settings->tls.client_tls_cert_file.assign(folder.file("node.crt"));
    settings->tls.client_tls_key_file.assign(folder.file("node.key"));
    start();
    answer([](const Event& event, EffectList& effects) {
        const auto* bytes = std::get_if<ClientBytes>(&event);
        if (bytes == nullptr) return;
        if (as_text(bytes->bytes) == "ssl?") {
            effects.push(SendToClient{bytes->client, as_bytes("S")});
            effects.push(StartClientTls{bytes->client, {}});
        } else {
            effects.push(SendToClient{bytes->client, as_bytes("secret answer")});
        }
    });
    UniqueFd theirs = connect();
    say(theirs, "ssl?");
    CHECK(heard("client says ssl?"));
    CHECK(hear(theirs) == "S");

    const TlsContexts contexts(*settings, "");
    StreamShared shared(loop.get());
    RecordingOwner owner;
    Stream* stream = Stream::open(shared, owner, Side::Server, 1, std::move(theirs));
    stream->start_tls(contexts.connect("", TlsMode::Require), {});
    CHECK(heard("client secured"));
    CHECK(until([&] { return owner.secured == 1; }));
    stream->send(as_bytes("secret question"));
    CHECK(heard("client says secret question"));
    CHECK(until([&] { return owner.received == "secret answer"; }));
    stream->close();
}

TEST_CASE_FIXTURE(Fixture,
                  "TLS that is not configured closes the client that the core starts it for") {
    answer([](const Event& event, EffectList& effects) {
        const auto* bytes = std::get_if<ClientBytes>(&event);
        if (bytes != nullptr) effects.push(StartClientTls{bytes->client, {}});
    });
    const UniqueFd theirs = connect();
    say(theirs, "x");
    CHECK(heard("client closed"));
    run_for(loop, Duration::milliseconds(5));
    CHECK(is_closed(theirs));
}

TEST_CASE_FIXTURE(Fixture, "a worker stops when the core has, and the last client is flushed") {
    answer([this](const Event& event, EffectList& effects) {
        if (!std::holds_alternative<ShutdownRequested>(event)) return;
        effects.push(SendToClient{client, as_bytes("57P01")});
        effects.push(CloseClient{client});
        effects.push(Stopped{});
    });
    UniqueFd theirs = connect();
    worker->put(ShutdownRequested{});
    CHECK(heard("shutdown requested"));
    CHECK(host.stopped == 0);
    CHECK(hear(theirs) == "57P01");
    theirs.reset();
    CHECK(until([&] { return host.stopped == 1; }));
}

TEST_CASE_FIXTURE(Fixture, "connections that never finish are bounded in number") {
    answer([](const Event& event, EffectList& effects) {
        const auto* opened = std::get_if<ClientOpened>(&event);
        if (opened == nullptr) return;
        effects.push(SendToClient{opened->client, as_bytes("too many")});
        effects.push(CloseClient{opened->client});
    });
    std::deque<UniqueFd> all;
    for (std::size_t i = 0; i < Worker::kFinishingMax / 2; ++i) all.push_back(connect());
    run_for(loop, Duration::milliseconds(5));
    for (const UniqueFd& each : all) CHECK(hear(each) == "too many");
    // All of them can still speak, though nobody listens: none was cut off.
    say(all.front(), "x");
    for (std::size_t i = 0; i < Worker::kFinishingMax / 2 + 1; ++i) all.push_back(connect());
    run_for(loop, Duration::milliseconds(5));
    std::size_t cut_off = 0;
    for (const UniqueFd& each : all) {
        cut_off += ::send(each.get(), "x", 1, MSG_NOSIGNAL) < 0 ? 1 : 0;
    }
    CHECK(cut_off == 1);
}

TEST_CASE_FIXTURE(Fixture, "looks are made and told; what is open ends with the worker") {
    FakePostgresql node;
    auto login = std::make_shared<MonitorLogin>();
    login->user = login->database = "watcher";
    login->tls_mode = TlsMode::Disable;
    answer([&](const Event& event, EffectList& effects) {
        if (!std::holds_alternative<ClientOpened>(event)) return;
        effects.push(ForgetNode{NodeId{1}});  // Nobody looks yet.
        effects.push(
            LookAtNode{NodeId{1}, {"127.0.0.1", node.port()}, false, Duration::seconds(5), login});
        effects.push(ResolveNode{{"127.0.0.1", 6000}});
    });
    const auto observed = [&](std::size_t times) {
        return until([&] {
            node.turn();
            return script.count("node observed") == times;
        });
    };
    const UniqueFd first = connect();
    CHECK(script.count("node resolved 127.0.0.1") == 1);
    CHECK(observed(1));
    SUBCASE("between looks") {
        worker.reset();
    }
    SUBCASE("in the middle of a look") {
        node.answers = false;
        const UniqueFd second = connect();
        run_for(loop, Duration::milliseconds(5));
        worker.reset();
    }
    SUBCASE("forgotten") {
        answer([&](const Event& event, EffectList& effects) {
            if (std::holds_alternative<ClientOpened>(event)) effects.push(ForgetNode{NodeId{1}});
        });
        const UniqueFd second = connect();
    }
    CHECK(until([&] {
        node.turn();
        return is_closed(node.latest().socket);
    }));
}
