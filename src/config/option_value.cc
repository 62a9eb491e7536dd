// SPDX-License-Identifier: PostgreSQL
// The types that an option can have: how each is read from a raw value, and how it is written.
#include "pgweir/config/option_value.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "config/nearest.h"
#include "pgweir/config/option.h"

namespace pgweir::config {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};

constexpr std::array<Unit, 7> kTimeUnits{{
    {"us", 1},
    {"ms", 1000},
    {"s", 1'000'000},
    {"min", 60'000'000},
    {"h", 3'600'000'000},
    {"d", 86'400'000'000},
    {"", 1'000'000},
}};
constexpr std::array<Unit, 8> kSizeUnits{{
    {"B", 1},
    {"", 1},
    {"KiB", 1024},
    {"kB", 1024},
    {"MiB", 1024 * 1024},
    {"MB", 1024 * 1024},
    {"GiB", 1024 * 1024 * 1024},
    {"GB", 1024 * 1024 * 1024},
}};

constexpr const char* kDurationWanted =
    "must be a duration: seconds as a number, or a text such as \"5s\", \"100ms\" or \"2min\"";
constexpr const char* kSizeWanted =
    "must be a size: bytes as a number, or a text such as \"64KiB\" or \"16MiB\"";

// Scaled to whole units of 1; nothing if it does not fit.
std::optional<std::int64_t> scale(double number, std::int64_t factor) {
    const double scaled = std::round(number * static_cast<double>(factor));
    if (!std::isfinite(scaled) || std::fabs(scaled) > 9.0e18) return std::nullopt;
    return static_cast<std::int64_t>(scaled);
}

// "1.5min" → 90'000'000; nothing if it is no number with one of the units.
std::optional<std::int64_t> read_with_unit(std::string_view text, std::span<const Unit> units) {
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    if (error != std::errc()) return std::nullopt;
    std::string_view unit(at, static_cast<std::size_t>(end - at));
    while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
    for (const Unit& known : units) {
        if (known.name == unit) return scale(number, known.factor);
    }
    return std::nullopt;
}

// The largest unit in which `value` is a whole number.
template <std::size_t N>
std::string write_with_unit(std::int64_t value, const std::array<Unit, N>& units) {
    Unit best = units.front();
    for (const Unit& unit : units) {
        const bool is_larger = unit.factor > best.factor && !unit.name.empty();
        if (is_larger && value != 0 && value % unit.factor == 0) best = unit;
    }
    return std::to_string(value / best.factor) + std::string(best.name);
}

}  // namespace

void read_into(bool& target, const RawValue& raw) {
    const auto* value = std::get_if<bool>(&raw);
    if (value == nullptr) throw ValueError("must be true or false");
    target = *value;
}

void read_into(Count& target, const RawValue& raw) {
    const auto* value = std::get_if<std::int64_t>(&raw);
    if (value == nullptr) throw ValueError("must be a whole number");
    if (*value < 0 || *value > std::numeric_limits<std::int32_t>::max()) {
        throw_out_of_range(std::to_string(*value), "0 to 2147483647");
    }
    target = static_cast<Count>(*value);
}

void read_into(Duration& target, const RawValue& raw) {
    // A hundred years: sums of an Instant and a Duration never overflow.
    constexpr std::int64_t kLongestUs = 100LL * 366 * 86'400 * 1'000'000;
    std::optional<std::int64_t> us;
    if (const auto* whole = std::get_if<std::int64_t>(&raw)) {
        us = scale(static_cast<double>(*whole), 1'000'000);
    } else if (const auto* fraction = std::get_if<double>(&raw)) {
        us = scale(*fraction, 1'000'000);
    } else if (const auto* text = std::get_if<std::string>(&raw)) {
        us = read_with_unit(*text, kTimeUnits);
    }
    if (!us) throw ValueError(kDurationWanted);
    if (*us < 0) throw_out_of_range("negative", "at least 0");
    if (*us > kLongestUs) throw_out_of_range("that long", "at most 36600d");
    target = Duration::microseconds(*us);
}

void read_into(ByteSize& target, const RawValue& raw) {
    std::optional<std::int64_t> bytes;
    if (const auto* whole = std::get_if<std::int64_t>(&raw)) {
        bytes = *whole;
    } else if (const auto* text = std::get_if<std::string>(&raw)) {
        bytes = read_with_unit(*text, kSizeUnits);
    }
    if (!bytes || *bytes < 0) throw ValueError(kSizeWanted);
    target = {static_cast<std::uint64_t>(*bytes)};
}

void read_into(FileMode& target, const RawValue& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    std::uint32_t bits = 0;
    if (text != nullptr && text->size() >= 3) {
        const char* end = text->data() + text->size();
        const auto [at, error] = std::from_chars(text->data(), end, bits, 8);
        if (error == std::errc() && at == end) {
            target = {bits};
            return;
        }
    }
    throw ValueError("must be permissions as octal digits in quotes, such as \"0600\"");
}

void read_into(std::string& target, const RawValue& raw) {
    const auto* text = std::get_if<std::string>(&raw);
    if (text == nullptr) throw ValueError("must be a text in quotes");
    // Everything that is a text here ends up in a C string or a protocol string.
    if (text->find('\0') != std::string::npos) throw ValueError("must not contain a NUL");
    target = *text;
}

void read_into(TextList& target, const RawValue& raw) {
    TextList list;
    if (const auto* texts = std::get_if<TextList>(&raw)) {
        list = *texts;
    } else if (std::holds_alternative<std::string>(raw)) {
        list = {std::get<std::string>(raw)};
    } else {
        throw ValueError("must be a list of texts: [\"a\", \"b\"]");
    }
    for (const std::string& text : list) read_value<std::string>(RawValue(text));
    target = std::move(list);
}

void read_into(RequireAuth& target, const RawValue& raw) {
    std::string text;
    for (const std::string& name : read_value<TextList>(raw)) {
        if (!text.empty()) text += ',';
        text += name;
    }
    const auto require = parse_require_auth(text);
    if (!require) throw ValueError(require.error());
    target = *require;
}

std::size_t read_enum(const RawValue& raw, std::span<const std::string_view> names) {
    std::string all;
    for (const std::string_view name : names) {
        if (!all.empty()) all += ", ";
        all += name;
    }
    const auto* text = std::get_if<std::string>(&raw);
    if (text == nullptr) throw ValueError("must be one of " + all + ", in quotes");
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == *text) return i;
    }
    const auto close = nearest(*text, names);
    const std::string wrong = "can't be \"" + *text + "\"";
    if (close) {
        throw ValueError(wrong + "; did you mean \"" + std::string(*close) + "\"? It is one of " +
                         all);
    }
    throw ValueError(wrong + ": it is one of " + all);
}

