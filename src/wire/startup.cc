// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/startup.h"

#include <algorithm>

#include "pgweir/wire/fields.h"

namespace pgweir::wire {

namespace {

constexpr std::uint32_t version_code(std::uint16_t major, std::uint16_t minor) {
    return (std::uint32_t{major} << 16) | minor;
}
// "The value is chosen to contain 1234 in the most significant 16 bits", which is no version.
constexpr std::uint16_t kRequestMajor = 1234;
constexpr std::uint32_t kCancelCode = version_code(kRequestMajor, 5678);
constexpr std::uint32_t kSslCode = version_code(kRequestMajor, 5679);
constexpr std::uint32_t kGssEncCode = version_code(kRequestMajor, 5680);

// "Parameter names beginning with _pq_. are reserved for use as protocol extensions".
constexpr std::string_view kProtocolOptionPrefix = "_pq_.";

using Read = Result<StartupPacket, StartupError>;

Read read_cancel(ByteView body) {
    FieldReader fields(body);
    const std::uint32_t process_id = fields.u32();
    const ByteView secret = fields.rest();
    if (!fields.ok() || secret.size() < kCancelSecretMin || secret.size() > kCancelSecretMax) {
        return failure(StartupError::MalformedCancel);
    }
    return StartupPacket(CancelRequest{process_id, Bytes(secret.begin(), secret.end())});
}

template <typename Request>
Read read_empty(ByteView body) {
    if (!body.empty()) return failure(StartupError::MalformedRequest);
    return StartupPacket(Request{});
}

Read read_startup_message(std::uint32_t code, ByteView body) {
    StartupMessage message;
    message.major = static_cast<std::uint16_t>(code >> 16);
    message.minor = static_cast<std::uint16_t>(code & 0xffff);
    if (message.major == kRequestMajor) return failure(StartupError::UnknownRequest);
    if (message.major != kProtocolMajor) return failure(StartupError::UnsupportedMajor);
    FieldReader fields(body);
    for (;;) {
        const std::string_view name = fields.cstring();
        if (!fields.ok()) return failure(StartupError::MalformedParameters);
        if (name.empty()) break;
        const std::string_view value = fields.cstring();
        message.parameters.emplace_back(name, value);
    }
    // "A zero byte is required as a terminator after the last name/value pair", and is the last.
    if (!fields.at_end()) return failure(StartupError::MalformedParameters);
    return StartupPacket(std::move(message));
}

}  // namespace

std::string_view StartupMessage::value_of(std::string_view name) const {
    std::string_view found;
    for (const auto& [parameter, value] : parameters) {
        if (parameter == name) found = value;
    }
    return found;
}

std::string_view StartupMessage::database() const {
    const std::string_view named = value_of("database");
    return named.empty() ? user() : named;
}

std::vector<std::string> StartupMessage::unknown_protocol_options() const {
    std::vector<std::string> unknown;
    for (const auto& [name, value] : parameters) {
        if (name.starts_with(kProtocolOptionPrefix)) unknown.push_back(name);
    }
    return unknown;
}

std::uint16_t StartupMessage::negotiated_minor() const {
    // There is no 3.1: "Version 3.1 is reserved", and clients that ask for it get 3.0.
    if (minor == 1) return 0;
    return std::min(minor, kProtocolMinorMax);
}

bool StartupMessage::needs_negotiation() const {
    return minor != negotiated_minor() ||
           std::any_of(parameters.begin(), parameters.end(), [](const Parameter& parameter) {
               return parameter.first.starts_with(kProtocolOptionPrefix);
           });
}

bool check_startup_length(std::uint32_t length) {
    return length >= kStartupLengthMin && length <= kStartupLengthMax;
}

std::uint32_t startup_code(ByteView packet) {
    return packet.size() < kStartupLengthMin ? 0 : load_u32(packet.data() + 4);
}

Result<StartupPacket, StartupError> read_startup_packet(ByteView packet) {
    if (packet.size() < kStartupLengthMin || packet.size() > kStartupLengthMax ||
        load_u32(packet.data()) != packet.size()) {
        return failure(StartupError::InvalidLength);
    }
    const std::uint32_t code = startup_code(packet);
    const ByteView body = packet.subspan(kStartupLengthMin);
    switch (code) {
        case kCancelCode:
            return read_cancel(body);
        case kSslCode:
            return read_empty<SslRequest>(body);
        case kGssEncCode:
            return read_empty<GssEncRequest>(body);
        default:
            return read_startup_message(code, body);
    }
}

void startup_message(Bytes& out, const Parameters& parameters, std::uint16_t minor) {
    MessageWriter writer(out);
    writer.begin_tagless().u32(version_code(kProtocolMajor, minor));
    for (const auto& [name, value] : parameters) writer.cstring(name).cstring(value);
    writer.u8(0).finish();
}

void ssl_request(Bytes& out) {
    MessageWriter(out).begin_tagless().u32(kSslCode).finish();
}

void gssenc_request(Bytes& out) {
    MessageWriter(out).begin_tagless().u32(kGssEncCode).finish();
}

void cancel_request(Bytes& out, std::uint32_t process_id, ByteView secret) {
    MessageWriter(out).begin_tagless().u32(kCancelCode).u32(process_id).bytes(secret).finish();
}

}  // namespace pgweir::wire
