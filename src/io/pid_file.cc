// SPDX-License-Identifier: PostgreSQL
#include "io/pid_file.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "io/socket.h"
#include "io/unique_fd.h"
#include "pgweir/config/config_error.h"

namespace pgweir::io {

namespace {

// 0 if there is no such file, or no number in it.
pid_t read_pid(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 32> text{};
    if (!fd || ::read(fd.get(), text.data(), text.size() - 1) <= 0) return 0;
    return static_cast<pid_t>(std::strtol(text.data(), nullptr, 10));
}

}  // namespace

PidFile::PidFile(std::string path) : path_(std::move(path)) {
    const pid_t other = read_pid(path_);
    if (other > 0 && other != ::getpid() && ::kill(other, 0) == 0) {
        throw config::ConfigError(
            "", 0, "pidfile \"" + path_ + "\": process " + std::to_string(other) + " still runs");
    }
    const UniqueFd fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    const std::string text = std::to_string(::getpid()) + "\n";
    if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) {
        throw config::ConfigError("", 0, "pidfile \"" + path_ + "\": " + system_error_text(errno));
    }
}

PidFile::~PidFile() {
    ::unlink(path_.c_str());
}

}  // namespace pgweir::io
