// SPDX-License-Identifier: PostgreSQL
// A client of bare sockets that says whatever a test wants it to say, and writes down what it
// hears.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages.h"
#include "test_cluster.h"

struct ssl_st;
struct ssl_ctx_st;

namespace pgweir::integration {

struct TlsWishes {
    bool alpn = false;  // Offers "postgresql", as direct TLS must.
    std::string certificate = {};
    std::string key = {};
};

class RawClient {
 public:
    // Connects the socket (TCP, or the Unix socket below a host that begins with '/').
    explicit RawClient(const Target& target);
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;
    ~RawClient();

    // A peer that has closed meanwhile is no error: the next read says so.
    void send(std::string_view bytes);
    // As send, one byte per segment.
    void send_bytewise(std::string_view bytes);
    // Sends without blocking; how many bytes the kernel took.
    std::size_t send_some(std::string_view bytes);

    // The next message; nothing once the peer has closed. HarnessError when neither comes in time.
    // Everything read is added to the transcript.
    std::optional<Message> read();
    // Reads on until a message of that type (it is the last of the result), or the end.
    std::vector<Message> read_until(char type);
    std::vector<Message> read_until_ready() { return read_until('Z'); }
    // Reads everything up to the peer's close.
    std::vector<Message> read_to_end();
    // One bare byte (the answer to SSLRequest), 0 at the end.
    char read_byte();
    // The peer has closed, and everything it said was read.
    bool is_ended() const { return ended_ && unread_.empty(); }
    // Whether anything (also an end) can be read within the time.
    bool has_something(std::chrono::milliseconds within);
    // Nothing came, and nothing comes within a short while: for "the server waits".
    bool is_silent();

    // TLS over the socket as it is; false if the handshake fails.
    bool start_tls(const TlsWishes& wishes = {});
    // The serial number of the peer's certificate, in hex.
    std::string peer_serial() const;

    // Sends the StartupMessage of the target and reads up to ReadyForQuery; trust only.
    // The transcript starts anew after it.
    void login(const Parameters& more = {});
    // The rest of a login after the startup was sent; cleartext, md5 and trust.
    std::vector<Message> finish_login(const std::string& password);

    // Sends, reads up to ReadyForQuery (or the end).
    std::vector<Message> ask(std::string_view bytes);

    enum class End { Orderly, Reset };
    void close(End how = End::Orderly);
    // No more will be sent; reading goes on.
    void shut_down_sending();

    const Target& target() const { return target_; }
    int socket() const { return socket_; }
    std::int64_t process() const { return process_; }
    const std::string& key() const { return key_; }
    // What was read, one line per message; "closed" for the end.
    const std::vector<std::string>& transcript() const { return transcript_; }
    void forget_transcript() { transcript_.clear(); }
    void note(const std::string& line) { transcript_.push_back(line); }

 private:
    bool fill();

    Target target_;
    int socket_ = -1;
    std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
    std::unique_ptr<ssl_st, void (*)(ssl_st*)> tls_;
    std::string unread_;
    bool ended_ = false;
    std::int64_t process_ = 0;
    std::string key_;
    std::vector<std::string> transcript_;
};

}  // namespace pgweir::integration
