// SPDX-License-Identifier: PostgreSQL
// Messages of the frontend/backend protocol for tests, written a second time on purpose: a test
// that used pgweir's own codec would share its mistakes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::integration {

std::string int16(int value);
std::string int32(std::int64_t value);
std::string zero_ended(std::string_view text);
// type:u8 length:u32be body
std::string frame(char type, std::string_view body);
// The same with a length of one's own choice.
std::string frame_with_length(char type, std::int64_t length, std::string_view body);

// Without a type byte: length:u32be body.
std::string untyped(std::string_view body);
using Parameters = std::vector<std::pair<std::string, std::string>>;
constexpr std::int64_t kProtocol30 = 3 << 16;
std::string startup(const Parameters& parameters, std::int64_t version = kProtocol30);
std::string ssl_request();
std::string gssenc_request();
std::string cancel_request(std::int64_t process, std::string_view key);

std::string query(std::string_view sql);
std::string parse(std::string_view name, std::string_view sql,
                  const std::vector<std::int64_t>& types = {});
// Text parameters, text results.
std::string bind_portal(std::string_view portal, std::string_view statement,
                        const std::vector<std::optional<std::string>>& values = {});
std::string describe_statement(std::string_view name);
std::string describe_portal(std::string_view name);
std::string execute(std::string_view portal = "", int max_rows = 0);
std::string close_statement(std::string_view name);
std::string close_portal(std::string_view name);
std::string flush();
std::string sync_point();
std::string terminate();
std::string copy_data(std::string_view bytes);
std::string copy_done();
std::string copy_fail(std::string_view why);
std::string password_message(std::string_view password);

// Backend messages, for the fake server.
std::string authentication(std::int64_t kind, std::string_view more = "");
std::string authentication_ok();
std::string parameter_status(std::string_view name, std::string_view value);
std::string backend_key_data(std::int64_t process, std::int64_t key);
std::string ready_for_query(char status = 'I');
std::string row_description(const std::vector<std::string>& columns);
std::string data_row(const std::vector<std::optional<std::string>>& values);
std::string command_complete(std::string_view tag);
std::string error_response(std::string_view severity, std::string_view sqlstate,
                           std::string_view text);
std::string notice_response(std::string_view text);

// One message as it was received.
struct Message {
    char type = 0;
    std::string body;

    // 'E' and 'N': the text of one field; "" if it is not there.
    std::string field(char code) const;
    std::string sqlstate() const { return field('C'); }
};

// One line of text that says all that should be equal everywhere: process IDs and keys are not in
// it, nor are an error's file, line and routine.
std::string describe(const Message& message);

}  // namespace pgweir::integration
