// SPDX-License-Identifier: PostgreSQL
#include "io/command_runner.h"

#include "unit/io/helpers.h"

namespace pgweir::io {

using namespace testing;

namespace {

struct HeardLog final : Log {
    void write(LogLevel level, std::string_view text) override {
        lines.push_back((level == LogLevel::Error ? "!" : "") + std::string(text));
    }
    bool wants(LogLevel) const override { return true; }
    std::vector<std::string> lines;
};

}  // namespace

TEST_CASE("a command runs by the shell, with what it is told, and the log tells how it ended") {
    Loop loop;
    HeardLog log;
    CommandRunner runner(loop.get(), log);
    // As a worker's loop, it has something to wait for.
    const Handle<uv_timer_t> alive = make_timer(loop.get(), nullptr);
    uv_timer_start(
        alive.get(), [](uv_timer_t*) {}, 1000, 1000);
    const auto ends = [&] { return run_until(loop, [&] { return !log.lines.empty(); }); };
    SUBCASE("well") {
        runner.run({"test \"$PGWEIR_PRIMARY\" = 'db1:5432' && test -n \"$PATH\"",
                    {{"PGWEIR_PRIMARY", "db1:5432"}}});
        REQUIRE(ends());
        CHECK(log.lines[0].starts_with("command \"test"));
        CHECK(log.lines[0].ends_with("ended with status 0"));
    }
    SUBCASE("badly") {
        runner.run({"exit 3", {}});
        REQUIRE(ends());
        CHECK(log.lines[0] == "!command \"exit 3\" ended with status 3");
    }
    SUBCASE("by a signal") {
        runner.run({"kill -9 $$", {}});
        REQUIRE(ends());
        CHECK(log.lines[0] == "!command \"kill -9 $$\" was ended by signal 9");
    }
    SUBCASE("two at a time") {
        runner.run({"read line; exit 1", {}});  // There is nothing to read.
        runner.run({"exit 2", {}});
        REQUIRE(run_until(loop, [&] { return log.lines.size() == 2; }));
    }
}

TEST_CASE("who stops does not wait for a command") {
    Loop loop;
    HeardLog log;
    {
        CommandRunner runner(loop.get(), log);
        runner.run({"sleep 2", {}});
    }
    loop.run();  // Ends: nothing is open any more.
    CHECK(log.lines.empty());
}

}  // namespace pgweir::io