void throw_out_of_range(const std::string& value, const std::string& limits) {
    throw ValueError("can't be " + value + ": it must be " + limits);
}

std::string limits_text(const std::optional<std::string>& min,
                        const std::optional<std::string>& max) {
    if (min && max) return *min + " to " + *max;
    if (min) return "at least " + *min;
    if (max) return "at most " + *max;
    return {};
}

std::string show_value(bool value) {
    return value ? "true" : "false";
}

std::string show_value(Count value) {
    return std::to_string(value);
}

std::string show_value(Duration value) {
    return value.us == 0 ? "0" : write_with_unit(value.us, kTimeUnits);
}

std::string show_value(ByteSize value) {
    return write_with_unit(static_cast<std::int64_t>(value.bytes), kSizeUnits);
}

std::string show_value(FileMode value) {
    std::string digits;
    for (std::uint32_t bits = value.bits; bits != 0; bits >>= 3) {
        digits.insert(digits.begin(), static_cast<char>('0' + (bits & 7)));
    }
    return std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
}

std::string show_value(const std::string& value) {
    return value;
}

std::string show_value(const TextList& value) {
    std::string text;
    for (const std::string& item : value) {
        if (!text.empty()) text += ", ";
        text += item;
    }
    return text;
}

std::string show_value(const RequireAuth& value) {
    return text_of(value);
}

std::string quote_toml(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string quoted = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            quoted += "\\u00";
            quoted += kHex[byte >> 4];
            quoted += kHex[byte & 15];
        } else {
            quoted += c;
        }
    }
    return quoted + "\"";
}

std::string write_value(bool value) {
    return show_value(value);
}
std::string write_value(Count value) {
    return show_value(value);
}
std::string write_value(Duration value) {
    return value.us == 0 ? "0" : quote_toml(show_value(value));
}
std::string write_value(ByteSize value) {
    return quote_toml(show_value(value));
}
std::string write_value(FileMode value) {
    return quote_toml(show_value(value));
}
std::string write_value(const std::string& value) {
    return quote_toml(value);
}
std::string write_value(const RequireAuth& value) {
    return quote_toml(text_of(value));
}
std::string write_value(const TextList& value) {
    std::string list = "[";
    for (const std::string& item : value) {
        if (list.size() > 1) list += ", ";
        list += quote_toml(item);
    }
    return list + "]";
}

}  // namespace pgweir::config
