// SPDX-License-Identifier: PostgreSQL
#include "message_words.h"

#include <optional>
#include <vector>

#include "messages.h"
#include "process.h"

namespace pgweir::integration::oracle {
namespace {

// textcat(text, text)
constexpr std::int64_t kTextcat = 1258;

std::string_view take_word(std::string_view& text) {
    const auto end = text.find(' ');
    const auto word = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return word;
}

// The end of what "(" at the front opens.
std::string_view take_parenthesised(std::string_view& text) {
    const auto end = text.find(')');
    if (text.empty() || text[0] != '(' || end == std::string_view::npos) {
        throw HarnessError("a parenthesis is missing: " + std::string(text));
    }
    const auto inside = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return inside;
}

std::string unescaped(std::string_view text);

std::string escape(std::string_view& text) {
    const char kind = text[0];
    text.remove_prefix(1);
    switch (kind) {
        case 'n':
            return "\n";
        case 't':
            return "\t";
        case '-':
            return "";
        case '\\':
        case ',':
        case '|':
            return std::string(1, kind);
        case 'x': {
            const auto digits = std::string(text.substr(0, 2));
            text.remove_prefix(2);
            return std::string(1, static_cast<char>(std::stoi(digits, nullptr, 16)));
        }
        case 'h':
            return int16(std::stoi(std::string(take_parenthesised(text))));
        case 'w':
            return int32(std::stoll(std::string(take_parenthesised(text))));
        case '*': {
            const std::string inside(take_parenthesised(text));
            std::size_t digits = 0;
            const int count = std::stoi(inside, &digits);
            const std::string one = unescaped(std::string_view(inside).substr(digits + 1));
            std::string many;
            for (int i = 0; i < count; ++i) many += one;
            return many;
        }
        default:
            throw HarnessError(std::string("no such escape: \\") + kind);
    }
}

std::string unescaped(std::string_view text) {
    std::string bytes;
    while (!text.empty()) {
        const char c = text[0];
        text.remove_prefix(1);
        if (c == '\\' && !text.empty()) {
            bytes += escape(text);
        } else {
            bytes += c;
        }
    }
    return bytes;
}

// Still escaped; a separator behind a backslash is none.
std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] == '\\') {
            ++i;
            continue;
        }
        if (i < text.size() && text[i] != at) continue;
        parts.push_back(text.substr(begin, i - begin));
        begin = i + 1;
    }
    return parts;
}

std::vector<std::string_view> list(std::string_view text) {
    return text.empty() ? std::vector<std::string_view>{} : split(text, ',');
}

std::string int16_list(std::string_view text) {
    const auto words = list(text);
    std::string bytes = int16(static_cast<int>(words.size()));
    for (const auto word : words) bytes += int16(std::stoi(std::string(word)));
    return bytes;
}

std::string_view part(const std::vector<std::string_view>& parts, std::size_t i) {
    return i < parts.size() ? parts[i] : std::string_view();
}

// name|sql|types: the SQL may have its own '|'.
std::string parse_words(std::string_view rest) {
    const auto first = rest.find('|');
    const auto last = rest.rfind('|');
    if (first == last) throw HarnessError("P name|sql|types: " + std::string(rest));
    std::vector<std::int64_t> types;
    for (const auto type : list(rest.substr(last + 1)))
        types.push_back(std::stoll(std::string(type)));
    return parse(unescaped(rest.substr(0, first)),
                 unescaped(rest.substr(first + 1, last - first - 1)), types);
}

std::string bind_words(std::string_view rest) {
    const auto parts = split(rest, '|');
    std::string body =
        zero_ended(unescaped(part(parts, 0))) + zero_ended(unescaped(part(parts, 1)));
    body += int16_list(part(parts, 3));
    const auto values = list(part(parts, 2));
    body += int16(static_cast<int>(values.size()));
    for (const auto value : values) {
        const std::string bytes = value == "\\N" ? std::string() : unescaped(value);
        body += int32(value == "\\N" ? -1 : static_cast<std::int64_t>(bytes.size())) + bytes;
    }
    return frame('B', body + int16_list(part(parts, 4)));
}

std::string function_call_words(std::string_view rest) {
    std::string body = int32(kTextcat) + int16(0);
    const auto values = split(rest, '|');
    body += int16(static_cast<int>(values.size()));
    for (const auto value : values) {
        const std::string bytes = unescaped(value);
        body += int32(static_cast<std::int64_t>(bytes.size())) + bytes;
    }
    return frame('F', body + int16(0));
}

std::string startup_words(std::string_view rest) {
    const std::string version(take_word(rest));
    const auto dot = version.find('.');
    Parameters parameters;
    while (!rest.empty()) {
        const auto word = take_word(rest);
        const auto equals = word.find('=');
        parameters.emplace_back(unescaped(word.substr(0, equals)),
                                unescaped(word.substr(equals + 1)));
    }
    return startup(parameters,
                   std::stoll(version.substr(0, dot)) << 16 | std::stoll(version.substr(dot + 1)));
}

std::optional<std::string> bytes_of_letter(char letter, std::string_view rest) {
    switch (letter) {
        case 'Q':
            return query(unescaped(rest));
        case 'P':
            return parse_words(rest);
        case 'B':
            return bind_words(rest);
        case 'D':
        case 'C': {
            const auto kind = take_word(rest);
            return frame(letter, std::string(kind) + zero_ended(unescaped(rest)));
        }
        case 'E': {
            const auto parts = split(rest, '|');
            const std::string rows(part(parts, 1));
            return execute(unescaped(part(parts, 0)), rows.empty() ? 0 : std::stoi(rows));
        }
        case 'S':
        case 'H':
        case 'X':
        case 'c':
            return frame(letter, "");
        case 'd':
            return frame(letter, unescaped(rest) + "\n");
        case 'f':
        case 'p':
            return frame(letter, zero_ended(unescaped(rest)));
        case 'F':
            return function_call_words(rest);
        default:
            return std::nullopt;
    }
}

}  // namespace

std::string bytes_of(std::string_view words) {
    std::string_view rest = words;
    const auto word = take_word(rest);
    if (word.size() == 1) {
        if (auto bytes = bytes_of_letter(word[0], rest)) return *bytes;
    }
    if (word == "body") {
        const std::string type = unescaped(take_word(rest));
        return frame(type.at(0), unescaped(rest));
    }
    if (word == "frame") {
        const std::string type = unescaped(take_word(rest));
        const std::string length(take_word(rest));
        return frame_with_length(type.at(0), std::stoll(length), unescaped(rest));
    }
    if (word == "raw") return unescaped(rest);
    if (word == "startup") return startup_words(rest);
    if (word == "sslrequest") return ssl_request();
    if (word == "gssencrequest") return gssenc_request();
    if (word == "cancelrequest") return untyped(int32(80877102) + unescaped(rest));
    throw HarnessError("no such message: " + std::string(words));
}

}  // namespace pgweir::integration::oracle
