// SPDX-License-Identifier: PostgreSQL
#include "proxy/user_lookup.h"

#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/error_response.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::proxy {

namespace {
constexpr std::size_t kHeaderBytes = 5;
constexpr std::size_t kAnswerBytesMax = 64 * 1024;
}  // namespace

void UserLookup::ask(session::ServerSession& server_session, EffectList& effects) {
    using session::Asker;
    using session::Expected;
    const std::optional<std::string_view> name = user_;
    Bytes out;
    wire::parse(out, "", sql_);
    wire::bind(out, "", "", {&name, 1});
    wire::execute(out, "");
    wire::sync(out);
    effects.send(server_session.id(), effects.keep(out));
    server_session.expect(Expected::Parse, Asker::Quiet);
    server_session.expect(Expected::Bind, Asker::Quiet);
    server_session.expect(Expected::Execute, Asker::Quiet);
    server_session.expect(Expected::Sync, Asker::Quiet);
    server_session.set_unnamed(session::StatementDirectory::opaque());
}

void UserLookup::on_bytes(ByteView bytes) {
    if (has_failed()) return;
    input_.append(bytes);
    if (input_.size() > kAnswerBytesMax) {
        error_ = "auth_query answered more than " + std::to_string(kAnswerBytesMax) + " bytes";
        input_.clear();
        return;
    }
    for (;;) {
        const ByteView input = input_.view();
        if (input.size() < kHeaderBytes) return;
        const std::size_t size = 1 + std::size_t{load_u32(input.data() + 1)};
        if (size < kHeaderBytes) {
            error_ = "a malformed answer";
            return;
        }
        if (input.size() < size) return;
        const ByteView body = input.subspan(kHeaderBytes, size - kHeaderBytes);
        if (input[0] == 'D') row(body);
        if (input[0] == 'E') {
            const auto fields = wire::read_error_fields(body);
            error_ = fields ? std::string(fields->message) : "a malformed error";
        }
        input_.consume(size);
        if (has_failed()) return;
    }
}

void UserLookup::row(ByteView body) {
    const auto values = wire::read_data_row(body);
    if (!values || values->size() < 2) {
        error_ = "auth_query must answer two columns: user name and verifier";
        return;
    }
    // A query that ignores its parameter must not let somebody in with another one's password.
    if (!(*values)[0] || *(*values)[0] != user_) return;
    if ((*values)[1]) secret_ = std::string(*(*values)[1]);
}

}  // namespace pgweir::proxy
