// SPDX-License-Identifier: PostgreSQL
// The console survives every sequence of frames and answers.
//   input = role:u8 { step:u8 [ tag:u8 length:u16be body ] }…
#include <cstddef>
#include <cstdint>

#include "pgweir/admin/console.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/fields.h"

using namespace pgweir;

namespace {

// What the console wrote is whole messages.
void check_framing(ByteView out) {
    while (!out.empty()) {
        PGWEIR_ASSERT(out.size() >= 5);
        const std::size_t size = load_u32(out.data() + 1) + std::size_t{1};
        PGWEIR_ASSERT(size >= 5 && size <= out.size());
        out = out.subspan(size);
    }
}

admin::ShowData some_data() {
    admin::ShowData data;
    data.pools.resize(3);
    data.clients.resize(2);
    data.stats.resize(1);
    return data;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    wire::FieldReader input(ByteView(bytes, size));
    const admin::ShowData data = some_data();
    admin::ConsoleSession console(static_cast<admin::Role>(input.u8() % 3));
    Bytes out;
    while (input.ok() && !input.rest().empty()) {
        switch (input.u8() % 8) {
            case 0:
                console.answer(data, out);
                break;
            case 1:
                console.done(out);
                break;
            case 2:
                console.fail({.reason = wire::RefusalReason::ConsoleFailed}, out);
                break;
            default: {
                const auto tag = static_cast<wire::FrontendTag>(input.u8());
                const std::size_t length = input.u16();
                const ByteView body =
                    input.take(length < input.rest().size() ? length : input.rest().size());
                const bool was_closed = console.is_closed();
                console.take(tag, body, out);
                PGWEIR_ASSERT(!was_closed || out.empty());
            }
        }
        PGWEIR_ASSERT(!console.is_closed() || !console.request());
        check_framing(out);
        out.clear();
    }
    return 0;
}
