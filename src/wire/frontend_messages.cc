// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/frontend_messages.h"

#include <limits>

#include "pgweir/base/assert.h"
#include "pgweir/wire/fields.h"

namespace pgweir::wire {

namespace {

std::optional<std::string_view> read_only_cstring(ByteView body) {
    FieldReader fields(body);
    const std::string_view text = fields.cstring();
    if (!fields.at_end()) return std::nullopt;
    return text;
}

std::optional<Target> read_target(ByteView body) {
    FieldReader fields(body);
    const std::uint8_t kind = fields.u8();
    const std::string_view name = fields.cstring();
    if (!fields.at_end()) return std::nullopt;
    if (kind != static_cast<Byte>(TargetKind::Statement) &&
        kind != static_cast<Byte>(TargetKind::Portal)) {
        return std::nullopt;
    }
    return Target{static_cast<TargetKind>(kind), name};
}

// What a head that does not fit into `prefix` means.
HeadError too_short(ByteView prefix, std::size_t body_size) {
    return prefix.size() < body_size ? HeadError::NeedMore : HeadError::Malformed;
}

void target(Bytes& out, FrontendTag tag, TargetKind kind, std::string_view name) {
    MessageWriter(out).begin(tag).u8(static_cast<Byte>(kind)).cstring(name).finish();
}

void empty(Bytes& out, FrontendTag tag) {
    MessageWriter(out).begin(tag).finish();
}

}  // namespace

std::optional<std::string_view> read_query(ByteView body) {
    return read_only_cstring(body);
}

std::optional<ParseMessage> read_parse(ByteView body) {
    FieldReader fields(body);
    ParseMessage message;
    message.statement = fields.cstring();
    message.text = fields.cstring();
    const std::size_t count = fields.u16();
    message.type_oids = fields.take(count * 4);
    if (!fields.at_end()) return std::nullopt;
    return message;
}

std::optional<Target> read_describe(ByteView body) {
    return read_target(body);
}

std::optional<Target> read_close(ByteView body) {
    return read_target(body);
}

std::optional<ExecuteMessage> read_execute(ByteView body) {
    FieldReader fields(body);
    ExecuteMessage message;
    message.portal = fields.cstring();
    message.rows_max = fields.u32();
    if (!fields.at_end()) return std::nullopt;
    return message;
}

std::optional<std::string_view> read_password_message(ByteView body) {
    return read_only_cstring(body);
}

std::optional<SaslInitialResponse> read_sasl_initial_response(ByteView body) {
    FieldReader fields(body);
    SaslInitialResponse message;
    message.mechanism = fields.cstring();
    const std::int32_t length = fields.i32();
    // "-1 if there is no Initial Response"; any other negative number is nonsense.
    if (length < -1) return std::nullopt;
    if (length >= 0) message.data = as_text(fields.take(static_cast<std::size_t>(length)));
    if (!fields.at_end()) return std::nullopt;
    return message;
}

Result<BindHead, HeadError> read_bind_head(ByteView prefix, std::size_t body_size) {
    FieldReader fields(prefix);
    BindHead head;
    head.portal = fields.cstring();
    head.statement = fields.cstring();
    if (!fields.ok()) return failure(too_short(prefix, body_size));
    head.rest_at = prefix.size() - fields.rest().size();
    return head;
}

Result<std::string_view, HeadError> read_parse_name(ByteView prefix, std::size_t body_size) {
    FieldReader fields(prefix);
    const std::string_view statement = fields.cstring();
    if (!fields.ok()) return failure(too_short(prefix, body_size));
    return statement;
}

void query(Bytes& out, std::string_view text) {
    MessageWriter(out).begin(FrontendTag::Query).cstring(text).finish();
}

void parse(Bytes& out, std::string_view statement, std::string_view text,
           std::span<const std::uint32_t> type_oids) {
    PGWEIR_ASSERT(type_oids.size() <= std::numeric_limits<std::uint16_t>::max());
    MessageWriter writer(out);
    writer.begin(FrontendTag::Parse).cstring(statement).cstring(text);
    writer.u16(static_cast<std::uint16_t>(type_oids.size()));
    for (const std::uint32_t oid : type_oids) writer.u32(oid);
    writer.finish();
}

void parse(Bytes& out, const ParseMessage& message) {
    PGWEIR_ASSERT(message.type_oids.size() / 4 <= std::numeric_limits<std::uint16_t>::max());
    MessageWriter writer(out);
    writer.begin(FrontendTag::Parse).cstring(message.statement).cstring(message.text);
    writer.u16(static_cast<std::uint16_t>(message.type_oids.size() / 4));
    writer.bytes(message.type_oids).finish();
}

void bind(Bytes& out, std::string_view portal, std::string_view statement,
          std::span<const std::optional<std::string_view>> values) {
    PGWEIR_ASSERT(values.size() <= std::numeric_limits<std::uint16_t>::max());
    MessageWriter writer(out);
    writer.begin(FrontendTag::Bind).cstring(portal).cstring(statement);
    writer.u16(0);  // "zero … to indicate that … all use the default format (text)"
    writer.u16(static_cast<std::uint16_t>(values.size()));
    for (const auto& value : values) {
        if (!value) {
            writer.i32(-1);
            continue;
        }
        writer.u32(static_cast<std::uint32_t>(value->size())).bytes(*value);
    }
    writer.u16(0).finish();
}

void bind_head(Bytes& out, std::string_view portal, std::string_view statement,
               std::size_t rest_size) {
    const std::size_t length_at = out.size() + 1;
    MessageWriter(out).begin(FrontendTag::Bind).cstring(portal).cstring(statement).finish();
    const std::size_t length = out.size() - length_at + rest_size;
    PGWEIR_ASSERT(length <= std::numeric_limits<std::int32_t>::max());
    store_u32(out.data() + length_at, static_cast<std::uint32_t>(length));
}

void describe(Bytes& out, TargetKind kind, std::string_view name) {
    target(out, FrontendTag::Describe, kind, name);
}

void close(Bytes& out, TargetKind kind, std::string_view name) {
    target(out, FrontendTag::Close, kind, name);
}

void execute(Bytes& out, std::string_view portal, std::uint32_t rows_max) {
    MessageWriter(out).begin(FrontendTag::Execute).cstring(portal).u32(rows_max).finish();
}

void sync(Bytes& out) {
    empty(out, FrontendTag::Sync);
}

void flush(Bytes& out) {
    empty(out, FrontendTag::Flush);
}

void terminate(Bytes& out) {
    empty(out, FrontendTag::Terminate);
}

void copy_done(Bytes& out) {
    empty(out, FrontendTag::CopyDone);
}

void copy_fail(Bytes& out, std::string_view reason) {
    MessageWriter(out).begin(FrontendTag::CopyFail).cstring(reason).finish();
}

void password_message(Bytes& out, std::string_view password) {
    MessageWriter(out).begin(FrontendTag::PasswordMessage).cstring(password).finish();
}

void sasl_initial_response(Bytes& out, std::string_view mechanism, std::string_view data) {
    MessageWriter writer(out);
    writer.begin(FrontendTag::PasswordMessage).cstring(mechanism);
    writer.u32(static_cast<std::uint32_t>(data.size())).bytes(data).finish();
}

void sasl_response(Bytes& out, std::string_view data) {
    MessageWriter(out).begin(FrontendTag::PasswordMessage).bytes(data).finish();
}

}  // namespace pgweir::wire
