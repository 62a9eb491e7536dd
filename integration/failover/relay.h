// SPDX-License-Identifier: PostgreSQL
// A network between pgweir and a node that can fall silent: bytes of one direction, or of both, are
// not carried on, and neither side is told. What was underway arrives when the cut is mended, as
// TCP would send it again.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <thread>

namespace pgweir::integration {

class Relay {
 public:
    // Carries connections on to that port of 127.0.0.1.
    explicit Relay(std::uint16_t to);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;
    ~Relay();

    std::uint16_t port() const { return port_; }
    enum class Cut { None, ToServer, FromServer, Both };
    // In force when it returns. New connections are accepted, as by a host whose backlog has room,
    // and nothing comes of them before the cut is mended.
    void cut(Cut what);

 private:
    struct Pair;

    void run();
    void accept_one();
    void wake(char what);

    std::uint16_t to_;
    std::uint16_t port_ = 0;
    int listener_ = -1;
    int wake_[2] = {-1, -1};
    int answered_[2] = {-1, -1};
    std::atomic<Cut> cut_{Cut::None};
    std::list<std::unique_ptr<Pair>> pairs_;  // Only the thread looks at them.
    std::thread thread_;
};

}  // namespace pgweir::integration
