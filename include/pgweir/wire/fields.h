// SPDX-License-Identifier: PostgreSQL
// Reading and writing the fields of one message body: big-endian integers, NUL-terminated strings,
// counted bytes. Knows no message; see frontend_messages.h and backend_messages.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pgweir/base/bytes.h"
#include "pgweir/wire/tags.h"

namespace pgweir::wire {

// Reads one body from front to back. The first field that does not fit fails the reader; from then
// on every field is zero or empty, so that a caller may read all and ask ok() once.
class FieldReader {
 public:
    explicit FieldReader(ByteView body) : rest_(body) {}

    std::uint8_t u8();
    std::uint16_t u16();
    std::uint32_t u32();
    std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
    // Up to a NUL, which must lie inside the body; the NUL is passed over.
    std::string_view cstring();
    ByteView take(std::size_t n);

    // All that was not read yet, without reading it.
    ByteView rest() const { return rest_; }
    bool ok() const { return ok_; }
    // Nothing failed and nothing is left.
    bool at_end() const { return ok_ && rest_.empty(); }

 private:
    // True if `n` bytes can be read; fails the reader if not.
    bool has(std::size_t n);

    ByteView rest_;
    bool ok_ = true;
};

// Appends messages to bytes. A message is begin(…), its fields, finish(): the length is known then
// and put in its place.
class MessageWriter {
 public:
    explicit MessageWriter(Bytes& out) : out_(out) {}

    MessageWriter& begin(FrontendTag tag) { return begin_tagged(static_cast<Byte>(tag)); }
    MessageWriter& begin(BackendTag tag) { return begin_tagged(static_cast<Byte>(tag)); }
    // The messages of a connection's start have no tag.
    MessageWriter& begin_tagless();

    MessageWriter& u8(std::uint8_t value);
    MessageWriter& u16(std::uint16_t value);
    MessageWriter& u32(std::uint32_t value);
    MessageWriter& i32(std::int32_t value) { return u32(static_cast<std::uint32_t>(value)); }
    // Writes `text` and a NUL. A NUL inside `text` would end it early for the reader, and what
    // follows would be taken for the next field: the text is cut there instead.
    MessageWriter& cstring(std::string_view text);
    MessageWriter& bytes(ByteView bytes);
    MessageWriter& bytes(std::string_view text) { return bytes(as_bytes(text)); }

    void finish();

 private:
    MessageWriter& begin_tagged(Byte tag);

    Bytes& out_;
    std::size_t length_at_ = 0;
};

}  // namespace pgweir::wire
