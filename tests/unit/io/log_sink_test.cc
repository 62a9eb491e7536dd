// SPDX-License-Identifier: PostgreSQL
// The log: one line each, nothing forged, nobody held up.
#include "io/log_sink.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "helpers.h"
#include "io/log_writer.h"

using namespace pgweir;
using namespace pgweir::io;
using namespace pgweir::io::testing;

TEST_CASE("control characters are escaped, other bytes are not") {
    CHECK(escape_control_characters("a\nb\tc\r\x1b[31m\x7f") == "a\\nb\\tc\\x0d\\x1b[31m\\x7f");
    CHECK(escape_control_characters("Grüße, 100 % %n {}") == "Grüße, 100 % %n {}");
}

TEST_CASE("lines go to the file, in order, with their level") {
    const TemporaryFolder folder;
    LogSink log({.file = folder.file("log")});
    log.write(LogLevel::Info, "first {} %s");
    log.write(LogLevel::Debug, "not wanted");
    log.write(LogLevel::Error, "second\nforged");
    log.flush();
    const std::string text = folder.read("log");
    CHECK(text.find("info: first {} %s\n") != std::string::npos);
    CHECK(text.find("error: second\\nforged\n") != std::string::npos);
    CHECK(text.find("first") < text.find("second"));
    CHECK(text.find("not wanted") == std::string::npos);
    CHECK(std::count(text.begin(), text.end(), '\n') == 2);
    CHECK_FALSE(log.wants(LogLevel::Debug));
}

TEST_CASE("a rotated file is opened anew, and a file that can't be opened changes nothing") {
    const TemporaryFolder folder;
    LogSink log({.file = folder.file("log")});
    log.write(LogLevel::Info, "before");
    log.flush();
    std::filesystem::rename(folder.file("log"), folder.file("log.1"));
    CHECK(log.direct({.file = folder.file("log"), .level = LogLevel::Debug}).empty());
    log.write(LogLevel::Debug, "after");
    log.flush();
    CHECK(folder.read("log.1").find("before") != std::string::npos);
    CHECK(folder.read("log").find("after") != std::string::npos);
    CHECK(log.direct({.file = "/nonexistent/log"}).find("/nonexistent/log") != std::string::npos);
    log.write(LogLevel::Info, "still here");
    log.flush();
    CHECK(folder.read("log").find("still here") != std::string::npos);
}

TEST_CASE("a line that repeats is written some times, then counted") {
    const TemporaryFolder folder;
    LogSink log({.file = folder.file("log")});
    for (int i = 0; i < 1000; ++i) log.write(LogLevel::Info, "the same");
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    log.write(LogLevel::Info, "the same");
    log.flush();
    const std::string text = folder.read("log");
    CHECK(std::count(text.begin(), text.end(), '\n') == LogSink::kRepeatsMax + 2);
    CHECK(text.find("995 more times: the same") != std::string::npos);
}

TEST_CASE("a full disk costs lines, not the process, and the loss is told when there is room") {
    const TemporaryFolder folder;
    LogSink log({.file = "/dev/full"});
    for (int i = 0; i < 10; ++i) log.write(LogLevel::Info, "lost " + std::to_string(i));
    log.flush();
    CHECK(log.direct({.file = folder.file("log")}).empty());
    log.write(LogLevel::Info, "there is room again");
    log.flush();
    const std::string text = folder.read("log");
    CHECK(text.find("10 log lines could not be written") != std::string::npos);
    CHECK(text.find("there is room again") != std::string::npos);
}

TEST_CASE("a loss is told even if the line that follows is one of many") {
    const TemporaryFolder folder;
    LogSink log({.file = "/dev/full"});
    for (std::size_t i = 0; i < LogSink::kRepeatsMax; ++i) log.write(LogLevel::Info, "the same");
    log.flush();
    CHECK(log.direct({.file = folder.file("log")}).empty());
    log.write(LogLevel::Info, "the same");
    log.flush();
    CHECK(folder.read("log").find("5 log lines could not be written") != std::string::npos);
}

TEST_CASE("a reader that never reads holds up nobody") {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const UniqueFd reader(pipe[0]);
    const UniqueFd writer(pipe[1]);
    const auto start = std::chrono::steady_clock::now();
    {
        LogWriter log(writer.get(), 100'000);
        const std::string line(99, 'x');
        // One lot of 1,000 lines is being written, and one waits: the rest is lost.
        for (int i = 0; i < 10'001; ++i) log.put(line + "\n");
        CHECK_FALSE(log.flush(std::chrono::milliseconds(50)));
        CHECK(log.take_lost() > 8'000);
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    // The thread that hangs in its write is let go of.
    (void)hear(reader);
    std::array<char, 65536> rest;
    CHECK(::read(reader.get(), rest.data(), rest.size()) > 0);
}

TEST_CASE("many threads may write at once") {
    const TemporaryFolder folder;
    {
        LogSink log({.file = folder.file("log")});
        std::vector<std::thread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&log, t] {
                for (int i = 0; i < 250; ++i) {
                    log.write(LogLevel::Info, "thread " + std::to_string(t * 1000 + i));
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
    const std::string text = folder.read("log");
    CHECK(std::count(text.begin(), text.end(), '\n') == 1000);
}
