// SPDX-License-Identifier: PostgreSQL
#include "proxy/errand.h"

#include "pgweir/wire/error_response.h"
#include "pgweir/wire/frontend_messages.h"

namespace pgweir::proxy {

namespace {
constexpr std::size_t kHeaderBytes = 5;
}  // namespace

void Errand::send(session::ServerSession& server, std::string_view sql,
                  std::span<const std::optional<std::string_view>> values, EffectList& effects) {
    using session::Asker;
    using session::Expected;
    Bytes out;
    wire::parse(out, "", sql);
    wire::bind(out, "", "", values);
    wire::execute(out, "");
    wire::sync(out);
    effects.send(server.id(), effects.keep(out));
    server.expect(Expected::Parse, Asker::Quiet);
    server.expect(Expected::Bind, Asker::Quiet);
    server.expect(Expected::Execute, Asker::Quiet);
    server.expect(Expected::Sync, Asker::Quiet);
    server.set_unnamed(session::StatementDirectory::opaque());
}

void Errand::on_bytes(ByteView bytes) {
    if (has_failed()) return;
    input_.append(bytes);
    for (;;) {
        const ByteView input = input_.view();
        if (input.size() < kHeaderBytes) return;
        const std::size_t size = 1 + std::size_t{load_u32(input.data() + 1)};
        if (size < kHeaderBytes) return fail("a malformed answer");
        if (size > answer_bytes_max_) {
            return fail(std::string(what_) + " answered more than " +
                        std::to_string(answer_bytes_max_) + " bytes");
        }
        if (input.size() < size) return;
        const ByteView body = input.subspan(kHeaderBytes, size - kHeaderBytes);
        if (input[0] == 'Z') settings_come_first_ = false;
        if (input[0] == 'D' && !settings_come_first_) row(body);
        if (input[0] == 'E') {
            const auto fields = wire::read_error_fields(body);
            fail(fields ? std::string(fields->message) : "a malformed error");
        }
        input_.consume(size);
        if (has_failed()) return;
    }
}

}  // namespace pgweir::proxy
