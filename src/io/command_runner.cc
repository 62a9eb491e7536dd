// SPDX-License-Identifier: PostgreSQL
#include "io/command_runner.h"

#include <unistd.h>

#include <array>
#include <vector>

namespace pgweir::io {

namespace {

// Ours, and what the order adds.
std::vector<std::string> environment_of(const RunCommand& order) {
    std::vector<std::string> all;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        all.emplace_back(*entry);
    }
    for (const auto& [name, value] : order.environment) {
        all.emplace_back(name).append("=").append(value);
    }
    return all;
}

}  // namespace

void CommandRunner::run(const RunCommand& order) {
    std::string shell = "/bin/sh";
    std::string flag = "-c";
    std::string command = order.command;
    std::array<char*, 4> arguments = {shell.data(), flag.data(), command.data(), nullptr};
    std::vector<std::string> environment = environment_of(order);
    std::vector<char*> variables;
    variables.reserve(environment.size() + 1);
    for (std::string& entry : environment) variables.push_back(entry.data());
    variables.push_back(nullptr);
    std::array<uv_stdio_container_t, 3> streams{};
    streams[0].flags = UV_IGNORE;
    for (std::size_t i = 1; i < streams.size(); ++i) {
        streams[i].flags = UV_INHERIT_FD;
        streams[i].data.fd = STDERR_FILENO;
    }
    uv_process_options_t options{};
    options.file = shell.c_str();
    options.args = arguments.data();
    options.env = variables.data();
    options.stdio = streams.data();
    options.stdio_count = static_cast<int>(streams.size());
    options.flags = UV_PROCESS_DETACHED;
    options.exit_cb = [](uv_process_t* process, std::int64_t status, int signal) {
        auto& running = *static_cast<Running*>(process->data);
        running.runner.ended(running, status, signal);
    };

    Running& running = running_.emplace_back(Running{*this, order.command});
    int failure = 0;
    running.process = make_handle<uv_process_t>(
        &running, [&](uv_process_t* process) { failure = uv_spawn(loop_, process, &options); });
    if (failure == 0) {
        // Whoever shuts down does not wait for it.
        uv_unref(reinterpret_cast<uv_handle_t*>(running.process.get()));
        return;
    }
    log_.write(LogLevel::Error,
               "command \"" + order.command + "\" could not be started: " + uv_strerror(failure));
    running_.pop_back();
}

void CommandRunner::ended(const Running& running, std::int64_t status, int signal) {
    const bool is_good = status == 0 && signal == 0;
    const std::string how = signal != 0 ? "was ended by signal " + std::to_string(signal)
                                        : "ended with status " + std::to_string(status);
    log_.write(is_good ? LogLevel::Info : LogLevel::Error,
               "command \"" + running.command + "\" " + how);
    running_.remove_if([&](const Running& other) { return &other == &running; });
}

}  // namespace pgweir::io
