// SPDX-License-Identifier: PostgreSQL
// The first packet of a connection, as whoever reaches the port may send it. What is read must be
// written again as it came.
#include "fuzz/fuzz.h"
#include "pgweir/base/assert.h"
#include "pgweir/wire/startup.h"

using namespace pgweir;
using namespace pgweir::wire;

namespace {

Bytes written(const StartupPacket& packet) {
    Bytes out;
    if (const auto* message = std::get_if<StartupMessage>(&packet)) {
        startup_message(out, message->parameters, message->minor);
    } else if (const auto* cancel = std::get_if<CancelRequest>(&packet)) {
        cancel_request(out, cancel->process_id, cancel->secret);
    } else if (std::holds_alternative<SslRequest>(packet)) {
        ssl_request(out);
    } else {
        gssenc_request(out);
    }
    return out;
}

void read_once(ByteView packet) {
    const auto read = read_startup_packet(packet);
    if (!read.ok()) return;
    PGWEIR_ASSERT(check_startup_length(static_cast<std::uint32_t>(packet.size())));
    PGWEIR_ASSERT(written(*read) == Bytes(packet.begin(), packet.end()));
    const auto* message = std::get_if<StartupMessage>(&*read);
    if (message == nullptr) return;
    PGWEIR_ASSERT(message->negotiated_minor() <= kProtocolMinorMax);
    PGWEIR_ASSERT(message->needs_negotiation() || message->unknown_protocol_options().empty());
    const auto settings = read_options(message->options());
    if (!settings.ok()) return;
    for (const auto& [name, value] : *settings) PGWEIR_ASSERT(!name.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    read_once({data, size});
    // With the right length, so that the fuzzer need not guess it.
    if (size >= 8) {
        Bytes packet(data, data + size);
        store_u32(packet.data(), static_cast<std::uint32_t>(size));
        read_once(packet);
    }
    (void)read_options(as_text({data, size}));
    return 0;
}
