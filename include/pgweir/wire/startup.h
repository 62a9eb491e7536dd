// SPDX-License-Identifier: PostgreSQL
// The first packet of a connection, the only messages without a tag.
//   Startup packet = length:u32be code:u32be body[length - 8]
// "Message Formats": StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/base/result.h"

namespace pgweir::wire {

constexpr std::uint32_t kStartupLengthMin = 8;
// PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
constexpr std::uint32_t kStartupLengthMax = 10000;
constexpr std::uint16_t kProtocolMajor = 3;
constexpr std::uint16_t kProtocolMinorMax = 2;
constexpr std::size_t kCancelSecretMin = 4;
constexpr std::size_t kCancelSecretMax = 256;

using Parameter = std::pair<std::string, std::string>;
using Parameters = std::vector<Parameter>;

struct StartupMessage {
    std::uint16_t major = 0;
    std::uint16_t minor = 0;
    Parameters parameters;  // All of them, in the client's order, `_pq_.` options included.

    // The value of the last parameter of that name; empty without one.
    std::string_view value_of(std::string_view name) const;
    std::string_view user() const { return value_of("user"); }
    // "Defaults to the user name."
    std::string_view database() const;
    std::string_view replication() const { return value_of("replication"); }
    std::string_view options() const { return value_of("options"); }

    // Protocol options that pgweir does not know (it knows none), for NegotiateProtocolVersion.
    std::vector<std::string> unknown_protocol_options() const;
    // The minor version that both speak: the client's, or the newest that pgweir speaks.
    std::uint16_t negotiated_minor() const;
    // True if a NegotiateProtocolVersion message must be sent.
    bool needs_negotiation() const;
};
struct SslRequest {};
struct GssEncRequest {};
// Protocol 3.2 made the secret's length variable ("up to 256 bytes"); before it was 4 bytes.
struct CancelRequest {
    std::uint32_t process_id = 0;
    Bytes secret;
};
using StartupPacket = std::variant<StartupMessage, SslRequest, GssEncRequest, CancelRequest>;

enum class StartupError : std::uint8_t {
    InvalidLength,        // Not 8..10000, or not the length of what was given.
    UnsupportedMajor,     // Version 2.0, 4.0, …
    UnknownRequest,       // Code 1234.x that names nothing.
    MalformedParameters,  // A name without a value, no terminator, bytes behind it.
    MalformedCancel,      // The secret is shorter than 4 or longer than 256 bytes.
    MalformedRequest,     // SSLRequest or GSSENCRequest with a body.
};

// Judges the first four bytes alone, before anything is buffered.
bool check_startup_length(std::uint32_t length);

// Reads one packet, complete: `packet` includes the length.
Result<StartupPacket, StartupError> read_startup_packet(ByteView packet);

// The protocol version or request code of a packet of at least 8 bytes.
std::uint32_t startup_code(ByteView packet);

// Splits the startup parameter `options` as PostgreSQL does: arguments are separated by white
// space, a backslash takes the next character literally. `-c name=value`, `-cname=value` and
// `--name=value` are settings ('-' in the name of the latter means '_').
// Fails with the first other argument.
Result<Parameters, std::string> read_options(std::string_view options);

// Writers append one packet.
void startup_message(Bytes& out, const Parameters& parameters, std::uint16_t minor = 0);
void ssl_request(Bytes& out);
void gssenc_request(Bytes& out);
void cancel_request(Bytes& out, std::uint32_t process_id, ByteView secret);

}  // namespace pgweir::wire
