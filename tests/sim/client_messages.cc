// SPDX-License-Identifier: PostgreSQL
// What a simulated client can say.
#include "sim/sim_client.h"

namespace pgweir::sim {

// `message` is one whole message.
SimClient& SimClient::add(char tag, const Bytes& message) {
    if (state_ == State::Over) return *this;
    if (!unchecked_ && check_) {
        check_->sent(tag, ByteView(message).subspan(5));
        if (check_->owes() && waits_since_.is_never()) waits_since_ = parts_.agenda.now();
    }
    unsent_.insert(unsent_.end(), message.begin(), message.end());
    return *this;
}

SimClient& SimClient::query(std::string_view sql) {
    Bytes message;
    MessageWriter(message, 'Q').text(sql);
    return add('Q', message);
}

SimClient& SimClient::parse(std::string_view name, std::string_view sql,
                            const std::vector<std::uint32_t>& types) {
    Bytes message;
    {
        MessageWriter writer(message, 'P');
        writer.text(name).text(sql).u16(types.size());
        for (const std::uint32_t type : types) writer.u32(type);
    }
    return add('P', message);
}

SimClient& SimClient::bind(std::string_view portal, std::string_view statement,
                           const std::vector<std::string>& arguments) {
    Bytes message;
    {
        MessageWriter writer(message, 'B');
        writer.text(portal).text(statement).u16(0).u16(arguments.size());
        for (const std::string& argument : arguments) writer.field(argument);
        writer.u16(0);
    }
    return add('B', message);
}

SimClient& SimClient::describe(char kind, std::string_view name) {
    Bytes message;
    MessageWriter(message, 'D').u8(static_cast<std::uint8_t>(kind)).text(name);
    return add('D', message);
}

SimClient& SimClient::execute(std::string_view portal, std::uint32_t most_rows) {
    Bytes message;
    MessageWriter(message, 'E').text(portal).u32(most_rows);
    return add('E', message);
}

SimClient& SimClient::close_named(char kind, std::string_view name) {
    Bytes message;
    MessageWriter(message, 'C').u8(static_cast<std::uint8_t>(kind)).text(name);
    return add('C', message);
}

SimClient& SimClient::sync() {
    Bytes message;
    MessageWriter(message, 'S');
    return add('S', message);
}

SimClient& SimClient::flush_message() {
    Bytes message;
    MessageWriter(message, 'H');
    return add('H', message);
}

SimClient& SimClient::function_call(std::string_view first, std::string_view second) {
    Bytes message;
    MessageWriter(message, 'F').u32(1258).u16(0).u16(2).field(first).field(second).u16(0);
    return add('F', message);
}

SimClient& SimClient::copy_data(std::string_view row) {
    Bytes message;
    MessageWriter(message, 'd').raw(row);
    return add('d', message);
}

SimClient& SimClient::copy_done() {
    Bytes message;
    MessageWriter(message, 'c');
    return add('c', message);
}

SimClient& SimClient::copy_fail(std::string_view why) {
    Bytes message;
    MessageWriter(message, 'f').text(why);
    return add('f', message);
}

SimClient& SimClient::raw(ByteView bytes) {
    unchecked_ = true;
    waits_since_ = Instant::never();
    unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
    return *this;
}

void SimClient::flush() {
    if (unsent_.empty()) return;
    parts_.transcript.note("client.write", number_, socket_, unsent_);
    transmit(unsent_);
    unsent_.clear();
}

}  // namespace pgweir::sim
