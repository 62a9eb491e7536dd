// SPDX-License-Identifier: PostgreSQL
// See saslprep.h. The tables are those of RFC 3454 that RFC 4013 names.
#include "auth/saslprep.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "auth/unicode_compositions.h"

namespace pgweir::auth {

namespace {

using CodePoint = std::uint32_t;

constexpr std::size_t kPreparedBytesMax = 1024;

// Wiped when it goes: it holds a password.
struct CodePoints {
    std::vector<CodePoint> all;

    CodePoints() = default;
    CodePoints(const CodePoints&) = delete;
    CodePoints& operator=(const CodePoints&) = delete;
    ~CodePoints() { OPENSSL_cleanse(all.data(), all.size() * sizeof(CodePoint)); }
};

struct Range {
    CodePoint first;
    CodePoint last;
};

// RFC 3454, C.1.2.
constexpr Range kSpaces[] = {{0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200b},
                             {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}};
// RFC 3454, B.1.
constexpr Range kMappedToNothing[] = {{0xad, 0xad},     {0x34f, 0x34f},   {0x1806, 0x1806},
                                      {0x180b, 0x180d}, {0x200b, 0x200d}, {0x2060, 0x2060},
                                      {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}};
// RFC 3454, C.2 to C.9; the surrogates of C.5 are no UTF-8 to begin with.
constexpr Range kProhibited[] = {
    {0x0, 0x1f},        {0x7f, 0x9f},       {0x340, 0x341},     {0x6dd, 0x6dd},
    {0x70f, 0x70f},     {0x180e, 0x180e},   {0x200c, 0x200f},   {0x2028, 0x202e},
    {0x2060, 0x2063},   {0x206a, 0x206f},   {0x2ff0, 0x2ffb},   {0xe000, 0xf8ff},
    {0xfdd0, 0xfdef},   {0xfeff, 0xfeff},   {0xfff9, 0xffff},   {0x1d173, 0x1d17a},
    {0xe0001, 0xe0001}, {0xe0020, 0xe007f}, {0xf0000, 0xfffff}, {0x100000, 0x10ffff}};

template <std::size_t N>
bool is_in(const Range (&ranges)[N], CodePoint code) {
    return std::any_of(std::begin(ranges), std::end(ranges), [code](const Range& range) {
        return code >= range.first && code <= range.last;
    });
}

bool is_prohibited(CodePoint code) {
    return is_in(kProhibited, code) || (code & 0xfffe) == 0xfffe;
}

// One code point off the front; false if what stands there is no shortest-form UTF-8.
bool take(std::string_view& text, CodePoint& code) {
    const auto byte = [&text](std::size_t at) { return static_cast<Byte>(text[at]); };
    const Byte lead = byte(0);
    std::size_t length = 1;
    CodePoint least = 0;
    code = lead;
    if (lead >= 0x80) {
        if (lead >= 0xf8 || lead < 0xc0) return false;
        length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
        code = lead & (0x7fU >> length);
    }
    if (text.size() < length) return false;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return false;
        code = (code << 6) | (byte(i) & 0x3fU);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    text.remove_prefix(length);
    return true;
}

void append_utf8(std::string& text, CodePoint code) {
    const auto put = [&text](CodePoint byte) { text += static_cast<char>(byte); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
        put(0xc0 | (code >> 6));
    } else if (code < 0x10000) {
        put(0xe0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3f));
    } else {
        put(0xf0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3f));
        put(0x80 | ((code >> 6) & 0x3f));
    }
    put(0x80 | (code & 0x3f));
}

// Where combining marks stand (Unicode, canonical combining class); 0 for everything that is not a
// mark of kCompositions.
int combining_class(CodePoint code) {
    if (code < 0x300 || code > 0x345) return 0;
    switch (code) {
        case 0x31b:
            return 216;
        case 0x323:
        case 0x324:
        case 0x325:
        case 0x326:
        case 0x32d:
        case 0x32e:
        case 0x330:
        case 0x331:
            return 220;
        case 0x327:
        case 0x328:
            return 202;
        case 0x345:
            return 240;
        default:
            return code <= 0x314 || code == 0x342 ? 230 : 0;
    }
}

