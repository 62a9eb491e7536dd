// SPDX-License-Identifier: PostgreSQL
#include "io/log_sink.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <mutex>
#include <utility>

#include "io/log_writer.h"
#include "io/socket.h"

namespace pgweir::io {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFlushPatience{500};

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::Debug:
            return spdlog::level::debug;
        case LogLevel::Info:
            return spdlog::level::info;
        case LogLevel::Warning:
            return spdlog::level::warn;
        case LogLevel::Error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

// Formats a line and gives it to the writer.
class WriterSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
    explicit WriterSink(LogWriter& writer) : writer_(writer) {}

 protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        writer_.put({line.data(), line.size()});
    }
    void flush_() override {}

 private:
    LogWriter& writer_;
};

// The texts of this second. Texts share places; one that is displaced is counted anew, which at
// worst lets more lines through.
class Repeats {
 public:
    enum class Verdict : std::uint8_t { Write, Suppress };
    struct Answer {
        Verdict verdict = Verdict::Write;
        // A text was suppressed so often in the second that has passed.
        std::uint32_t suppressed = 0;
        std::string text = {};
    };

    Answer judge(LogLevel level, std::string_view text, Clock::time_point now) {
        const std::size_t hash = std::hash<std::string_view>{}(text);
        Place& place = places_[hash % places_.size()];
        Answer answer;
        if (place.hash != hash || now - place.since >= std::chrono::seconds(1)) {
            if (place.count > LogSink::kRepeatsMax) {
                answer.suppressed = place.count - LogSink::kRepeatsMax;
                answer.text = std::move(place.text);
            }
            place = {hash, 0, level, now, {}};
        }
        if (++place.count > LogSink::kRepeatsMax) {
            if (place.text.empty()) place.text = text;
            answer.verdict = Verdict::Suppress;
        }
        return answer;
    }

 private:
    struct Place {
        std::size_t hash = 0;
        std::uint32_t count = 0;
        LogLevel level = LogLevel::Info;
        Clock::time_point since{};
        std::string text;  // Once a line was suppressed.
    };
    std::array<Place, 64> places_;
};

}  // namespace

std::string escape_control_characters(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else {
            out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        }
    }
    return out;
}

struct LogSink::Impl {
    explicit Impl(LogLevel wanted)
        : level(wanted),
          writer(STDERR_FILENO, kWaitingBytesMax),
          logger("pgweir", std::make_shared<WriterSink>(writer)) {
        logger.set_level(spdlog::level::debug);
        // The process ID does not change; spdlog would ask the system for it with each line.
        logger.set_pattern("%Y-%m-%d %H:%M:%S.%e %z [" + std::to_string(::getpid()) + "] %l: %v");
    }

    void say(LogLevel line_level, std::string_view text) {
        logger.log(to_spdlog(line_level), escape_control_characters(text));
    }

    std::atomic<LogLevel> level;
    LogWriter writer;
    spdlog::logger logger;
    std::mutex repeats_mutex;
    Repeats repeats;
};

LogSink::LogSink(LogTarget target) : impl_(std::make_unique<Impl>(target.level)) {
    if (target.file.empty()) return;
    const std::string failure = direct(std::move(target));
    if (!failure.empty()) write(LogLevel::Error, failure);
}

LogSink::~LogSink() = default;

bool LogSink::wants(LogLevel level) const {
    return level >= impl_->level.load(std::memory_order_relaxed);
}

void LogSink::write(LogLevel level, std::string_view text) {
    if (!wants(level)) return;
    Repeats::Answer answer;
    {
        const std::lock_guard lock(impl_->repeats_mutex);
        answer = impl_->repeats.judge(level, text, Clock::now());
    }
    if (answer.suppressed > 0) {
        impl_->say(level, std::to_string(answer.suppressed) + " more times: " + answer.text);
    }
    // Also where this line is not written itself: those that follow may all be like it.
    if (const std::uint64_t lost = impl_->writer.take_lost(); lost > 0) {
        impl_->say(LogLevel::Warning, std::to_string(lost) + " log lines could not be written");
    }
    if (answer.verdict == Repeats::Verdict::Suppress) return;
    impl_->say(level, text);
}

std::string LogSink::direct(LogTarget target) {
    impl_->level.store(target.level, std::memory_order_relaxed);
    const std::string& path = target.file;
    UniqueFd file(path.empty() ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                               : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC,
                                        S_IRUSR | S_IWUSR | S_IRGRP));
    if (!file) {
        return "can't write the log to \"" + path + "\": " + system_error_text(errno);
    }
    impl_->writer.redirect(std::move(file));
    return {};
}

void LogSink::flush() {
    impl_->writer.flush(kFlushPatience);
}

}  // namespace pgweir::io
