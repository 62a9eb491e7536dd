// SPDX-License-Identifier: PostgreSQL
#include "pgweir/wire/fields.h"

#include <cstring>
#include <limits>

#include "pgweir/base/assert.h"

namespace pgweir::wire {

bool FieldReader::has(std::size_t n) {
    // `n` comes from the network: it is compared with what is left, and never added to anything.
    if (ok_ && n <= rest_.size()) return true;
    ok_ = false;
    rest_ = {};
    return false;
}

std::uint8_t FieldReader::u8() {
    if (!has(1)) return 0;
    const std::uint8_t value = rest_[0];
    rest_ = rest_.subspan(1);
    return value;
}

std::uint16_t FieldReader::u16() {
    if (!has(2)) return 0;
    const std::uint16_t value = load_u16(rest_.data());
    rest_ = rest_.subspan(2);
    return value;
}

std::uint32_t FieldReader::u32() {
    if (!has(4)) return 0;
    const std::uint32_t value = load_u32(rest_.data());
    rest_ = rest_.subspan(4);
    return value;
}

std::string_view FieldReader::cstring() {
    const void* nul = rest_.empty() ? nullptr : std::memchr(rest_.data(), 0, rest_.size());
    if (!ok_ || nul == nullptr) {
        has(std::numeric_limits<std::size_t>::max());
        return {};
    }
    const auto length = static_cast<std::size_t>(static_cast<const Byte*>(nul) - rest_.data());
    const std::string_view text = as_text(rest_.first(length));
    rest_ = rest_.subspan(length + 1);
    return text;
}

ByteView FieldReader::take(std::size_t n) {
    if (!has(n)) return {};
    const ByteView taken = rest_.first(n);
    rest_ = rest_.subspan(n);
    return taken;
}

MessageWriter& MessageWriter::begin_tagged(Byte tag) {
    out_.push_back(tag);
    return begin_tagless();
}

MessageWriter& MessageWriter::begin_tagless() {
    length_at_ = out_.size();
    return u32(0);
}

MessageWriter& MessageWriter::u8(std::uint8_t value) {
    out_.push_back(value);
    return *this;
}

MessageWriter& MessageWriter::u16(std::uint16_t value) {
    out_.resize(out_.size() + 2);
    store_u16(out_.data() + out_.size() - 2, value);
    return *this;
}

MessageWriter& MessageWriter::u32(std::uint32_t value) {
    out_.resize(out_.size() + 4);
    store_u32(out_.data() + out_.size() - 4, value);
    return *this;
}

MessageWriter& MessageWriter::cstring(std::string_view text) {
    bytes(text.substr(0, text.find('\0')));
    return u8(0);
}

MessageWriter& MessageWriter::bytes(ByteView bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
}

void MessageWriter::finish() {
    const std::size_t length = out_.size() - length_at_;
    PGWEIR_ASSERT(length >= 4 && length <= std::numeric_limits<std::int32_t>::max());
    store_u32(out_.data() + length_at_, static_cast<std::uint32_t>(length));
}

}  // namespace pgweir::wire
