// SPDX-License-Identifier: PostgreSQL
// Runs the operator's commands beside the loop. pgweir waits for none of them, and ends none.
#pragma once

#include <uv.h>

#include <list>
#include <string>

#include "io/loop.h"
#include "pgweir/base/log.h"
#include "pgweir/session/effect.h"

namespace pgweir::io {

class CommandRunner {
 public:
    CommandRunner(uv_loop_t* loop, Log& log) : loop_(loop), log_(log) {}
    CommandRunner(const CommandRunner&) = delete;
    CommandRunner& operator=(const CommandRunner&) = delete;

    // By /bin/sh, in a session of its own, so that what ends pgweir does not end it. It reads
    // nothing; what it says goes where standard error goes. The log tells how it ended.
    void run(const RunCommand& order);

 private:
    struct Running {
        CommandRunner& runner;
        std::string command;
        Handle<uv_process_t> process = {};
    };

    void ended(const Running& running, std::int64_t status, int signal);

    uv_loop_t* loop_;
    Log& log_;
    std::list<Running> running_;
};

}  // namespace pgweir::io
