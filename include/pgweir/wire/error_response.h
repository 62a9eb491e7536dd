// SPDX-License-Identifier: PostgreSQL
// The fields of ErrorResponse and NoticeResponse.
//   body = { code:u8 value:cstring }… 0:u8        "Error and Notice Message Fields"
#pragma once

#include <optional>
#include <string_view>

#include "pgweir/base/bytes.h"

namespace pgweir::wire {

// Views into the body, or into what the writer is given. A field that is not there is empty: a
// broken server may leave out any of them, even SQLSTATE.
struct ErrorFields {
    std::string_view severity = {};            // S, in the language of the session
    std::string_view severity_invariant = {};  // V, never translated
    std::string_view sqlstate = {};            // C
    std::string_view message = {};             // M
    std::string_view detail = {};              // D
    std::string_view hint = {};                // H
    std::string_view position = {};            // P
    std::string_view where = {};               // W
    std::string_view schema = {};              // s
    std::string_view table = {};               // t
    std::string_view column = {};              // c
    std::string_view constraint = {};          // n
    std::string_view routine = {};             // R

    // "FATAL" or "PANIC": the server closes the connection.
    bool is_fatal() const;
    // True if SQLSTATE begins with these two characters.
    bool is_of_class(std::string_view sqlstate_class) const;
};

// Unknown and repeated fields are passed over (of repeated ones the first counts), as the manual
// asks; a body without its terminator is nothing.
std::optional<ErrorFields> read_error_fields(ByteView body);

// Write S, V, C, M, and D, H when they are not empty. An empty severity_invariant is the severity.
void error_response(Bytes& out, const ErrorFields& fields);
void notice_response(Bytes& out, const ErrorFields& fields);

}  // namespace pgweir::wire
