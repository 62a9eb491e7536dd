// SPDX-License-Identifier: PostgreSQL
// Child processes, temporary folders and bounded waiting: what every integration test stands on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace pgweir::integration {

// What the harness itself can't do: no port, no initdb, a wait that ended without its event.
struct HarnessError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The longest that any test waits for anything: generous, because machines are slow and loaded, and
// never reached when all is well. PGWEIR_TEST_PATIENCE (seconds) makes it longer.
std::chrono::milliseconds patience();

// Looks every few milliseconds until `happened` says so; HarnessError names `what` when it does not
// in time. Only for what can't be awaited as an event.
void wait_until(const std::string& what, const std::function<bool()>& happened);

// As wait_until, but answers instead of throwing.
bool happens(const std::function<bool()>& happened, std::chrono::milliseconds within = patience());

// A folder below TMPDIR that goes with its owner, unless a test has failed by then: logs stay.
class TemporaryFolder {
 public:
    explicit TemporaryFolder(const std::string& name);
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();

    const std::filesystem::path& path() const { return path_; }

    // Called once by the test program's main when a test failed.
    static void keep_all();

 private:
    std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, std::string_view text);
std::string read_file(const std::filesystem::path& path);
// The last part of a log, for a failure's report.
std::string tail_of(const std::filesystem::path& path, std::size_t bytes = 4000);

// Who PostgreSQL runs as: it refuses to be root. Empty when we are an ordinary user already.
struct Account {
    std::string name;
    uid_t user = 0;
    gid_t group = 0;
};
std::optional<Account> unprivileged_account();
// Hands a file or folder to that account (nothing to do when we are not root).
void hand_over(const std::filesystem::path& path);

struct Command {
    std::vector<std::string> words;  // words[0] is looked up in PATH.
    std::filesystem::path log =
        {};                       // Standard error (and output, unless it is captured) goes here.
    bool capture_output = false;  // Standard output is read through take_line() and output().
    bool unprivileged = false;    // As unprivileged_account().
    std::vector<std::string> environment = {};  // "NAME=value", added to ours.
};

// One child process. It is killed when its owner goes, and by the kernel when the test dies.
class Process {
 public:
    explicit Process(const Command& command);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    bool is_running();
    // The exit status (128 + signal number when a signal ended it); nothing if it still runs then.
    std::optional<int> wait(std::chrono::milliseconds limit = patience());
    // One line of standard output without its end; nothing at the end of the output or in time.
    std::optional<std::string> take_line(std::chrono::milliseconds limit = patience());
    // Everything that is left of standard output, until its end.
    std::string output(std::chrono::milliseconds limit = patience());

 private:
    bool fill(std::chrono::milliseconds limit);

    pid_t pid_ = -1;
    int process_descriptor_ = -1;
    int output_ = -1;
    std::string unread_;
    std::optional<int> status_;
};

// Runs a command to its end; HarnessError with its log if it fails.
std::string run(std::vector<std::string> words, bool unprivileged = false);

// A port on 127.0.0.1 that was free a moment ago, below the range of ephemeral ports: a dialer that
// knocks at a closed port in that range may meet itself.
std::uint16_t free_port();

}  // namespace pgweir::integration
