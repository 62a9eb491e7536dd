// SPDX-License-Identifier: PostgreSQL
// The writers; the readers are in backend_readers.cc.
#include "pgweir/wire/backend_messages.h"

#include <limits>

#include "pgweir/base/assert.h"
#include "pgweir/wire/fields.h"

namespace pgweir::wire {

namespace {

MessageWriter authentication(Bytes& out, AuthenticationCode code) {
    MessageWriter writer(out);
    writer.begin(BackendTag::Authentication).u32(static_cast<std::uint32_t>(code));
    return writer;
}

void empty(Bytes& out, BackendTag tag) {
    MessageWriter(out).begin(tag).finish();
}

std::uint16_t count_of(std::size_t n) {
    PGWEIR_ASSERT(n <= std::numeric_limits<std::uint16_t>::max());
    return static_cast<std::uint16_t>(n);
}

}  // namespace

void authentication_ok(Bytes& out) {
    authentication(out, AuthenticationCode::Ok).finish();
}

void authentication_cleartext_password(Bytes& out) {
    authentication(out, AuthenticationCode::CleartextPassword).finish();
}

void authentication_md5_password(Bytes& out, ByteView salt) {
    PGWEIR_ASSERT(salt.size() == 4);
    authentication(out, AuthenticationCode::Md5Password).bytes(salt).finish();
}

void authentication_sasl(Bytes& out, std::span<const std::string_view> mechanisms) {
    MessageWriter writer = authentication(out, AuthenticationCode::Sasl);
    for (const std::string_view mechanism : mechanisms) writer.cstring(mechanism);
    writer.u8(0).finish();
}

void authentication_sasl_continue(Bytes& out, std::string_view data) {
    authentication(out, AuthenticationCode::SaslContinue).bytes(data).finish();
}

void authentication_sasl_final(Bytes& out, std::string_view data) {
    authentication(out, AuthenticationCode::SaslFinal).bytes(data).finish();
}

void parameter_status(Bytes& out, std::string_view name, std::string_view value) {
    MessageWriter(out).begin(BackendTag::ParameterStatus).cstring(name).cstring(value).finish();
}

void backend_key_data(Bytes& out, std::uint32_t process_id, ByteView secret) {
    MessageWriter(out).begin(BackendTag::BackendKeyData).u32(process_id).bytes(secret).finish();
}

void negotiate_protocol_version(Bytes& out, std::uint16_t minor,
                                std::span<const std::string> unknown_options) {
    MessageWriter writer(out);
    writer.begin(BackendTag::NegotiateProtocolVersion);
    // The whole version, as PostgreSQL sends it and libpq 18 insists on; older ones read the low
    // half.
    writer.u16(3).u16(minor).u32(static_cast<std::uint32_t>(unknown_options.size()));
    for (const std::string& option : unknown_options) writer.cstring(option);
    writer.finish();
}

void ready_for_query(Bytes& out, TransactionStatus status) {
    MessageWriter(out).begin(BackendTag::ReadyForQuery).u8(static_cast<Byte>(status)).finish();
}

void command_complete(Bytes& out, std::string_view command_tag) {
    MessageWriter(out).begin(BackendTag::CommandComplete).cstring(command_tag).finish();
}

void empty_query_response(Bytes& out) {
    empty(out, BackendTag::EmptyQueryResponse);
}

void row_description(Bytes& out, std::span<const ColumnDescription> columns) {
    MessageWriter writer(out);
    writer.begin(BackendTag::RowDescription).u16(count_of(columns.size()));
    for (const ColumnDescription& column : columns) {
        writer.cstring(column.name);
        writer.u32(0).u16(0);  // The column of no table.
        writer.u32(column.type_oid).u16(static_cast<std::uint16_t>(column.type_length));
        writer.i32(-1);  // No type modifier.
        writer.u16(0);   // Text.
    }
    writer.finish();
}

void data_row(Bytes& out, std::span<const std::optional<std::string>> values) {
    MessageWriter writer(out);
    writer.begin(BackendTag::DataRow).u16(count_of(values.size()));
    for (const auto& value : values) {
        if (!value) {
            writer.i32(-1);
            continue;
        }
        writer.u32(static_cast<std::uint32_t>(value->size())).bytes(*value);
    }
    writer.finish();
}

void parse_complete(Bytes& out) {
    empty(out, BackendTag::ParseComplete);
}

void bind_complete(Bytes& out) {
    empty(out, BackendTag::BindComplete);
}

void close_complete(Bytes& out) {
    empty(out, BackendTag::CloseComplete);
}

void portal_suspended(Bytes& out) {
    empty(out, BackendTag::PortalSuspended);
}

void no_data(Bytes& out) {
    empty(out, BackendTag::NoData);
}

void parameter_description(Bytes& out, std::span<const std::uint32_t> type_oids) {
    MessageWriter writer(out);
    writer.begin(BackendTag::ParameterDescription).u16(count_of(type_oids.size()));
    for (const std::uint32_t oid : type_oids) writer.u32(oid);
    writer.finish();
}

void notification_response(Bytes& out, std::uint32_t process_id, std::string_view channel,
                           std::string_view payload) {
    MessageWriter writer(out);
    writer.begin(BackendTag::NotificationResponse).u32(process_id);
    writer.cstring(channel).cstring(payload).finish();
}

}  // namespace pgweir::wire
