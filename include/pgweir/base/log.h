// SPDX-License-Identifier: PostgreSQL
// Where the core says what happened. io binds spdlog, the simulator a transcript. Never a secret,
// never a bind value.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgweir {

enum class LogLevel : std::uint8_t { Debug, Info, Warning, Error };

class Log {
 public:
    Log() = default;
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    virtual ~Log() = default;

    // `text` is one line; control characters in it are escaped by the sink.
    virtual void write(LogLevel level, std::string_view text) = 0;
    // False spares the caller the formatting.
    virtual bool wants(LogLevel level) const = 0;
};

}  // namespace pgweir
