// SPDX-License-Identifier: PostgreSQL
// What pgweir reads of its servers. A hostile server is an attacker too: lists are bounded, and
// every length is compared with what is there.
#include <limits>

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/fields.h"
#include "pgweir/wire/startup.h"

namespace pgweir::wire {

namespace {
constexpr std::size_t kMechanismsMax = 32;
}  // namespace

std::optional<AuthenticationRequest> read_authentication(ByteView body) {
    FieldReader fields(body);
    const auto code = static_cast<AuthenticationCode>(fields.u32());
    if (!fields.ok()) return std::nullopt;
    return AuthenticationRequest{code, fields.rest()};
}

std::optional<std::vector<std::string_view>> read_sasl_mechanisms(ByteView rest) {
    FieldReader fields(rest);
    std::vector<std::string_view> mechanisms;
    for (;;) {
        const std::string_view mechanism = fields.cstring();
        if (!fields.ok() || mechanism.empty()) break;
        if (mechanisms.size() == kMechanismsMax) return std::nullopt;
        mechanisms.push_back(mechanism);
    }
    if (!fields.at_end() || mechanisms.empty()) return std::nullopt;
    return mechanisms;
}

std::optional<ParameterStatus> read_parameter_status(ByteView body) {
    FieldReader fields(body);
    ParameterStatus status;
    status.name = fields.cstring();
    status.value = fields.cstring();
    if (!fields.at_end()) return std::nullopt;
    return status;
}

std::optional<BackendKeyData> read_backend_key_data(ByteView body) {
    FieldReader fields(body);
    const std::uint32_t process_id = fields.u32();
    const ByteView secret = fields.rest();
    if (!fields.ok() || secret.size() < kCancelSecretMin || secret.size() > kCancelSecretMax) {
        return std::nullopt;
    }
    return BackendKeyData{process_id, secret};
}

std::optional<TransactionStatus> read_ready_for_query(ByteView body) {
    if (body.size() != 1) return std::nullopt;
    const auto status = static_cast<TransactionStatus>(body[0]);
    switch (status) {
        case TransactionStatus::Idle:
        case TransactionStatus::InTransaction:
        case TransactionStatus::Failed:
            return status;
    }
    return std::nullopt;
}

std::optional<NegotiateProtocolVersion> read_negotiate_protocol_version(ByteView body) {
    FieldReader fields(body);
    NegotiateProtocolVersion message;
    message.version = fields.u32();
    const std::uint32_t count = fields.u32();
    // The list grows with the bytes that are there, whatever `count` claims.
    for (std::uint32_t i = 0; i < count && fields.ok(); ++i) {
        message.unknown_options.push_back(fields.cstring());
    }
    if (!fields.at_end()) return std::nullopt;
    return message;
}

std::optional<std::string_view> read_command_complete(ByteView body) {
    FieldReader fields(body);
    const std::string_view tag = fields.cstring();
    if (!fields.at_end()) return std::nullopt;
    return tag;
}

std::optional<std::vector<std::optional<std::string_view>>> read_data_row(ByteView body) {
    FieldReader fields(body);
    std::vector<std::optional<std::string_view>> values;
    const std::uint16_t count = fields.u16();
    for (std::uint16_t i = 0; i < count; ++i) {
        const std::int32_t length = fields.i32();
        if (!fields.ok() || length < -1) return std::nullopt;
        if (length == -1) {
            values.emplace_back();
        } else {
            values.emplace_back(as_text(fields.take(static_cast<std::size_t>(length))));
        }
    }
    if (!fields.at_end()) return std::nullopt;
    return values;
}

}  // namespace pgweir::wire
