// SPDX-License-Identifier: PostgreSQL
// One TLS connection between two buffers: cipher text in and out, plain text in and out. It knows
// no socket; see stream.h.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "pgweir/base/bytes.h"
#include "pgweir/proxy/event.h"

struct ssl_st;
struct ssl_ctx_st;

namespace pgweir::io {

// What the TLS sessions of one worker share. Each is empty between two calls of a stream.
struct TlsBuffers {
    // Plain text of one read: what the cipher text held, and at most one record from before.
    static constexpr std::size_t kPlainBytes = 96 * 1024;
    // One record at most (RFC 8446, 5.1).
    static constexpr std::size_t kRecordBytes = 16 * 1024;

    Byte* plain();
    Byte* record();
    Bytes cipher;

 private:
    std::unique_ptr<Byte[]> plain_;
    std::unique_ptr<Byte[]> record_;
};

enum class TlsRole : std::uint8_t { Server, Client };
enum class TlsAlpn : std::uint8_t { Optional, Required };

class TlsSession {
 public:
    // A session of the context `context`, which it keeps alive.
    TlsSession(ssl_ctx_st* context, TlsRole role, TlsAlpn alpn);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    // As the client, before the handshake: who the server should be. An empty name is not checked.
    enum class Verify : std::uint8_t { Nothing, Chain, ChainAndName };
    void expect_server(const std::string& host, Verify verify);

    // Cipher text to work on. REQUIRES: the former was used up.
    void give(ByteView cipher) { input_ = cipher; }
    void drop_input() { input_ = {}; }

    enum class Outcome : std::uint8_t { NeedsInput, Done, Ended, Failed };
    // What it wants to send is appended to `output`, in these, too.
    Outcome handshake(Bytes& output);
    // `n` bytes were put into `plain`. NeedsInput: the input is used up. Done: `plain` is full.
    Outcome read(std::span<Byte> plain, std::size_t& n, Bytes& output);
    Outcome write(ByteView plain, Bytes& output);
    // close_notify.
    void end(Bytes& output);

    bool is_secured() const { return secured_; }
    TlsPeer peer() const;
    // After Failed.
    const std::string& failure() const { return failure_; }

 private:
    friend struct TlsBio;

    Outcome outcome_of(int result);
    std::string describe_failure(int ssl_error, unsigned long code) const;
    // RFC 5929, 4.1.
    Bytes server_end_point() const;

    ssl_st* ssl_;
    ByteView input_;
    Bytes* output_ = nullptr;
    const TlsRole role_;
    const TlsAlpn alpn_;
    bool secured_ = false;
    std::string failure_;
};

}  // namespace pgweir::io
