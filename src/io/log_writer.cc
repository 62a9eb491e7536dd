// SPDX-License-Identifier: PostgreSQL
#include "io/log_writer.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

namespace pgweir::io {

namespace {

// Lines are collected for so long, so that a storm of them costs few writes.
constexpr std::chrono::milliseconds kCollect{20};
constexpr std::chrono::milliseconds kLastPatience{1000};

std::uint64_t count_lines(std::string_view text) {
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

struct LogWriter::State {
    void run();
    void write_out(const std::string& lines);

    std::mutex mutex;
    std::condition_variable something_to_do;
    std::condition_variable all_written;
    std::size_t waiting_bytes_max = 0;
    std::string waiting;
    UniqueFd redirected;
    bool is_writing = false;
    bool is_hurried = false;
    bool must_end = false;
    bool has_ended = false;
    std::uint64_t lost = 0;

    // Of the thread.
    int fd = -1;
    UniqueFd file;
};

LogWriter::LogWriter(int fd, std::size_t waiting_bytes_max) : state_(std::make_shared<State>()) {
    state_->fd = fd;
    state_->waiting_bytes_max = waiting_bytes_max;
    // Signals are for the thread that runs the loop.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([state = state_] { state->run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() {
    std::unique_lock lock(state_->mutex);
    state_->must_end = state_->is_hurried = true;
    state_->something_to_do.notify_all();
    const bool ended =
        state_->all_written.wait_for(lock, kLastPatience, [this] { return state_->has_ended; });
    lock.unlock();
    if (ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
}

bool LogWriter::put(std::string_view lines) {
    const std::lock_guard lock(state_->mutex);
    if (state_->waiting.size() + lines.size() > state_->waiting_bytes_max) {
        state_->lost += count_lines(lines);
        return false;
    }
    if (state_->waiting.empty()) state_->something_to_do.notify_one();
    state_->waiting += lines;
    return true;
}

void LogWriter::redirect(UniqueFd file) {
    const std::lock_guard lock(state_->mutex);
    state_->redirected = std::move(file);
    state_->something_to_do.notify_one();
}

bool LogWriter::flush(std::chrono::milliseconds patience) {
    std::unique_lock lock(state_->mutex);
    state_->is_hurried = true;
    state_->something_to_do.notify_one();
    return state_->all_written.wait_for(lock, patience, [this] {
        return state_->waiting.empty() && !state_->redirected && !state_->is_writing;
    });
}

std::uint64_t LogWriter::take_lost() {
    const std::lock_guard lock(state_->mutex);
    return std::exchange(state_->lost, 0);
}

void LogWriter::State::run() {
    std::unique_lock lock(mutex);
    while (!must_end || !waiting.empty()) {
        something_to_do.wait(
            lock, [this] { return !waiting.empty() || redirected || must_end || is_hurried; });
        if (!is_hurried) something_to_do.wait_for(lock, kCollect, [this] { return is_hurried; });
        is_hurried = must_end;
        if (redirected) file = std::move(redirected);
        const std::string lines = std::exchange(waiting, {});
        is_writing = true;
        lock.unlock();
        if (!lines.empty()) write_out(lines);
        lock.lock();
        is_writing = false;
        all_written.notify_all();
    }
    has_ended = true;
    all_written.notify_all();
}

void LogWriter::State::write_out(const std::string& lines) {
    std::string_view rest = lines;
    while (!rest.empty()) {
        const ssize_t n = ::write(file ? file.get() : fd, rest.data(), rest.size());
        if (n > 0) {
            rest.remove_prefix(static_cast<std::size_t>(n));
        } else if (n >= 0 || errno != EINTR) {
            break;
        }
    }
    if (rest.empty()) return;
    const std::lock_guard lock(mutex);
    lost += count_lines(rest);
}

}  // namespace pgweir::io
