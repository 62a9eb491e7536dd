// SPDX-License-Identifier: PostgreSQL
// The network: connections as two streams of bytes with delay, cuts at any byte, and everything
// that can go wrong with them. Nothing is delivered from within a call: every delivery is its own
// happening, so no state changes under anybody's feet.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "pgweir/base/byte_queue.h"
#include "pgweir/base/random.h"
#include "sim/agenda.h"
#include "sim/transcript.h"

namespace pgweir::sim {

// One end of a connection; the two ends of one differ in the last bit.
using Socket = std::uint32_t;
constexpr Socket kNoSocket = 0xffffffffU;
constexpr Socket other_end(Socket socket) {
    return socket ^ 1U;
}

class Endpoint {
 public:
    Endpoint() = default;
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;
    virtual ~Endpoint() = default;
    // The dialer's end only: connected, or not.
    virtual void opened(Socket) {}
    virtual void refused(Socket) {}
    virtual void received(Socket, ByteView bytes) = 0;
    // Nothing follows, and nothing can be sent.
    virtual void closed(Socket, std::string_view reason) = 0;
    virtual void blocked(Socket) {}
    virtual void drained(Socket) {}
};

class Listener {
 public:
    Listener() = default;
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    virtual ~Listener() = default;
    // Null: refused.
    virtual Endpoint* accept(Socket socket) = 0;
};

// How a kind of connection behaves; "one in n" of 0 means never.
struct LinkWeather {
    Duration delay_max = Duration::microseconds(300);
    std::uint64_t split_one_in = 4;   // Deliveries that are cut at a random byte.
    std::uint64_t drip_one_in = 0;    // Connections that deliver byte by byte for a while.
    std::uint64_t reset_one_in = 0;   // Connections that are reset at a random byte.
    std::uint64_t silent_one_in = 0;  // Connections that fall silent in one direction.
    std::uint64_t refuse_one_in = 0;
    std::uint64_t hang_one_in = 0;  // Connections that are never answered.
    std::uint64_t slow_accept_one_in = 0;
};

enum class CloseHow : std::uint8_t { Flush, Abort };

class SimNetwork final : public Actor {
 public:
    static constexpr std::size_t kHighWater = 64 * 1024;
    static constexpr std::size_t kLowWater = 16 * 1024;
    // How long an orderly close waits for a reader that does not read.
    static constexpr Duration kLinger = Duration::seconds(5);

    SimNetwork(Agenda& agenda, Random& random, Transcript& transcript)
        : agenda_(agenda), random_(random), transcript_(transcript) {}

    Socket connect(Endpoint& dialer, Listener& listener, const LinkWeather& weather);
    void write(Socket from, ByteView bytes);
    // The caller hears nothing more of this connection.
    void close(Socket from, CloseHow how);
    // The receiving end stops and goes on reading.
    void pause(Socket reader);
    void resume(Socket reader);
    // As write, and read at once: nothing can cross it on its way. REQUIRES: nothing is in flight.
    void write_at_once(Socket from, ByteView bytes);
    // Kills the connection for both ends.
    void reset(Socket either);

    // Bytes written at this end that the other one has not read yet.
    std::size_t in_flight(Socket from) const;
    // All bytes ever written at this end, and those that the other end has read.
    std::uint64_t written(Socket from) const { return stream(from).written; }
    std::uint64_t delivered(Socket from) const { return stream(from).delivered; }
    bool is_open(Socket socket) const;

    // From now on the weather is fine: what hangs or is silent is reset.
    void heal();
    std::uint64_t open_links() const { return open_links_; }

    void on_time(std::uint32_t what, std::uint64_t detail) override;

 private:
    enum What : std::uint32_t { Connect, Deliver, End, Linger, Pressure };
    enum class State : std::uint8_t { Dialing, Open, Closed };
    struct Stream {  // What one end writes.
        ByteQueue bytes;
        std::uint64_t written = 0;
        std::uint64_t delivered = 0;
        std::uint64_t reset_at = ~0ULL;
        std::uint64_t silent_at = ~0ULL;
        std::uint64_t drip_left = 0;
        bool scheduled = false;
        bool reader_paused = false;
        bool finishing = false;  // The writer has closed; an end of file follows the bytes.
        bool told_blocked = false;
        bool silent = false;
    };
    struct Link {
        std::array<Stream, 2> streams;
        std::array<Endpoint*, 2> ends{};  // Null once that end has closed or was told so.
        Listener* listener = nullptr;
        LinkWeather weather;
        State state = State::Dialing;
        bool hanging = false;
        std::int64_t delay_us = 0;
    };

    Link& link(Socket socket) { return *links_[socket >> 1]; }
    Stream& stream(Socket from) { return links_[from >> 1]->streams[from & 1]; }
    const Stream& stream(Socket from) const { return links_[from >> 1]->streams[from & 1]; }
    Duration some_delay(const Link& link);
    bool happens(std::uint64_t one_in) { return one_in != 0 && random_.one_in(one_in); }
    void establish(Socket dialer);
    void schedule(Socket from);
    void deliver(Socket from);
    std::size_t portion(Link& link, Stream& stream);
    void end(Socket from);
    void watch_pressure(Socket from);
    void finish(Link& link);

    Agenda& agenda_;
    Random& random_;
    Transcript& transcript_;
    std::vector<std::unique_ptr<Link>> links_;
    Bytes portion_;
    std::uint64_t open_links_ = 0;
    bool healed_ = false;
};

}  // namespace pgweir::sim
