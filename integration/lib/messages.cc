// SPDX-License-Identifier: PostgreSQL
// Messages of the frontend/backend protocol for tests.
#include "messages.h"

namespace pgweir::integration {
namespace {

// Reads a message body; what is missing reads as zeros, a test compares it anyway.
class BodyReader {
 public:
    explicit BodyReader(std::string_view body) : rest_(body) {}

    std::int64_t number(std::size_t bytes) {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | take_byte();
        if (bytes == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
        return static_cast<std::int64_t>(value);
    }
    std::string text() {
        std::string value;
        while (!rest_.empty()) {
            char c = static_cast<char>(take_byte());
            if (c == '\0') break;
            value += c;
        }
        return value;
    }
    std::string bytes(std::size_t count) {
        std::string value(rest_.substr(0, count));
        rest_.remove_prefix(value.size());
        return value;
    }
    bool is_empty() const { return rest_.empty(); }

 private:
    unsigned char take_byte() {
        if (rest_.empty()) return 0;
        auto value = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }
    std::string_view rest_;
};

std::string shorten(const std::string& text) {
    if (text.size() <= 200) return text;
    return text.substr(0, 100) + "…(" + std::to_string(text.size()) + " bytes)";
}

std::string describe_problem(const std::string& name, const Message& message) {
    std::string text =
        name + " " + message.field('V') + " " + message.sqlstate() + ": " + message.field('M');
    for (auto [code, label] :
         {std::pair{'D', "detail"}, {'H', "hint"}, {'P', "position"}, {'W', "where"}}) {
        auto value = message.field(code);
        if (!value.empty()) text += std::string(" | ") + label + ": " + value;
    }
    return text;
}

std::string describe_row_description(BodyReader reader) {
    std::string text = "RowDescription";
    std::int64_t count = reader.number(2);
    for (std::int64_t i = 0; i < count && !reader.is_empty(); ++i) {
        text += " " + reader.text();
        reader.number(4);
        reader.number(2);
        text += ":" + std::to_string(reader.number(4));
        reader.number(2);
        reader.number(4);
        if (reader.number(2) == 1) text += ":binary";
    }
    return text;
}

std::string describe_data_row(BodyReader reader) {
    std::string text = "DataRow [";
    std::int64_t count = reader.number(2);
    for (std::int64_t i = 0; i < count && !reader.is_empty(); ++i) {
        if (i > 0) text += "|";
        std::int64_t length = reader.number(4);
        text += length < 0 ? "null" : shorten(reader.bytes(static_cast<std::size_t>(length)));
    }
    return text + "]";
}

std::string describe_authentication(BodyReader reader) {
    std::int64_t kind = reader.number(4);
    switch (kind) {
        case 0:
            return "AuthenticationOk";
        case 3:
            return "AuthenticationCleartextPassword";
        case 5:
            return "AuthenticationMD5Password";
        case 10: {
            std::string text = "AuthenticationSASL";
            while (!reader.is_empty()) {
                if (auto name = reader.text(); !name.empty()) text += " " + name;
            }
            return text;
        }
        case 11:
            return "AuthenticationSASLContinue";
        case 12:
            return "AuthenticationSASLFinal";
        default:
            return "Authentication " + std::to_string(kind);
    }
}

std::string describe_negotiation(BodyReader reader) {
    std::string text = "NegotiateProtocolVersion " + std::to_string(reader.number(4));
    std::int64_t count = reader.number(4);
    for (std::int64_t i = 0; i < count && !reader.is_empty(); ++i) text += " " + reader.text();
    return text;
}

std::string describe_types(BodyReader reader) {
    std::string text = "ParameterDescription";
    std::int64_t count = reader.number(2);
    for (std::int64_t i = 0; i < count && !reader.is_empty(); ++i) {
        text += " " + std::to_string(reader.number(4));
    }
    return text;
}

std::string describe_notification(BodyReader reader) {
    reader.number(4);
    std::string channel = reader.text();
    return "NotificationResponse " + channel + " '" + reader.text() + "'";
}

}  // namespace

std::string int16(int value) {
    return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

std::string int32(std::int64_t value) {
    auto bits = static_cast<std::uint32_t>(value);
    return {static_cast<char>(bits >> 24 & 0xff), static_cast<char>(bits >> 16 & 0xff),
            static_cast<char>(bits >> 8 & 0xff), static_cast<char>(bits & 0xff)};
}

std::string zero_ended(std::string_view text) {
    return std::string(text) + '\0';
}

std::string frame(char type, std::string_view body) {
    return frame_with_length(type, static_cast<std::int64_t>(body.size()) + 4, body);
}

std::string frame_with_length(char type, std::int64_t length, std::string_view body) {
    return std::string(1, type) + int32(length) + std::string(body);
}

std::string untyped(std::string_view body) {
    return int32(static_cast<std::int64_t>(body.size()) + 4) + std::string(body);
}

std::string startup(const Parameters& parameters, std::int64_t version) {
    std::string body = int32(version);
    for (const auto& [name, value] : parameters) body += zero_ended(name) + zero_ended(value);
    return untyped(body + '\0');
}

std::string ssl_request() {
    return untyped(int32(80877103));
}
std::string gssenc_request() {
    return untyped(int32(80877104));
}

std::string cancel_request(std::int64_t process, std::string_view key) {
    return untyped(int32(80877102) + int32(process) + std::string(key));
}

std::string query(std::string_view sql) {
    return frame('Q', zero_ended(sql));
}

std::string parse(std::string_view name, std::string_view sql,
                  const std::vector<std::int64_t>& types) {
    std::string body = zero_ended(name) + zero_ended(sql) + int16(static_cast<int>(types.size()));
    for (auto type : types) body += int32(type);
    return frame('P', body);
}

std::string bind_portal(std::string_view portal, std::string_view statement,
                        const std::vector<std::optional<std::string>>& values) {
    std::string body = zero_ended(portal) + zero_ended(statement) + int16(0);
    body += int16(static_cast<int>(values.size()));
    for (const auto& value : values) {
        body += value ? int32(static_cast<std::int64_t>(value->size())) + *value : int32(-1);
    }
    return frame('B', body + int16(0));
}

std::string describe_statement(std::string_view name) {
    return frame('D', "S" + zero_ended(name));
}
std::string describe_portal(std::string_view name) {
    return frame('D', "P" + zero_ended(name));
}
std::string execute(std::string_view portal, int max_rows) {
    return frame('E', zero_ended(portal) + int32(max_rows));
}
std::string close_statement(std::string_view name) {
    return frame('C', "S" + zero_ended(name));
}
std::string close_portal(std::string_view name) {
    return frame('C', "P" + zero_ended(name));
}
std::string flush() {
    return frame('H', "");
}
std::string sync_point() {
    return frame('S', "");
}
std::string terminate() {
    return frame('X', "");
}
std::string copy_data(std::string_view bytes) {
    return frame('d', bytes);
}
std::string copy_done() {
    return frame('c', "");
}
std::string copy_fail(std::string_view why) {
    return frame('f', zero_ended(why));
}
std::string password_message(std::string_view password) {
    return frame('p', zero_ended(password));
}

std::string authentication(std::int64_t kind, std::string_view more) {
    return frame('R', int32(kind) + std::string(more));
}
std::string authentication_ok() {
    return authentication(0);
}
std::string parameter_status(std::string_view name, std::string_view value) {
    return frame('S', zero_ended(name) + zero_ended(value));
}
std::string backend_key_data(std::int64_t process, std::int64_t key) {
    return frame('K', int32(process) + int32(key));
}
std::string ready_for_query(char status) {
    return frame('Z', std::string(1, status));
}

std::string row_description(const std::vector<std::string>& columns) {
    std::string body = int16(static_cast<int>(columns.size()));
    for (const auto& column : columns) {
        body +=
            zero_ended(column) + int32(0) + int16(0) + int32(25) + int16(-1) + int32(-1) + int16(0);
    }
    return frame('T', body);
}

std::string data_row(const std::vector<std::optional<std::string>>& values) {
    std::string body = int16(static_cast<int>(values.size()));
    for (const auto& value : values) {
        body += value ? int32(static_cast<std::int64_t>(value->size())) + *value : int32(-1);
    }
    return frame('D', body);
}

std::string command_complete(std::string_view tag) {
    return frame('C', zero_ended(tag));
}

std::string error_response(std::string_view severity, std::string_view sqlstate,
                           std::string_view text) {
    std::string body = "S" + zero_ended(severity) + "V" + zero_ended(severity) + "C" +
                       zero_ended(sqlstate) + "M" + zero_ended(text);
    return frame('E', body + '\0');
}

std::string notice_response(std::string_view text) {
    std::string body = "S" + zero_ended("NOTICE") + "V" + zero_ended("NOTICE") + "C" +
                       zero_ended("00000") + "M" + zero_ended(text);
    return frame('N', body + '\0');
}

std::string Message::field(char code) const {
    BodyReader reader(body);
    while (!reader.is_empty()) {
        char found = static_cast<char>(reader.number(1));
        if (found == '\0') break;
        std::string value = reader.text();
        if (found == code) return value;
    }
    return "";
}

std::string describe(const Message& message) {
    BodyReader reader(message.body);
    switch (message.type) {
        case 'R':
            return describe_authentication(reader);
        case 'S': {
            std::string name = reader.text();
            return "ParameterStatus " + name + "=" + reader.text();
        }
        case 'K':
            return "BackendKeyData";
        case 'Z':
            return "ReadyForQuery " + message.body;
        case 'E':
            return describe_problem("ErrorResponse", message);
        case 'N':
            return describe_problem("NoticeResponse", message);
        case 'T':
            return describe_row_description(reader);
        case 'D':
            return describe_data_row(reader);
        case 'C':
            return "CommandComplete " + reader.text();
        case 'I':
            return "EmptyQueryResponse";
        case '1':
            return "ParseComplete";
        case '2':
            return "BindComplete";
        case '3':
            return "CloseComplete";
        case 't':
            return describe_types(reader);
        case 'n':
            return "NoData";
        case 's':
            return "PortalSuspended";
        case 'G':
            return "CopyInResponse";
        case 'H':
            return "CopyOutResponse";
        case 'W':
            return "CopyBothResponse";
        case 'd':
            return "CopyData " + shorten(message.body);
        case 'c':
            return "CopyDone";
        case 'A':
            return describe_notification(reader);
        case 'V':
            return "FunctionCallResponse " + shorten(message.body.substr(4));
        case 'v':
            return describe_negotiation(reader);
        default:
            return std::string("unknown message '") + message.type + "'";
    }
}

}  // namespace pgweir::integration
