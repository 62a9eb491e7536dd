// SPDX-License-Identifier: PostgreSQL
// One TCP or Unix connection, to a client or to a server: reading, writing, watermarks, TLS. It
// knows bytes and their flow; what they mean is the core's.
//
// While it is idle it holds no buffer: reads go into a buffer that all streams of a worker share,
// writes go to the kernel at once, and only what the kernel doesn't take waits here.
#pragma once

#include <uv.h>

#include <memory>
#include <span>
#include <string>

#include "io/tls_session.h"
#include "io/unique_fd.h"
#include "pgweir/base/byte_queue.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/instant.h"
#include "pgweir/proxy/event.h"

namespace pgweir::io {

class Stream;

// Whoever owns streams is told by these what happens to them. None of them is called from within
// send(), start_tls(), pause() or resume() except on_blocked, on_secured and on_closed, which the
// owner must therefore be able to keep for later.
class StreamOwner {
 public:
    virtual void on_bytes(Stream& stream, ByteView bytes) = 0;
    virtual void on_secured(Stream& stream, TlsPeer peer) = 0;
    // Nothing more will come or go; the owner closes the stream. Called once.
    virtual void on_closed(Stream& stream, std::string reason) = 0;
    virtual void on_blocked(Stream& stream) = 0;
    virtual void on_drained(Stream& stream) = 0;
    // What finish() began is done; the owner closes the stream.
    virtual void on_finished(Stream& stream) = 0;

 protected:
    ~StreamOwner() = default;
};

// What the streams of one worker share.
struct StreamShared {
    static constexpr std::size_t kReadBytes = 64 * 1024;

    explicit StreamShared(uv_loop_t* loop_of_worker) : loop(loop_of_worker) {}

    uv_loop_t* loop;
    std::unique_ptr<Byte[]> read_buffer{new Byte[kReadBytes]};
    TlsBuffers tls;
    // Bytes that wait to go out: more than `high_watermark` block the stream, and it is drained
    // when fewer than `low_watermark` are left.
    std::size_t high_watermark = 256 * 1024;
    std::size_t low_watermark = 64 * 1024;
};

enum class Side : std::uint8_t { Client, Server };

class Stream {
 public:
    // A connected socket that does not block. It is read from the first turn of the loop on.
    static Stream* open(StreamShared& shared, StreamOwner& owner, Side side, std::uint64_t id,
                        UniqueFd fd);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    Side side() const { return side_; }
    std::uint64_t id() const { return id_; }
    std::size_t waiting_bytes() const { return out_.size(); }
    bool is_secured() const { return tls_ != nullptr && tls_->is_secured(); }

    // In this order, after what was sent before.
    void send(ByteView bytes) { send(std::span<const ByteView>(&bytes, 1)); }
    void send(std::span<const ByteView> pieces);

    // The handshake begins; on_secured or on_closed follows. `received` was read already.
    void start_tls(std::unique_ptr<TlsSession> session, ByteView received);

    // Does not wait until the loop says that there is something to read.
    void read_now();
    void pause();
    void resume();

    // An orderly end: what was sent goes out, then on_finished. Nothing else is reported any more.
    void finish();
    // At once. The object is gone at the end of the loop's turn, and must not be used any more.
    void close();

    // For the owner's list of streams that finish: when its patience ends, and where it stands.
    struct Finishing {
        Instant deadline;
        std::size_t position = 0;
    };
    Finishing finishing;

 private:
    enum class State : std::uint8_t {
        Open,
        Broken,     // on_closed was called.
        Finishing,  // finish() was called.
        Closing,    // close() was called.
    };

    Stream(StreamShared& shared, StreamOwner& owner, Side side, std::uint64_t id, UniqueFd fd);
    ~Stream() = default;

    static void on_poll(uv_poll_t* poll, int status, int events);
    void on_error();
    void on_readable();
    void on_writable();
    void on_cipher(ByteView cipher);
    void discard_input();

    void send_plain(std::span<const ByteView> pieces);
    void encrypt(std::span<const ByteView> pieces);
    void encrypt_record(ByteView plain);
    void flush_cipher();
    // How many of the bytes the kernel took.
    std::size_t write_one(ByteView piece);
    std::size_t write_all(std::span<const ByteView> pieces, std::size_t total);
    std::size_t written(ssize_t n);
    void keep_rest(std::span<const ByteView> pieces, std::size_t taken);
    void output_failed();
    void output_empty();
    void fail(std::string reason);
    // Tells the loop what this stream waits for, if that has changed.
    void watch();

    uv_poll_t poll_;
    StreamShared& shared_;
    StreamOwner& owner_;
    const std::uint64_t id_;
    ByteQueue out_;
    std::unique_ptr<TlsSession> tls_;
    UniqueFd fd_;
    const Side side_;
    State state_ = State::Open;
    std::uint8_t watched_ = 0;
    bool reading_ = true;
    bool blocked_ = false;
    bool output_failed_ = false;
    bool sent_last_ = false;  // The latest thing that happened here was a send.
};

// An idle client costs a stream, a session and a few table entries: less than 2 KiB in all.
static_assert(sizeof(Stream) <= 320);

}  // namespace pgweir::io
