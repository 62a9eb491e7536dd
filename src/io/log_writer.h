// SPDX-License-Identifier: PostgreSQL
// Text to a file descriptor, on a thread of its own. Bounded: what comes faster than it can be
// written is dropped and counted.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>

#include "io/unique_fd.h"

namespace pgweir::io {

class LogWriter {
 public:
    // `fd` is not owned.
    LogWriter(int fd, std::size_t waiting_bytes_max);
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    // Writes what waits, if that is quick.
    ~LogWriter();

    // Whole lines. False if they were dropped.
    bool put(std::string_view lines);
    // What comes from now on goes there; the writer owns the file.
    void redirect(UniqueFd file);
    // False if it took longer than that.
    bool flush(std::chrono::milliseconds patience);
    // Lines that were dropped, or could not be written, since the last call.
    std::uint64_t take_lost();

 private:
    struct State;

    // The thread shares it: one that hangs in a full pipe must not be waited for.
    std::shared_ptr<State> state_;
    std::thread thread_;
};

}  // namespace pgweir::io
