// SPDX-License-Identifier: PostgreSQL
// The simulated session against the real one: recorded/dialogues.txt holds what clients said (">")
// and what PostgreSQL 15 answered ("<"); the simulated session must answer the same.
#include <doctest/doctest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "sim/pg_session.h"

using namespace pgweir;
using namespace pgweir::sim;

namespace {

std::vector<std::string> split(const std::string& text, char at) {
    std::vector<std::string> parts(1);
    for (const char c : text) {
        if (c == at)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

std::vector<std::string> list(const std::string& text) {
    return text.empty() ? std::vector<std::string>{} : split(text, ',');
}

// The body of the message that this line means.
Bytes body_of(char tag, const std::string& rest) {
    Bytes message;
    {
        MessageWriter writer(message, tag);
        const std::vector<std::string> parts = split(rest, '|');
        if (tag == 'Q' || tag == 'f') {
            writer.text(rest);
        } else if (tag == 'P') {
            const std::vector<std::string> types = list(parts.at(2));
            writer.text(parts[0]).text(parts[1]).u16(types.size());
            for (const std::string& type : types) writer.u32(std::stoul(type));
        } else if (tag == 'B') {
            const std::vector<std::string> arguments = list(parts.at(2));
            writer.text(parts[0]).text(parts[1]).u16(0).u16(arguments.size());
            for (const std::string& argument : arguments) writer.field(argument);
            writer.u16(0);
        } else if (tag == 'D' || tag == 'C') {
            writer.raw(rest.substr(0, 1)).text(rest.size() > 2 ? rest.substr(2) : "");
        } else if (tag == 'E') {
            writer.text(parts[0]).u32(std::stoul(parts.at(1)));
        } else if (tag == 'd') {
            writer.raw(rest + "\n");
        } else if (tag == 'F') {
            writer.u32(1258).u16(0).u16(2).field(parts[0]).field(parts.at(1)).u16(0);
        }
    }
    return {message.begin() + 5, message.end()};
}

// The simulated node numbers the rows of a series; a real one can't.
std::string unnumbered(std::string_view value) {
    return std::string(value.substr(0, value.find('+')));
}

std::string row_text(FieldCursor cursor) {
    std::string text = "D ";
    for (std::uint16_t left = cursor.u16(); left > 0; --left) {
        const std::uint32_t length = cursor.u32();
        text += length == 0xffffffffU ? "NULL" : unnumbered(cursor.raw(length));
        if (left > 1) text += '|';
    }
    return text;
}

std::string columns_text(FieldCursor cursor) {
    std::string text = "T ";
    for (std::uint16_t left = cursor.u16(); left > 0; --left) {
        text += std::string(cursor.text()) + ":";
        cursor.raw(6);
        text += std::to_string(cursor.u32());
        cursor.raw(8);
        if (left > 1) text += '|';
    }
    return text;
}

std::string line_of(char tag, ByteView body) {
    FieldCursor cursor{body};
    std::string text(1, tag);
    switch (tag) {
        case 'E':
        case 'N':
            return text + " " + std::string(error_field(body, 'S')) + " " +
                   std::string(error_field(body, 'C'));
        case 'C':
            return text + " " + std::string(cursor.text());
        case 'S': {
            const std::string name(cursor.text());
            const std::string value(cursor.text());
            return text + " " + name + (value.empty() ? "" : " " + value);
        }
        case 'Z':
            return text + " " + static_cast<char>(cursor.u8());
        case 'D':
            return row_text(cursor);
        case 'T':
            return columns_text(cursor);
        case 't':
            for (std::uint16_t left = cursor.u16(); left > 0; --left) {
                text += " " + std::to_string(cursor.u32());
            }
            return text;
        case 'd':
            return text + " " + unnumbered(as_text(body.first(body.size() - 1)));
        case 'V':
            return text + " " + std::string(cursor.raw(cursor.u32()));
        default:
            return text;
    }
}

// The node of one session, alone in the world.
class TestNode final : public NodeData {
 public:
    explicit TestNode(bool is_standby) : is_standby_(is_standby) {}
    bool is_in_recovery() const override { return is_standby_; }
    bool catalog_lies() const override { return false; }
    WalPlace snapshot() const override { return place_; }
    std::string read(std::uint32_t id, WalPlace snapshot) const override {
        return registers_.at(id, snapshot).value;
    }
    void commit(const Deeds& deeds) {
        ++place_;
        for (const Write& write : deeds.committed) {
            if (write.id != kNoRegister) registers_.write(place_, write);
        }
    }

 private:
    bool is_standby_;
    WalPlace place_ = 0;
    Registers registers_;
};

std::vector<std::string> answers_to(PgSession& session, TestNode& node, char tag,
                                    const std::string& rest) {
    Bytes out;
    session.take(tag, body_of(tag, rest));
    bool is_closed = false;
    while (session.busy() && !is_closed) {
        is_closed = session.step(out) == PgSession::Progress::Closed;
        node.commit(session.take_deeds());
    }
    FrameCutter frames;
    frames.append(out);
    std::vector<std::string> lines;
    while (const auto frame = frames.next()) lines.push_back(line_of(frame->tag, frame->body));
    if (is_closed) lines.emplace_back("closed");
    return lines;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

}  // namespace

TEST_CASE("the simulated session answers as PostgreSQL 15 did") {
    std::ifstream file(PGWEIR_TEST_DATA "/recorded/dialogues.txt");
    REQUIRE(file.good());
    std::unique_ptr<TestNode> node;
    std::unique_ptr<PgSession> session;
    std::string title;
    std::string said;
    std::vector<std::string> answered;
    std::vector<std::string> recorded;
    int messages = 0;
    const auto compare = [&] {
        if (said.empty()) return;
        INFO(title, ": ", said);
        CHECK(joined(answered) == joined(recorded));
        said.clear();
        recorded.clear();
    };
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("< ")) {
            recorded.push_back(line.substr(2));
            continue;
        }
        compare();
        if (line.starts_with("session")) {
            title = line;
            node = std::make_unique<TestNode>(line == "session standby");
            session = std::make_unique<PgSession>("postgres", Parameters{}, node.get());
            Bytes greeting;
            session->greet(greeting, 1, as_bytes("key "));
        } else if (line.starts_with("> ")) {
            said = line;
            ++messages;
            answered = answers_to(*session, *node, line[2], line.size() > 4 ? line.substr(4) : "");
        }
    }
    compare();
    CHECK(messages > 240);
}
