// SPDX-License-Identifier: PostgreSQL
// See ip_address.h; the texts are those of RFC 4291, 2.2.
#include "auth/ip_address.h"

#include <algorithm>
#include <charconv>

namespace pgweir::auth {

namespace {

constexpr std::size_t kGroups = 8;

std::optional<unsigned> parse_number(std::string_view text, int base, std::size_t digits_max,
                                     unsigned max) {
    if (text.empty() || text.size() > digits_max) return std::nullopt;
    unsigned value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value, base);
    if (parsed.ec != std::errc{} || parsed.ptr != end || value > max) return std::nullopt;
    return value;
}

std::optional<std::array<Byte, 4>> parse_ipv4(std::string_view text) {
    std::array<Byte, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::size_t dot = text.find('.');
        const bool is_last = i + 1 == bytes.size();
        if (is_last != (dot == std::string_view::npos)) return std::nullopt;
        const std::string_view part = text.substr(0, dot);
        // "010" is ten to some and eight to others; nobody may write it.
        if (part.size() > 1 && part[0] == '0') return std::nullopt;
        const auto value = parse_number(part, 10, 3, 255);
        if (!value) return std::nullopt;
        bytes[i] = static_cast<Byte>(*value);
        if (!is_last) text.remove_prefix(dot + 1);
    }
    return bytes;
}

// Groups of 16 bits as far as they go; false if one of them is none.
struct Groups {
    std::array<std::uint16_t, kGroups> values{};
    std::size_t count = 0;

    bool add(unsigned value) {
        if (count == kGroups) return false;
        values[count++] = static_cast<std::uint16_t>(value);
        return true;
    }
};

// "2001:db8" or "ffff:192.0.2.1" or ""; the dotted form only where the address ends.
bool parse_groups(std::string_view text, bool may_end_dotted, Groups& groups) {
    if (text.empty()) return true;
    while (true) {
        const std::size_t colon = text.find(':');
        const std::string_view part = text.substr(0, colon);
        const bool is_last = colon == std::string_view::npos;
        if (is_last && may_end_dotted && part.find('.') != std::string_view::npos) {
            const auto bytes = parse_ipv4(part);
            return bytes && groups.add(load_u16(bytes->data())) &&
                   groups.add(load_u16(bytes->data() + 2));
        }
        const auto value = parse_number(part, 16, 4, 0xffff);
        if (!value || !groups.add(*value)) return false;
        if (is_last) return true;
        text.remove_prefix(colon + 1);
    }
}

std::optional<IpAddress> parse_ipv6(std::string_view text) {
    Groups head;
    Groups tail;
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) {
        if (!parse_groups(text, true, head) || head.count != kGroups) return std::nullopt;
    } else {
        if (!parse_groups(text.substr(0, gap), false, head)) return std::nullopt;
        if (!parse_groups(text.substr(gap + 2), true, tail)) return std::nullopt;
        if (head.count + tail.count >= kGroups) return std::nullopt;
    }
    IpAddress address{};
    for (std::size_t i = 0; i < head.count; ++i) store_u16(&address[2 * i], head.values[i]);
    for (std::size_t i = 0; i < tail.count; ++i) {
        store_u16(&address[2 * (kGroups - tail.count + i)], tail.values[i]);
    }
    return address;
}

}  // namespace

std::optional<IpAddress> parse_ip_address(std::string_view text) {
    if (text.find(':') != std::string_view::npos) return parse_ipv6(text.substr(0, text.find('%')));
    const auto bytes = parse_ipv4(text);
    if (!bytes) return std::nullopt;
    IpAddress address{};
    address[10] = address[11] = 0xff;
    std::copy(bytes->begin(), bytes->end(), address.begin() + 12);
    return address;
}

bool is_loopback_address(const IpAddress& address) {
    if (is_ipv4(address)) return address[12] == 127;
    IpAddress one{};
    one.back() = 1;
    return address == one;
}

bool is_ipv4(const IpAddress& address) {
    return std::all_of(address.begin(), address.begin() + 10, [](Byte b) { return b == 0; }) &&
           address[10] == 0xff && address[11] == 0xff;
}

}  // namespace pgweir::auth
