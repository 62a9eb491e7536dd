// SPDX-License-Identifier: PostgreSQL
// A server that a test scripts, connection by connection: for what PostgreSQL never does.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "messages.h"
#include "process.h"

namespace pgweir::integration {

// One accepted connection. Every read ends in time; when the peer is gone, read() says nothing.
class FakeConnection {
 public:
    FakeConnection(int descriptor, std::size_t number) : descriptor_(descriptor), number_(number) {}

    // 0 for the first connection that was accepted.
    std::size_t number() const { return number_; }
    // A StartupMessage, SSLRequest or CancelRequest: its body after the length, or "" at the end.
    std::string read_startup();
    std::optional<Message> read();
    // Reads on until a message of that type was read; false at the end.
    bool read_until(char type);
    void send(std::string_view bytes);
    // Reads and forgets until the peer closes.
    void wait_for_end();

    // Login by trust: reads the StartupMessage, answers up to ReadyForQuery. False for anything
    // else (a cancel request).
    bool accept_login();
    // What a server says from AuthenticationOk up to ReadyForQuery.
    void finish_login();
    // Answers every simple query with one row of that text, until the peer leaves.
    void serve(const std::string& text);

 private:
    bool fill(std::size_t count);

    int descriptor_;
    std::size_t number_;
    std::string unread_;
};

class FakeServer {
 public:
    using Script = std::function<void(FakeConnection&)>;

    // Every connection runs the script in a thread of its own and is closed when it returns.
    explicit FakeServer(Script script);
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;
    ~FakeServer();

    std::uint16_t port() const { return port_; }
    // How many connections were accepted so far, and how many scripts still run.
    std::size_t accepted() const { return accepted_; }
    std::size_t open() const { return open_; }

 private:
    void accept_all();

    Script script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::size_t> accepted_{0};
    std::atomic<std::size_t> open_{0};
    std::mutex mutex_;
    std::list<int> descriptors_;      // Guarded by mutex_.
    std::list<std::thread> scripts_;  // Only the accepting thread adds.
    std::thread accepting_;
};

}  // namespace pgweir::integration
