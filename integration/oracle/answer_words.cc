// SPDX-License-Identifier: PostgreSQL
#include "answer_words.h"

#include <algorithm>

namespace pgweir::integration::oracle {
namespace {

constexpr std::int64_t kFirstCreatedOid = 16384;
constexpr std::size_t kValueMax = 120;

std::string printable(std::string_view bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 32 && byte != 127 && byte < 128) {
            text += c;
        } else if (c == '\n') {
            text += "\\n";
        } else {
            text += std::string("\\x") + kDigits[byte >> 4] + kDigits[byte & 15];
        }
    }
    if (text.size() <= kValueMax) return text;
    const auto hash = std::hash<std::string_view>{}(bytes);
    return text.substr(0, kValueMax / 2) + "…(" + std::to_string(bytes.size()) + " bytes, " +
           std::to_string(hash % 100000) + ")";
}

// What is not there reads as "?": a line says that a message is broken, and how.
class Body {
 public:
    explicit Body(std::string_view bytes) : rest_(bytes) {}

    std::int64_t number(std::size_t bytes) {
        std::uint64_t value = 0;
        for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
        const unsigned shift = 64 - 8 * static_cast<unsigned>(bytes);
        return static_cast<std::int64_t>(value << shift) >> shift;
    }
    std::string text() {
        const auto end = rest_.find('\0');
        if (end == std::string_view::npos) {
            is_short_ = true;
            return printable(take(rest_.size()));
        }
        auto value = printable(rest_.substr(0, end));
        rest_.remove_prefix(end + 1);
        return value;
    }
    std::string_view take(std::size_t bytes) {
        if (bytes > rest_.size()) is_short_ = true;
        const auto taken = rest_.substr(0, bytes);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    bool is_done() const { return rest_.empty() || is_short_; }
    // What was not read of it, or that too little was there.
    std::string remainder() const {
        if (is_short_) return " (too short)";
        return rest_.empty() ? "" : " and more: " + printable(rest_);
    }

 private:
    std::string_view rest_;
    bool is_short_ = false;
};

std::string oid(std::int64_t value) {
    return value >= kFirstCreatedOid ? "<oid>" : std::to_string(value);
}

std::string problem(Body& body) {
    std::string text;
    while (!body.is_done()) {
        const char code = static_cast<char>(body.number(1));
        if (code == '\0') break;
        text += text.empty() ? "" : "|";
        text += std::string(1, code) + " " + body.text();
    }
    return text;
}

// name:type/length/modifier/format@table.column
std::string columns(Body& body) {
    std::string text;
    for (std::int64_t left = body.number(2); left > 0 && !body.is_done(); --left) {
        text += text.empty() ? "" : " ";
        text += body.text() + ":";
        const std::int64_t table = body.number(4);
        const std::int64_t column = body.number(2);
        text += oid(body.number(4));
        text += "/" + std::to_string(body.number(2));
        text += "/" + std::to_string(body.number(4));
        text += "/" + std::to_string(body.number(2));
        if (table != 0 || column != 0) text += "@" + oid(table) + "." + std::to_string(column);
    }
    return text;
}

std::string values(Body& body) {
    std::string text;
    for (std::int64_t left = body.number(2); left > 0 && !body.is_done(); --left) {
        const std::int64_t length = body.number(4);
        text += length < 0 ? "\\N" : printable(body.take(static_cast<std::size_t>(length)));
        if (left > 1) text += '|';
    }
    return text;
}

std::string types(Body& body) {
    std::string text;
    for (std::int64_t left = body.number(2); left > 0 && !body.is_done(); --left) {
        text += (text.empty() ? "" : " ") + oid(body.number(4));
    }
    return text;
}

std::string copy_formats(Body& body) {
    std::string text = std::to_string(body.number(1));
    for (std::int64_t left = body.number(2); left > 0 && !body.is_done(); --left) {
        text += " " + std::to_string(body.number(2));
    }
    return text;
}

std::string texts(Body& body) {
    std::string text = body.text();
    while (!body.is_done()) text += " " + body.text();
    return text;
}

std::string authentication(Body& body) {
    const std::int64_t kind = body.number(4);
    if (kind == 5) body.take(4);
    return kind == 10 ? "10 " + texts(body) : std::to_string(kind);
}

std::string notification(Body& body) {
    body.number(4);
    const std::string channel = body.text();
    return channel + " " + body.text();
}

std::string negotiation(Body& body) {
    std::string text = std::to_string(body.number(4));
    for (std::int64_t left = body.number(4); left > 0 && !body.is_done(); --left) {
        text += " " + body.text();
    }
    return text;
}

std::string function_result(Body& body) {
    const std::int64_t length = body.number(4);
    return length < 0 ? "\\N" : printable(body.take(static_cast<std::size_t>(length)));
}

std::string words_of(const Message& message, Body& body) {
    switch (message.type) {
        case 'R':
            return authentication(body);
        case 'S':
            return texts(body);
        case 'K':
            body.number(4);
            return std::to_string(body.take(message.body.size() - 4).size());
        case 'Z':
            return printable(body.take(1));
        case 'E':
        case 'N':
            return problem(body);
        case 'T':
            return columns(body);
        case 'D':
            return values(body);
        case 'C':
            return body.text();
        case 't':
            return types(body);
        case 'G':
        case 'H':
        case 'W':
            return copy_formats(body);
        case 'd':
            return printable(body.take(message.body.size()));
        case 'A':
            return notification(body);
        case 'V':
            return function_result(body);
        case 'v':
            return negotiation(body);
        default:
            return "";
    }
}

}  // namespace

std::string line_of(const Message& message) {
    Body body(message.body);
    const std::string words = words_of(message, body);
    return std::string(1, message.type) + (words.empty() ? "" : " " + words) + body.remainder();
}

}  // namespace pgweir::integration::oracle
