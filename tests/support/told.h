// SPDX-License-Identifier: PostgreSQL
// Messages as a line of text, so that a test reads as a conversation: what a client says,
//   "P(a,SELECT 1) B(,a) E() S", and what a server says: "1 2 D C(SELECT 1) Z(I)".
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "pgweir/base/bytes.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"
#include "pgweir/wire/fields.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::testing {

enum class Speaker { Client, Server };

inline std::string told_message(Speaker speaker, char tag, ByteView body) {
    wire::FieldReader reader(body);
    const std::string name(1, tag);
    auto words = [&](std::initializer_list<std::string_view> list) {
        std::string text = name + "(";
        bool is_first = true;
        for (std::string_view word : list) {
            if (!is_first) text += ",";
            text += word;
            is_first = false;
        }
        return text + ")";
    };
    auto kind_and_name = [&] {
        const std::string kind(1, static_cast<char>(reader.u8()));
        return words({kind, reader.cstring()});
    };
    if (speaker == Speaker::Client) {
        switch (tag) {
            case 'Q':
            case 'E':
                return words({reader.cstring()});
            case 'P':
            case 'B': {
                const std::string_view first = reader.cstring();
                return words({first, reader.cstring()});
            }
            case 'D':
            case 'C':
                return kind_and_name();
            case 'd':
                return words({as_text(body)});
            default:
                return name;
        }
    }
    switch (tag) {
        case 'C':
            return words({reader.cstring()});
        case 'Z':
        case 'd':
            return words({as_text(body)});
        case 'S': {
            const std::string_view first = reader.cstring();
            return words({first, reader.cstring()});
        }
        case 'E': {
            const auto fields = wire::read_error_fields(body);
            return fields ? words({fields->severity, fields->sqlstate}) : "E(malformed)";
        }
        default:
            return name;
    }
}

// A message that is not whole, or whose length is wrong, is told as "…".
inline std::string told(Speaker speaker, ByteView bytes) {
    std::string text;
    while (!bytes.empty()) {
        if (!text.empty()) text += " ";
        const std::size_t length = bytes.size() < 5 ? 0 : load_u32(bytes.data() + 1);
        if (length < 4 || length >= bytes.size()) return text + "…";
        text += told_message(speaker, static_cast<char>(bytes[0]), bytes.subspan(5, length - 4));
        bytes = bytes.subspan(1 + length);
    }
    return text;
}

// Builders: each returns the bytes of one message, and `+` joins them.
struct Said : Bytes {
    friend Said operator+(Said one, const Said& other) {
        one.insert(one.end(), other.begin(), other.end());
        return one;
    }
};
template <typename Write, typename... Args>
Said said(Write write, Args&&... args) {
    Said bytes;
    write(static_cast<Bytes&>(bytes), std::forward<Args>(args)...);
    return bytes;
}
// Any message: its tag and its body.
inline Said message(char tag, std::string_view body = {}) {
    Said bytes;
    bytes.push_back(static_cast<Byte>(tag));
    bytes.resize(5);
    store_u32(bytes.data() + 1, static_cast<std::uint32_t>(body.size() + 4));
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
}

namespace client {
inline Said query(std::string_view text) {
    return said([&](Bytes& out) { wire::query(out, text); });
}
inline Said parse(std::string_view name, std::string_view text,
                  std::initializer_list<std::uint32_t> types = {}) {
    return said([&](Bytes& out) {
        wire::parse(out, name, text, std::span<const std::uint32_t>(types.begin(), types.size()));
    });
}
inline Said bind(std::string_view name, std::string_view portal = {}) {
    return said([&](Bytes& out) { wire::bind(out, portal, name); });
}
inline Said describe(std::string_view name) {
    return said([&](Bytes& out) { wire::describe(out, wire::TargetKind::Statement, name); });
}
inline Said close(std::string_view name) {
    return said([&](Bytes& out) { wire::close_statement(out, name); });
}
inline Said execute(std::string_view portal = {}) {
    return said([&](Bytes& out) { wire::execute(out, portal); });
}
inline Said sync() {
    return message('S');
}
inline Said flush() {
    return message('H');
}
inline Said copy_data(std::string_view data) {
    return message('d', data);
}
inline Said copy_done() {
    return message('c');
}
}  // namespace client

namespace server {
inline Said ready(char status = 'I') {
    return message('Z', std::string(1, status));
}
inline Said complete(std::string_view tag) {
    return said([&](Bytes& out) { wire::command_complete(out, tag); });
}
inline Said row(std::string_view text = "1") {
    const std::optional<std::string> value{std::string(text)};
    return said([&](Bytes& out) {
        wire::data_row(out, std::span<const std::optional<std::string>>(&value, 1));
    });
}
inline Said status(std::string_view name, std::string_view value) {
    return said([&](Bytes& out) { wire::parameter_status(out, name, value); });
}
// From AuthenticationOk to ReadyForQuery.
inline Said greeting() {
    return message('R', std::string_view("\0\0\0\0", 4)) + status("server_version", "15.4") +
           status("client_encoding", "UTF8") +
           message('K', std::string_view("\0\0\0\7\1\2\3\4", 8)) + ready();
}
inline Said columns() {
    return message('T', std::string_view("\0\0", 2));
}
inline Said error(std::string_view sqlstate, std::string_view severity = "ERROR") {
    return said([&](Bytes& out) {
        wire::error_response(out, {.severity = severity,
                                   .severity_invariant = severity,
                                   .sqlstate = sqlstate,
                                   .message = "no"});
    });
}
inline Said parsed() {
    return message('1');
}
inline Said bound() {
    return message('2');
}
inline Said closed() {
    return message('3');
}
inline Said no_data() {
    return message('n');
}
inline Said copy_in() {
    return message('G', std::string_view("\0\0\0", 3));
}
inline Said copy_out() {
    return message('H', std::string_view("\0\0\0", 3));
}
inline Said copy_data(std::string_view data) {
    return message('d', data);
}
inline Said copy_done() {
    return message('c');
}
}  // namespace server

}  // namespace pgweir::testing
