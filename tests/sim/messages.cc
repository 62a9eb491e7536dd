// SPDX-License-Identifier: PostgreSQL
// Writing and cutting protocol messages for the simulation.
#include "sim/messages.h"

#include <algorithm>
#include <cstring>

namespace pgweir::sim {

MessageWriter::MessageWriter(Bytes& out, char tag) : out_(out), start_(out.size() + 1) {
    out_.push_back(static_cast<Byte>(tag));
    out_.resize(out_.size() + 4);
}

MessageWriter::~MessageWriter() {
    store_u32(out_.data() + start_, static_cast<std::uint32_t>(out_.size() - start_));
}

MessageWriter& MessageWriter::u8(std::uint8_t value) {
    out_.push_back(value);
    return *this;
}
MessageWriter& MessageWriter::u16(std::size_t value) {
    out_.resize(out_.size() + 2);
    store_u16(out_.data() + out_.size() - 2, static_cast<std::uint16_t>(value));
    return *this;
}
MessageWriter& MessageWriter::u32(std::size_t value) {
    out_.resize(out_.size() + 4);
    store_u32(out_.data() + out_.size() - 4, static_cast<std::uint32_t>(value));
    return *this;
}
MessageWriter& MessageWriter::text(std::string_view value) {
    raw(value);
    return u8(0);
}
MessageWriter& MessageWriter::raw(std::string_view value) {
    out_.insert(out_.end(), value.begin(), value.end());
    return *this;
}
MessageWriter& MessageWriter::field(std::string_view value) {
    u32(value.size());
    return raw(value);
}

std::uint8_t FieldCursor::u8() {
    const std::string_view at = raw(1);
    return ok ? static_cast<std::uint8_t>(at[0]) : std::uint8_t{0};
}
std::uint16_t FieldCursor::u16() {
    const std::string_view at = raw(2);
    return ok ? load_u16(reinterpret_cast<const Byte*>(at.data())) : std::uint16_t{0};
}
std::uint32_t FieldCursor::u32() {
    const std::string_view at = raw(4);
    return ok ? load_u32(reinterpret_cast<const Byte*>(at.data())) : 0;
}
std::string_view FieldCursor::text() {
    const std::size_t length = as_text(rest).find('\0');
    if (length == std::string_view::npos) {
        ok = false;
        return {};
    }
    const std::string_view value = raw(length);
    rest = rest.subspan(1);
    return value;
}
std::string_view FieldCursor::raw(std::size_t n) {
    if (!ok || rest.size() < n) {
        ok = false;
        return {};
    }
    const std::string_view value = as_text(rest.first(n));
    rest = rest.subspan(n);
    return value;
}

Bytes special_packet(std::uint32_t code, ByteView rest) {
    Bytes packet(8 + rest.size());
    store_u32(packet.data(), static_cast<std::uint32_t>(8 + rest.size()));
    store_u32(packet.data() + 4, code);
    std::copy(rest.begin(), rest.end(), packet.begin() + 8);
    return packet;
}

Bytes startup_packet(std::uint32_t version, const Parameters& parameters) {
    Bytes rest;
    const auto add = [&rest](std::string_view value) {
        rest.insert(rest.end(), value.begin(), value.end());
        rest.push_back(0);
    };
    for (const auto& [name, value] : parameters) {
        add(name);
        add(value);
    }
    rest.push_back(0);
    return special_packet(version, rest);
}

void write_error(Bytes& out, char tag, std::string_view severity, std::string_view sqlstate,
                 std::string_view message) {
    MessageWriter writer(out, tag);
    writer.u8('S').text(severity).u8('V').text(severity).u8('C').text(sqlstate);
    writer.u8('M').text(message).u8(0);
}

std::string_view error_field(ByteView body, char field) {
    FieldCursor cursor{body};
    while (cursor.ok) {
        const auto kind = static_cast<char>(cursor.u8());
        if (kind == 0) return {};
        const std::string_view value = cursor.text();
        if (kind == field) return value;
    }
    return {};
}

std::string token_text(Token token) {
    return "@" + std::to_string(token.client) + "." + std::to_string(token.request) + "@";
}

namespace {

// Digits at `at`; moves on; false if there are none.
bool number(ByteView bytes, std::size_t& at, std::uint32_t& value) {
    const std::size_t start = at;
    value = 0;
    while (at < bytes.size() && bytes[at] >= '0' && bytes[at] <= '9' && at - start < 9) {
        value = value * 10 + static_cast<std::uint32_t>(bytes[at] - '0');
        ++at;
    }
    return at > start;
}

}  // namespace

std::optional<Token> find_token(ByteView bytes) {
    std::size_t at = 0;
    while (at < bytes.size()) {
        const void* found = std::memchr(bytes.data() + at, '@', bytes.size() - at);
        if (found == nullptr) return std::nullopt;
        at = static_cast<std::size_t>(static_cast<const Byte*>(found) - bytes.data()) + 1;
        std::size_t end = at;
        Token token;
        if (number(bytes, end, token.client) && end < bytes.size() && bytes[end] == '.') {
            ++end;
            if (number(bytes, end, token.request) && end < bytes.size() && bytes[end] == '@') {
                return token;
            }
        }
    }
    return std::nullopt;
}

std::optional<FrameCutter::Frame> FrameCutter::next() {
    const ByteView rest = unread();
    if (broken_ || rest.size() < 5) {
        compact();
        return std::nullopt;
    }
    const std::uint32_t length = load_u32(rest.data() + 1);
    if (length < 4 || length > (1U << 30)) {
        broken_ = true;
        return std::nullopt;
    }
    if (rest.size() < 1 + std::size_t{length}) {
        compact();
        return std::nullopt;
    }
    begin_ += 1 + std::size_t{length};
    return Frame{static_cast<char>(rest[0]), rest.subspan(5, length - 4)};
}

std::optional<ByteView> FrameCutter::take(std::size_t n) {
    const ByteView rest = unread();
    if (rest.size() < n) {
        compact();
        return std::nullopt;
    }
    begin_ += n;
    return rest.first(n);
}

void FrameCutter::compact() {
    if (begin_ == 0) return;
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
}

void FrameCutter::clear() {
    buffer_.clear();
    begin_ = 0;
    broken_ = false;
}

}  // namespace pgweir::sim
