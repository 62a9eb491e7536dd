// SPDX-License-Identifier: PostgreSQL
// What an application sends: read by pgweir where it must look inside, written by pgweir where it
// speaks to a server itself. Views point into the body.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "pgweir/base/bytes.h"
#include "pgweir/base/result.h"
#include "pgweir/wire/tags.h"

namespace pgweir::wire {

// Parse = statement:cstring text:cstring count:u16 type_oid:u32[count]
struct ParseMessage {
    std::string_view statement;
    std::string_view text;
    ByteView type_oids;  // 4 bytes each, as sent.
};
// Bind = portal:cstring statement:cstring rest. The rest may be huge and is never looked at.
struct BindHead {
    std::string_view portal;
    std::string_view statement;
    std::size_t rest_at = 0;  // Offset in the body of what follows the two names.
};
// Of Describe and Close. Kind = 'S' | 'P'.
enum class TargetKind : Byte { Statement = 'S', Portal = 'P' };
struct Target {
    TargetKind kind = TargetKind::Statement;
    std::string_view name;
};
struct ExecuteMessage {
    std::string_view portal;
    std::uint32_t rows_max = 0;  // 0: no limit.
};
struct SaslInitialResponse {
    std::string_view mechanism;
    std::optional<std::string_view> data;  // Not there: the length field was -1.
};

enum class HeadError : std::uint8_t {
    NeedMore,   // What has come of the body ends before the head does.
    Malformed,  // The body ends before the head does.
};

// Readers of whole bodies: nothing if the fields do not fill the body exactly.
std::optional<std::string_view> read_query(ByteView body);
std::optional<ParseMessage> read_parse(ByteView body);
std::optional<Target> read_describe(ByteView body);
std::optional<Target> read_close(ByteView body);
std::optional<ExecuteMessage> read_execute(ByteView body);
std::optional<std::string_view> read_password_message(ByteView body);
std::optional<SaslInitialResponse> read_sasl_initial_response(ByteView body);

// Readers of heads: `prefix` is what has come of a body of `body_size` bytes.
Result<BindHead, HeadError> read_bind_head(ByteView prefix, std::size_t body_size);
// The statement name at the front of a Parse.
Result<std::string_view, HeadError> read_parse_name(ByteView prefix, std::size_t body_size);

// Writers append one whole message.
void query(Bytes& out, std::string_view text);
void parse(Bytes& out, std::string_view statement, std::string_view text,
           std::span<const std::uint32_t> type_oids = {});
// As read: the OIDs as another Parse had them.
void parse(Bytes& out, const ParseMessage& message);
// All parameters and all results in text format; a value that is not there is NULL.
void bind(Bytes& out, std::string_view portal, std::string_view statement,
          std::span<const std::optional<std::string_view>> values = {});
// The header and the names of a Bind whose other `rest_size` bytes the caller sends as they came.
void bind_head(Bytes& out, std::string_view portal, std::string_view statement,
               std::size_t rest_size);
void describe(Bytes& out, TargetKind kind, std::string_view name);
void close(Bytes& out, TargetKind kind, std::string_view name);
inline void close_statement(Bytes& out, std::string_view name) {
    close(out, TargetKind::Statement, name);
}
void execute(Bytes& out, std::string_view portal, std::uint32_t rows_max = 0);
void sync(Bytes& out);
void flush(Bytes& out);
void terminate(Bytes& out);
void copy_done(Bytes& out);
void copy_fail(Bytes& out, std::string_view reason);
void password_message(Bytes& out, std::string_view password);
void sasl_initial_response(Bytes& out, std::string_view mechanism, std::string_view data);
void sasl_response(Bytes& out, std::string_view data);

}  // namespace pgweir::wire
