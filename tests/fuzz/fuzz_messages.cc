// SPDX-License-Identifier: PostgreSQL
// Every reader of a body, on any body. What fits a reader exactly must be written as it came.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/backend_messages.h"
#include "pgweir/wire/frontend_messages.h"

using namespace pgweir;
using namespace pgweir::wire;

namespace {

// `message` is one written message with this body.
void must_be(const Bytes& message, ByteView body) {
    PGWEIR_ASSERT(message.size() == body.size() + 5);
    PGWEIR_ASSERT(std::equal(body.begin(), body.end(), message.begin() + 5));
}

void read_frontend(ByteView body) {
    Bytes out;
    if (const auto text = read_query(body)) query(out, *text), must_be(out, body);
    out.clear();
    if (const auto message = read_parse(body)) parse(out, *message), must_be(out, body);
    out.clear();
    if (const auto target = read_describe(body)) {
        describe(out, target->kind, target->name), must_be(out, body);
    }
    out.clear();
    if (const auto message = read_execute(body)) {
        execute(out, message->portal, message->rows_max), must_be(out, body);
    }
    out.clear();
    const auto initial = read_sasl_initial_response(body);
    if (initial && initial->data) {
        sasl_initial_response(out, initial->mechanism, *initial->data), must_be(out, body);
    }
    (void)read_close(body);
    (void)read_password_message(body);
}

// A head that was read from a prefix is the head of the whole.
void read_heads(ByteView body) {
    const auto whole = read_bind_head(body, body.size());
    const ByteView half = body.first(body.size() / 2);
    const auto early = read_bind_head(half, body.size());
    if (early.ok()) {
        PGWEIR_ASSERT(whole.ok() && whole->rest_at == early->rest_at);
        PGWEIR_ASSERT(whole->statement == early->statement);
    } else {
        PGWEIR_ASSERT(body.empty() || early.error() == HeadError::NeedMore);
    }
    if (whole.ok()) PGWEIR_ASSERT(whole->rest_at <= body.size());
    (void)read_parse_name(half, body.size());
}

void read_backend(ByteView body) {
    Bytes out;
    if (const auto status = read_parameter_status(body)) {
        parameter_status(out, status->name, status->value), must_be(out, body);
    }
    out.clear();
    if (const auto key = read_backend_key_data(body)) {
        backend_key_data(out, key->process_id, key->secret), must_be(out, body);
    }
    out.clear();
    if (const auto status = read_ready_for_query(body)) {
        ready_for_query(out, *status), must_be(out, body);
    }
    out.clear();
    if (const auto mechanisms = read_sasl_mechanisms(body)) {
        authentication_sasl(out, *mechanisms);
        PGWEIR_ASSERT(out.size() == body.size() + 9);
    }
    out.clear();
    if (const auto tag = read_command_complete(body)) {
        command_complete(out, *tag), must_be(out, body);
    }
    (void)read_authentication(body);
    (void)read_negotiate_protocol_version(body);
    (void)read_data_row(body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView body(data, size);
    read_frontend(body);
    read_heads(body);
    read_backend(body);
    return 0;
}