// Compatibility mappings that keyboards can produce; 0 ends the list.
std::array<CodePoint, 3> compatible(CodePoint code) {
    switch (code) {
        case 0xa8:
            return {0x20, 0x308, 0};
        case 0xaa:
            return {'a', 0, 0};
        case 0xaf:
            return {0x20, 0x304, 0};
        case 0xb2:
            return {'2', 0, 0};
        case 0xb3:
            return {'3', 0, 0};
        case 0xb4:
            return {0x20, 0x301, 0};
        case 0xb5:
            return {0x3bc, 0, 0};
        case 0xb8:
            return {0x20, 0x327, 0};
        case 0xb9:
            return {'1', 0, 0};
        case 0xba:
            return {'o', 0, 0};
        case 0xbc:
            return {'1', 0x2044, '4'};
        case 0xbd:
            return {'1', 0x2044, '2'};
        case 0xbe:
            return {'3', 0x2044, '4'};
        case 0x2026:
            return {'.', '.', '.'};
        case 0x2122:
            return {'T', 'M', 0};
        default:
            if (code >= 0xff01 && code <= 0xff5e) return {code - 0xfee0, 0, 0};
            return {code, 0, 0};
    }
}

// Canonically where the tables know how, else by compatibility.
void decompose(CodePoint code, std::vector<CodePoint>& out) {
    const auto* found =
        std::find_if(std::begin(kCompositions), std::end(kCompositions),
                     [code](const Composition& entry) { return entry.composed == code; });
    if (found != std::end(kCompositions)) {
        decompose(found->base, out);
        return out.push_back(found->mark);
    }
    for (const CodePoint part : compatible(code)) {
        if (part != 0) out.push_back(part);
    }
}

// The one character for both, or 0.
CodePoint compose(CodePoint base, CodePoint mark) {
    const auto* found = std::lower_bound(
        std::begin(kCompositions), std::end(kCompositions), std::pair(base, mark),
        [](const Composition& entry, const std::pair<CodePoint, CodePoint>& wanted) {
            return std::pair<CodePoint, CodePoint>(entry.base, entry.mark) < wanted;
        });
    const bool is_it =
        found != std::end(kCompositions) && found->base == base && found->mark == mark;
    return is_it ? found->composed : 0;
}

// Unicode, "Canonical Ordering Algorithm".
void order_marks(std::vector<CodePoint>& codes) {
    for (std::size_t i = 1; i < codes.size(); ++i) {
        const int its_class = combining_class(codes[i]);
        if (its_class == 0) continue;
        for (std::size_t at = i; at > 0 && combining_class(codes[at - 1]) > its_class; --at) {
            std::swap(codes[at], codes[at - 1]);
        }
    }
}

// Unicode, "Canonical Composition Algorithm": a mark joins the last starter unless a mark of its
// own class or a higher one stands between.
void compose_all(std::vector<CodePoint>& codes) {
    std::size_t starter = codes.size();
    std::size_t kept = 0;
    int last_class = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const CodePoint code = codes[i];
        const int its_class = combining_class(code);
        if (its_class != 0 && starter < kept && (last_class == 0 || last_class < its_class)) {
            if (const CodePoint composed = compose(codes[starter], code)) {
                codes[starter] = composed;
                continue;
            }
        }
        if (its_class == 0) starter = kept;
        last_class = its_class;
        codes[kept++] = code;
    }
    codes.resize(kept);
}

// RFC 4013, 2.1 and 2.2; false if the text isn't UTF-8.
bool map_and_normalize(std::string_view text, std::vector<CodePoint>& codes) {
    while (!text.empty()) {
        CodePoint code = 0;
        if (!take(text, code) || code == 0) return false;
        // Spaces first: U+200B stands in both tables, and PostgreSQL makes it a space.
        if (is_in(kSpaces, code)) code = ' ';
        if (is_in(kMappedToNothing, code)) continue;
        decompose(code, codes);
    }
    order_marks(codes);
    compose_all(codes);
    return true;
}

}  // namespace

SecretText saslprep(std::string_view password) {
    const bool is_ascii = std::all_of(password.begin(), password.end(),
                                      [](char c) { return static_cast<Byte>(c) < 0x80; });
    if (is_ascii || password.size() > kPreparedBytesMax) return SecretText(password);

    CodePoints codes;
    // No reallocation may leave a copy behind: the longest mapping is three for one, and of those
    // no part decomposes; a composed letter has at most three marks.
    codes.all.reserve(password.size() * 4);
    if (!map_and_normalize(password, codes.all)) return SecretText(password);
    if (codes.all.empty()) return SecretText(password);
    if (std::any_of(codes.all.begin(), codes.all.end(), is_prohibited)) {
        return SecretText(password);
    }
    std::string prepared;
    prepared.reserve(codes.all.size() * 4);
    for (const CodePoint code : codes.all) append_utf8(prepared, code);
    SecretText result(prepared);
    OPENSSL_cleanse(prepared.data(), prepared.size());
    return result;
}

}  // namespace pgweir::auth
