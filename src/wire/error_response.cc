// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/error_response.h"

#include "pgweir/wire/fields.h"

namespace pgweir::wire {

namespace {

std::string_view* field_of(ErrorFields& fields, std::uint8_t code) {
    switch (code) {
        case 'S':
            return &fields.severity;
        case 'V':
            return &fields.severity_invariant;
        case 'C':
            return &fields.sqlstate;
        case 'M':
            return &fields.message;
        case 'D':
            return &fields.detail;
        case 'H':
            return &fields.hint;
        case 'P':
            return &fields.position;
        case 'W':
            return &fields.where;
        case 's':
            return &fields.schema;
        case 't':
            return &fields.table;
        case 'c':
            return &fields.column;
        case 'n':
            return &fields.constraint;
        case 'R':
            return &fields.routine;
        default:
            return nullptr;
    }
}

void write(Bytes& out, BackendTag tag, const ErrorFields& fields) {
    MessageWriter writer(out);
    writer.begin(tag);
    const auto field = [&writer](char code, std::string_view value) {
        writer.u8(static_cast<std::uint8_t>(code)).cstring(value);
    };
    field('S', fields.severity);
    field('V', fields.severity_invariant.empty() ? fields.severity : fields.severity_invariant);
    field('C', fields.sqlstate);
    field('M', fields.message);
    if (!fields.detail.empty()) field('D', fields.detail);
    if (!fields.hint.empty()) field('H', fields.hint);
    writer.u8(0).finish();
}

}  // namespace

bool ErrorFields::is_fatal() const {
    // Servers before 9.6 send no V.
    const std::string_view known = severity_invariant.empty() ? severity : severity_invariant;
    return known == "FATAL" || known == "PANIC";
}

bool ErrorFields::is_of_class(std::string_view sqlstate_class) const {
    return sqlstate.starts_with(sqlstate_class);
}

std::optional<ErrorFields> read_error_fields(ByteView body) {
    ErrorFields fields;
    FieldReader reader(body);
    for (;;) {
        const std::uint8_t code = reader.u8();
        if (!reader.ok()) return std::nullopt;
        if (code == 0) break;
        const std::string_view value = reader.cstring();
        if (!reader.ok()) return std::nullopt;
        std::string_view* field = field_of(fields, code);
        if (field != nullptr && field->empty()) *field = value;
    }
    if (!reader.at_end()) return std::nullopt;
    return fields;
}

void error_response(Bytes& out, const ErrorFields& fields) {
    write(out, BackendTag::ErrorResponse, fields);
}

void notice_response(Bytes& out, const ErrorFields& fields) {
    write(out, BackendTag::NoticeResponse, fields);
}

}  // namespace pgweir::wire
