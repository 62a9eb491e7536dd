// SPDX-License-Identifier: PostgreSQL
// spdlog behind base/log.h: to standard error or a file. Writing happens on a thread of its own, so
// that a slow disk or a full pipe holds up nobody; what can't be written is counted and dropped.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "pgweir/base/log.h"

namespace pgweir::io {

// Control characters as \n, \t, \xNN: a client's name must not be able to forge a line.
std::string escape_control_characters(std::string_view text);

struct LogTarget {
    std::string file = {};  // Empty: standard error.
    LogLevel level = LogLevel::Info;
};

class LogSink final : public Log {
 public:
    // Lines that wait to be written; more are dropped, and how many is logged.
    static constexpr std::size_t kWaitingBytesMax = 1024 * 1024;
    // The same text may come so often in one second; more are counted and told in one line.
    static constexpr std::uint32_t kRepeatsMax = 5;

    explicit LogSink(LogTarget target = {});
    ~LogSink() override;

    // From any thread.
    void write(LogLevel level, std::string_view text) override;
    bool wants(LogLevel level) const override;

    // Opens the file anew, too: that is how logs are rotated. If it can't be opened, the log goes
    // where it went before, and the sentence says why; empty if all went well.
    std::string direct(LogTarget target);
    // Waits until all has been written that was said before, but not for ever.
    void flush();

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace pgweir::io
