// SPDX-License-Identifier: PostgreSQL
// The process with scripts in place of its cores: who gets which client, signals, reload, the end.
#include "io/process.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>

#include <atomic>
#include <mutex>
#include <set>

#include "helpers.h"
#include "pgweir/config/toml_reader.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

namespace {

// What the cores of all workers have noted; they live on several threads.
struct Notes {
    std::mutex mutex;
    std::vector<std::string> all;

    void add(std::string text) {
        const std::lock_guard lock(mutex);
        all.push_back(std::move(text));
    }
    std::ptrdiff_t count(std::string_view text) {
        const std::lock_guard lock(mutex);
        return std::count(all.begin(), all.end(), text);
    }
};

// Greets each client with the number of its worker; "r" asks for a reload, "s" for a shutdown.
class GreetingCore final : public Core {
 public:
    GreetingCore(const CoreParts& parts, Notes& notes) : worker_(parts.worker), notes_(notes) {}

    void handle(Event&& event, Instant, EffectList& effects) override {
        if (const auto* opened = std::get_if<ClientOpened>(&event)) {
            clients_.push_back(opened->client);
            const std::string number = std::to_string(worker_);
            effects.send(opened->client, effects.keep(as_bytes(number)));
        } else if (const auto* bytes = std::get_if<ClientBytes>(&event)) {
            const auto request =
                as_text(bytes->bytes) == "r" ? ProcessRequest::Reload : ProcessRequest::Shutdown;
            effects.push(AskProcess{request, bytes->client});
        } else if (const auto* closed = std::get_if<ClientClosed>(&event)) {
            std::erase(clients_, closed->client);
        } else if (const auto* changed = std::get_if<SettingsChanged>(&event)) {
            notes_.add("pool size " +
                       std::to_string(changed->settings->limits.default_pool_size()));
        } else if (const auto* reload = std::get_if<ReloadFinished>(&event)) {
            notes_.add(reload->failure.empty() ? "reloaded" : reload->failure);
            for (const std::string& notice : reload->notices) notes_.add(notice);
            effects.send(reload->client, as_bytes("done"));
        } else if (const auto* shutdown = std::get_if<ShutdownRequested>(&event)) {
            notes_.add(shutdown->mode == ShutdownMode::Drain ? "drain" : "now");
            for (const ClientId client : clients_) effects.push(CloseClient{client});
            effects.push(Stopped{});
        }
    }
    Instant next_deadline() override { return Instant::never(); }

 private:
    WorkerIndex worker_;
    Notes& notes_;
    std::vector<ClientId> clients_;
};

struct Fixture {
    TemporaryFolder folder;
    Notes notes;
    ConfigFiles files{folder.file("pgweir.toml"), [this](std::string_view text) {
                          return config::read_toml(text, folder.file("pgweir.toml"));
                      }};
    LogSink log{{.file = folder.file("log")}};
    ServiceManager services{""};

    void configure(int pool_size, const std::string& more = "") {
        folder.write("pgweir.toml",
                     "[pgweir]\nlisten = [\"127.0.0.1:0\"]\nlog_file = \"log\"\n" + more +
                         "[limits]\ndefault_pool_size = " + std::to_string(pool_size) + "\n");
    }
    // Runs the process; `user` acts on a thread of its own once it is ready.
    void run(WorkerIndex workers, const std::function<void(std::uint16_t port)>& user) {
        Process process({.files = files,
                         .configuration = files.load(),
                         .log = log,
                         .services = services,
                         .workers = workers,
                         .make_core = [this](const CoreParts& parts) {
                             return std::make_unique<GreetingCore>(parts, notes);
                         }});
        process.bind();
        const std::string address = process.addresses().at(0);
        const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(10)));
        std::thread thread;
        process.run([&] { thread = std::thread([&user, port] { user(port); }); });
        thread.join();
    }
    static bool wait_for(const std::function<bool()>& done) {
        for (int i = 0; i < 5000 && !done(); ++i) uv_sleep(1);
        return done();
    }
};

struct User {
    explicit User(std::uint16_t port) {
        SocketAddress address;
        REQUIRE(SocketAddress::numeric("127.0.0.1", port, address));
        fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::connect(fd.get(), address.get(), address.length) == 0);
    }
    std::string next() const {
        pollfd waiting{fd.get(), POLLIN, 0};
        ::poll(&waiting, 1, 5000);
        return hear(fd);
    }
    UniqueFd fd;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "clients are spread over the workers, and SIGTERM ends them all") {
    configure(20);
    run(3, [&](std::uint16_t port) {
        std::multiset<std::string> greetings;
        std::vector<User> users;
        for (int i = 0; i < 6; ++i) {
            users.emplace_back(port);
            greetings.insert(users.back().next());
        }
        CHECK(greetings == std::multiset<std::string>{"0", "0", "1", "1", "2", "2"});
        ::kill(::getpid(), SIGTERM);
        for (const User& user : users) {
            CHECK(wait_for([&] { return is_closed(user.fd); }));
        }
    });
    CHECK(notes.count("drain") == 3);
}

TEST_CASE_FIXTURE(Fixture, "SIGQUIT does not wait, and the console may ask for a shutdown") {
    configure(20);
    run(2, [](std::uint16_t) { ::kill(::getpid(), SIGQUIT); });
    CHECK(notes.count("now") == 2);
    run(2, [](std::uint16_t port) {
        const User user(port);
        user.next();
        say(user.fd, "s");
        CHECK(wait_for([&] { return is_closed(user.fd); }));
    });
    CHECK(notes.count("drain") == 2);
}

TEST_CASE_FIXTURE(Fixture, "SIGHUP gives all workers the new settings, or none if they are wrong") {
    configure(20);
    run(2, [this](std::uint16_t) {
        configure(30);
        ::kill(::getpid(), SIGHUP);
        CHECK(wait_for([&] { return notes.count("pool size 30") == 2; }));
        folder.write("pgweir.toml", "[limits]\ndefault_pool_sise = 40\n");
        ::kill(::getpid(), SIGHUP);
        CHECK(wait_for([&] {
            log.flush();
            return folder.read("log").find("the configuration stays as it was") !=
                   std::string::npos;
        }));
        CHECK(folder.read("log").find("default_pool_size") != std::string::npos);
        ::kill(::getpid(), SIGTERM);
    });
    CHECK(notes.count("pool size 40") == 0);
}

TEST_CASE_FIXTURE(Fixture, "who asks for a reload is told what came of it") {
    configure(20);
    run(2, [this](std::uint16_t port) {
        const User user(port);
        user.next();
        configure(50, "workers = 7\n");
        say(user.fd, "r");
        CHECK(user.next() == "done");
        CHECK(notes.count("reloaded") == 1);
        CHECK(notes.count("workers has changed in the file, but takes a restart") == 1);
        folder.write("pgweir.toml", "nonsense");
        say(user.fd, "r");
        CHECK(user.next() == "done");
        say(user.fd, "s");
        CHECK(wait_for([&] { return is_closed(user.fd); }));
    });
    CHECK(notes.count("pool size 50") == 2);
    CHECK(notes.count("reloaded") == 1);
}
