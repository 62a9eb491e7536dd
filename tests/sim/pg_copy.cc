// SPDX-License-Identifier: PostgreSQL
// The messages beside queries: COPY FROM STDIN and FunctionCall.
#include "sim/pg_session.h"

namespace pgweir::sim {

// FunctionCall of textcat (oid 1258): two text arguments come back as one.
PgSession::Progress PgSession::function_call(Bytes& out) {
    FieldCursor cursor{body_};
    const std::uint32_t oid = cursor.u32();
    const std::uint16_t formats = cursor.u16();
    for (std::uint16_t i = 0; i < formats; ++i) cursor.u16();
    const std::uint16_t arguments = cursor.u16();
    std::string result;
    for (std::uint16_t i = 0; i < arguments && cursor.ok; ++i) result += cursor.raw(cursor.u32());
    cursor.u16();
    if (!cursor.ok) return error(out, "08P01", "invalid message format");
    if (block_ == Block::Failed) return error(out, "25P02", "current transaction is aborted");
    if (oid != 1258) return error(out, "42883", "function with OID does not exist");
    start_transaction();
    if (const auto token = find_token(body_)) deeds_.executed.push_back(*token);
    MessageWriter(out, 'V').field(result);
    if (implicit_) commit();
    ready(out);
    return finished();
}

PgSession::Progress PgSession::copy_message(Bytes& out) {
    switch (tag_) {
        case 'd':
            if (copied_rows_++ == 0) copy_token_ = find_token(body_).value_or(Token{});
            return finished();
        case 'H':
        case 'S':
            return finished();
        case 'f': {
            FieldCursor cursor{body_};
            return error(out, "57014", "COPY from stdin failed: " + std::string(cursor.text()));
        }
        case 'c': {
            copy_in_ = false;
            if (copy_token_.client != 0) {
                written_.push_back({.token = copy_token_});
                deeds_.executed.push_back(copy_token_);
            }
            const bool simple = !script_.empty();
            if (simple && next_statement_ + 1 >= script_.size() && implicit_) commit();
            MessageWriter(out, 'C').text("COPY " + std::to_string(copied_rows_));
            if (!simple) return finished();
            // The query string goes on with its next statement.
            tag_ = 'Q';
            script_begun_ = true;
            simple_begun_ = false;
            ++next_statement_;
            return Progress::More;
        }
        case 'X':
            tag_ = 0;
            return Progress::Closed;
        default:
            abort();
            write_error(out, 'E', "ERROR", "08P01",
                        "unexpected message type during COPY from stdin");
            return fatal(out, "08P01",
                         "terminating connection because protocol synchronization was lost");
    }
}

}  // namespace pgweir::sim
