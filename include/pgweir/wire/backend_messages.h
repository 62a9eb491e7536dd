// SPDX-License-Identifier: PostgreSQL
// What PostgreSQL sends: written by pgweir for its clients, read by pgweir from its servers.
// Writers append one whole message; readers get a whole body and refuse one that does not fit
// exactly. ErrorResponse and NoticeResponse are in error_response.h.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/base/bytes.h"
#include "pgweir/wire/tags.h"

namespace pgweir::wire {

// The code of an Authentication message.
enum class AuthenticationCode : std::uint32_t {
    Ok = 0,
    KerberosV5 = 2,
    CleartextPassword = 3,
    Md5Password = 5,
    Gss = 7,
    GssContinue = 8,
    Sspi = 9,
    Sasl = 10,
    SaslContinue = 11,
    SaslFinal = 12,
};

// One column of RowDescription, in text format, of no table.
struct ColumnDescription {
    std::string_view name;
    std::uint32_t type_oid = 25;    // text
    std::int16_t type_length = -1;  // variable
};
constexpr std::uint32_t kBoolOid = 16;
constexpr std::uint32_t kInt8Oid = 20;
constexpr std::uint32_t kInt4Oid = 23;
constexpr std::uint32_t kTextOid = 25;
constexpr std::uint32_t kFloat8Oid = 701;
constexpr std::uint32_t kNumericOid = 1700;

void authentication_ok(Bytes& out);
void authentication_cleartext_password(Bytes& out);
// REQUIRES: 4 bytes of salt.
void authentication_md5_password(Bytes& out, ByteView salt);
void authentication_sasl(Bytes& out, std::span<const std::string_view> mechanisms);
void authentication_sasl_continue(Bytes& out, std::string_view data);
void authentication_sasl_final(Bytes& out, std::string_view data);
void parameter_status(Bytes& out, std::string_view name, std::string_view value);
void backend_key_data(Bytes& out, std::uint32_t process_id, ByteView secret);
void negotiate_protocol_version(Bytes& out, std::uint16_t minor,
                                std::span<const std::string> unknown_options);
void ready_for_query(Bytes& out, TransactionStatus status);
void command_complete(Bytes& out, std::string_view command_tag);
void empty_query_response(Bytes& out);
void row_description(Bytes& out, std::span<const ColumnDescription> columns);
// A value that is not there is NULL.
void data_row(Bytes& out, std::span<const std::optional<std::string>> values);
void parse_complete(Bytes& out);
void bind_complete(Bytes& out);
void close_complete(Bytes& out);
void portal_suspended(Bytes& out);
void no_data(Bytes& out);
void parameter_description(Bytes& out, std::span<const std::uint32_t> type_oids);
void notification_response(Bytes& out, std::uint32_t process_id, std::string_view channel,
                           std::string_view payload);

// The whole messages that a relay says most, for where nothing may be allocated.
inline constexpr std::array<Byte, 5> kParseComplete = {'1', 0, 0, 0, 4};
inline constexpr std::array<Byte, 6> kReadyForQueryIdle = {'Z', 0, 0, 0, 5, 'I'};

struct AuthenticationRequest {
    AuthenticationCode code = AuthenticationCode::Ok;  // May be one that has no enumerator.
    ByteView rest;                                     // Salt, SASL mechanisms or SASL data.
};
struct ParameterStatus {
    std::string_view name;
    std::string_view value;
};
// Protocol 3.0 has secrets of 4 bytes, 3.2 of up to 256.
struct BackendKeyData {
    std::uint32_t process_id = 0;
    ByteView secret;
};
struct NegotiateProtocolVersion {
    // 3.minor. PostgreSQL says only the minor in this field, and newer ones the whole code.
    std::uint32_t version = 0;
    std::vector<std::string_view> unknown_options;

    std::uint32_t minor() const { return (version >> 16) == 3 ? version & 0xffff : version; }
};

std::optional<AuthenticationRequest> read_authentication(ByteView body);
// The list of AuthenticationSASL; nothing if it is malformed, empty, or of more than 32.
std::optional<std::vector<std::string_view>> read_sasl_mechanisms(ByteView rest);
std::optional<ParameterStatus> read_parameter_status(ByteView body);
std::optional<BackendKeyData> read_backend_key_data(ByteView body);
// Nothing unless the body is one byte that names a status.
std::optional<TransactionStatus> read_ready_for_query(ByteView body);
std::optional<NegotiateProtocolVersion> read_negotiate_protocol_version(ByteView body);
// The command tag, e.g. "INSERT 0 1".
std::optional<std::string_view> read_command_complete(ByteView body);
// The values of a DataRow; nothing if a length is below -1 or beyond the body.
std::optional<std::vector<std::optional<std::string_view>>> read_data_row(ByteView body);

}  // namespace pgweir::wire
