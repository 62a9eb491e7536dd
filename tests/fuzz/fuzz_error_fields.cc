// SPDX-License-Identifier: PostgreSQL
// The fields of an ErrorResponse, as a hostile server may send them. What was read and written
// must read the same.
#include "fuzz/fuzz.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/error_response.h"

using namespace pgweir;
using namespace pgweir::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto fields = read_error_fields({data, size});
    if (!fields) return 0;
    (void)fields->is_fatal();
    (void)fields->is_of_class("28");
    Bytes out;
    error_response(out, *fields);
    const auto again = read_error_fields(ByteView(out).subspan(5));
    PGWEIR_ASSERT(again.has_value());
    PGWEIR_ASSERT(again->severity == fields->severity);
    PGWEIR_ASSERT(again->sqlstate == fields->sqlstate);
    PGWEIR_ASSERT(again->message == fields->message);
    PGWEIR_ASSERT(again->detail == fields->detail);
    PGWEIR_ASSERT(again->hint == fields->hint);
    return 0;
}
