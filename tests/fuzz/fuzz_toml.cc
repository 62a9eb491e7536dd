// SPDX-License-Identifier: PostgreSQL
// Any text is a configuration or a ConfigError, whose sentence can be printed; and what is accepted
// can be described. The same text as a connection string and as an address, too.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz.h"
#include "pgweir/base/assert.h"
#include "pgweir/config/connection_string.h"
#include "pgweir/config/describe.h"
#include "pgweir/config/toml_reader.h"

namespace {

using namespace pgweir::config;

void read_as_file(std::string_view text) {
    try {
        const auto settings = read_toml(text, "fuzz.toml");
        PGWEIR_ASSERT(!settings->listen_addresses().empty());
        PGWEIR_ASSERT(!config_rows(*settings).empty());
        for (const auto& [name, database] : settings->databases()) {
            PGWEIR_ASSERT(!settings->pool_for(name, "user").nodes.empty());
        }
    } catch (const ConfigError& error) {
        PGWEIR_ASSERT(!error.sentence().empty());
    }
}

void read_as_uri(std::string_view text) {
    const auto parsed = parse_connection_string(text);
    if (parsed) PGWEIR_ASSERT(!parsed->nodes.empty());
    try {
        const auto settings = settings_from_connection_string(text);
        PGWEIR_ASSERT(settings->databases().size() == 1);
    } catch (const ConfigError& error) {
        PGWEIR_ASSERT(!error.sentence().empty());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    read_as_file(text);
    read_as_uri(text);
    (void)parse_listen_address(text).ok();
    return 0;
}
