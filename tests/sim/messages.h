// SPDX-License-Identifier: PostgreSQL
// Protocol messages for the simulated clients and servers. Written apart from pgweir's own wire
// floor on purpose: a shared mistake would hide itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgweir/base/bytes.h"

namespace pgweir::sim {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// Appends one message to `out`; its length is filled in at the end of its life.
class MessageWriter {
 public:
    MessageWriter(Bytes& out, char tag);
    ~MessageWriter();
    MessageWriter(const MessageWriter&) = delete;
    MessageWriter& operator=(const MessageWriter&) = delete;

    MessageWriter& u8(std::uint8_t value);
    MessageWriter& u16(std::size_t value);
    MessageWriter& u32(std::size_t value);
    MessageWriter& text(std::string_view value);  // With its final zero.
    MessageWriter& raw(std::string_view value);
    MessageWriter& field(std::string_view value);  // length:u32 bytes

 private:
    Bytes& out_;
    std::size_t start_;
};

// A message's fields, front to back; false in `ok` once something did not fit.
struct FieldCursor {
    ByteView rest;
    bool ok = true;

    std::uint8_t u8();
    std::uint16_t u16();
    std::uint32_t u32();
    std::string_view text();
    std::string_view raw(std::size_t n);
};

Bytes startup_packet(std::uint32_t version, const Parameters& parameters);
Bytes special_packet(std::uint32_t code, ByteView rest = {});  // SSLRequest, CancelRequest, …

constexpr std::uint32_t kProtocol3 = 196608;
constexpr std::uint32_t kCancelRequest = 80877102;
constexpr std::uint32_t kSslRequest = 80877103;
constexpr std::uint32_t kGssRequest = 80877104;

void write_error(Bytes& out, char tag, std::string_view severity, std::string_view sqlstate,
                 std::string_view message);
// The field of an ErrorResponse or NoticeResponse, e.g. 'C'; empty if it has none.
std::string_view error_field(ByteView body, char field);

// Every request of the simulation carries a token that names its client: "@client.request@".
struct Token {
    std::uint32_t client = 0;
    std::uint32_t request = 0;
    auto operator<=>(const Token&) const = default;
    std::uint64_t key() const { return (std::uint64_t{client} << 32) | request; }
};
std::string token_text(Token token);
// The first token in these bytes.
std::optional<Token> find_token(ByteView bytes);

// Cuts a stream of tagged messages into frames; keeps only what is not whole yet.
class FrameCutter {
 public:
    void append(ByteView bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
    struct Frame {
        char tag;
        ByteView body;  // Valid until the next append.
    };
    std::optional<Frame> next();
    // True if the stream can't be protocol: a length below 4 or absurdly long.
    bool broken() const { return broken_; }
    // `n` untagged bytes at the front, taken out when they are there.
    std::optional<ByteView> take(std::size_t n);
    ByteView unread() const { return ByteView(buffer_).subspan(begin_); }
    bool empty() const { return begin_ == buffer_.size(); }
    void clear();

 private:
    void compact();

    Bytes buffer_;
    std::size_t begin_ = 0;
    bool broken_ = false;
};

}  // namespace pgweir::sim
