// SPDX-License-Identifier: PostgreSQL
// What the tests of the io floor share: a loop that is run in steps, a recording owner of streams.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "io/loop.h"
#include "io/stream.h"

namespace pgweir::io::testing {

// Runs the loop until `done`, for at most some seconds.
inline bool run_until(Loop& loop, const std::function<bool()>& done) {
    const Instant end = clock_now() + Duration::seconds(10);
    while (!done()) {
        if (clock_now() > end) return false;
        uv_run(loop.get(), UV_RUN_NOWAIT);
        if (!done()) uv_sleep(1);
    }
    return true;
}

inline void run_for(Loop& loop, Duration duration) {
    const Instant end = clock_now() + duration;
    run_until(loop, [&] { return clock_now() > end; });
}

struct SocketPair {
    UniqueFd ours;
    UniqueFd theirs;
};

inline SocketPair make_pair() {
    std::array<int, 2> fds{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

inline void say(const UniqueFd& fd, std::string_view text) {
    REQUIRE(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
}

// What can be read now, without waiting.
inline std::string hear(const UniqueFd& fd) {
    std::string all;
    std::array<char, 65536> piece;
    while (true) {
        const ssize_t n = ::recv(fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
        if (n <= 0) return all;
        all.append(piece.data(), static_cast<std::size_t>(n));
    }
}

inline bool is_closed(const UniqueFd& fd) {
    char byte = 0;
    return ::recv(fd.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

// Keeps what it is told, and closes streams as the worker does.
struct RecordingOwner final : StreamOwner {
    void on_bytes(Stream& stream, ByteView bytes) override {
        received += as_text(bytes);
        if (when_bytes) when_bytes(stream);
    }
    void on_secured(Stream& stream, TlsPeer with) override {
        ++secured;
        peer = std::move(with);
        if (when_secured) when_secured(stream);
    }
    void on_closed(Stream& stream, std::string why) override {
        ++closed;
        reason = std::move(why);
        stream.close();
    }
    void on_blocked(Stream&) override { ++blocked; }
    void on_drained(Stream&) override { ++drained; }
    void on_finished(Stream& stream) override {
        ++finished;
        stream.close();
    }

    std::string received;
    std::string reason;
    TlsPeer peer;
    int secured = 0;
    int closed = 0;
    int blocked = 0;
    int drained = 0;
    int finished = 0;
    std::function<void(Stream&)> when_bytes;
    std::function<void(Stream&)> when_secured;
};

class TemporaryFolder {
 public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "pgweir-io-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }

    std::string file(const std::string& name) const { return (path_ / name).string(); }
    std::string text() const { return path_.string(); }
    void write(const std::string& name, std::string_view text, mode_t mode = 0600) const {
        std::ofstream(file(name)) << text;
        REQUIRE(::chmod(file(name).c_str(), mode) == 0);
    }
    std::string read(const std::string& name) const {
        std::ifstream in(file(name));
        return {std::istreambuf_iterator<char>(in), {}};
    }

 private:
    std::filesystem::path path_;
};

}  // namespace pgweir::io::testing
