// SPDX-License-Identifier: PostgreSQL
// Child processes, temporary folders and bounded waiting.
#include "process.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

namespace pgweir::integration {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::atomic<bool> keep_folders{false};

milliseconds left_until(Clock::time_point deadline) {
    auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    return left.count() < 0 ? milliseconds(0) : left;
}

[[noreturn]] void fail(const std::string& what) {
    throw HarnessError(what + ": " + std::strerror(errno));
}

// Waits until `descriptor` can be read (or has ended).
bool readable(int descriptor, milliseconds limit) {
    pollfd entry{.fd = descriptor, .events = POLLIN, .revents = 0};
    auto deadline = Clock::now() + limit;
    for (;;) {
        int count = ::poll(&entry, 1, static_cast<int>(left_until(deadline).count()));
        if (count >= 0) return count > 0;
        if (errno != EINTR) fail("poll");
    }
}

[[noreturn]] void become(const Command& command, int output, std::optional<Account> account,
                         pid_t parent) {
    if (!command.log.empty()) {
        int log = ::open(command.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (log >= 0) {
            ::dup2(log, STDERR_FILENO);
            ::dup2(log, STDOUT_FILENO);
        }
    }
    if (output >= 0) ::dup2(output, STDOUT_FILENO);
    int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
    if (account) {
        if (::setgroups(0, nullptr) != 0 || ::setgid(account->group) != 0 ||
            ::setuid(account->user) != 0 || ::chdir("/") != 0) {
            ::_exit(126);
        }
    }
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (::getppid() != parent) ::_exit(125);
    for (const auto& entry : command.environment) ::putenv(::strdup(entry.c_str()));
    std::vector<char*> words;
    for (const auto& word : command.words) words.push_back(::strdup(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    std::fprintf(stderr, "%s: %s\n", words[0], std::strerror(errno));
    ::_exit(127);
}

}  // namespace

milliseconds patience() {
    static const milliseconds value = [] {
        const char* text = std::getenv("PGWEIR_TEST_PATIENCE");
        long seconds = text != nullptr ? std::strtol(text, nullptr, 10) : 0;
        return milliseconds(1000 * (seconds > 0 ? seconds : 60));
    }();
    return value;
}

bool happens(const std::function<bool()>& happened, milliseconds within) {
    auto deadline = Clock::now() + within;
    while (!happened()) {
        if (Clock::now() >= deadline) return false;
        std::this_thread::sleep_for(milliseconds(10));
    }
    return true;
}

void wait_until(const std::string& what, const std::function<bool()>& happened) {
    if (!happens(happened)) throw HarnessError("this did not happen in time: " + what);
}

TemporaryFolder::TemporaryFolder(const std::string& name) {
    const char* base = std::getenv("TMPDIR");
    std::string pattern =
        std::string(base != nullptr ? base : "/tmp") + "/pgweir-" + name + "-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) fail("mkdtemp " + pattern);
    path_ = pattern;
    std::filesystem::permissions(path_, std::filesystem::perms(0755));
    hand_over(path_);
}

TemporaryFolder::~TemporaryFolder() {
    if (keep_folders) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void TemporaryFolder::keep_all() {
    keep_folders = true;
}

void write_file(const std::filesystem::path& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!file.flush()) throw HarnessError("can't write " + path.string());
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string tail_of(const std::filesystem::path& path, std::size_t bytes) {
    std::string text = read_file(path);
    return text.size() > bytes ? "…" + text.substr(text.size() - bytes) : text;
}

std::optional<Account> unprivileged_account() {
    if (::geteuid() != 0) return std::nullopt;
    for (const char* name : {"postgres", "nobody"}) {
        if (const passwd* entry = ::getpwnam(name)) {
            return Account{name, entry->pw_uid, entry->pw_gid};
        }
    }
    throw HarnessError(
        "we are root, and neither \"postgres\" nor \"nobody\" exists to run PostgreSQL as");
}

void hand_over(const std::filesystem::path& path) {
    auto account = unprivileged_account();
    if (account && ::chown(path.c_str(), account->user, account->group) != 0) {
        fail("chown " + path.string());
    }
}

Process::Process(const Command& command) {
    std::optional<Account> account;
    if (command.unprivileged) account = unprivileged_account();
    int ends[2] = {-1, -1};
    if (command.capture_output && ::pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
    pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail("fork");
    if (pid_ == 0) become(command, ends[1], account, parent);
    if (ends[1] >= 0) ::close(ends[1]);
    output_ = ends[0];
    process_descriptor_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
}

Process::~Process() {
    if (is_running()) {
        ::kill(pid_, SIGKILL);
        wait();
    }
    if (output_ >= 0) ::close(output_);
    if (process_descriptor_ >= 0) ::close(process_descriptor_);
}

void Process::signal(int number) const {
    if (!status_) ::kill(pid_, number);
}

bool Process::is_running() {
    return !wait(milliseconds(0));
}

std::optional<int> Process::wait(milliseconds limit) {
    if (status_) return status_;
    auto deadline = Clock::now() + limit;
    for (;;) {
        int status = 0;
        pid_t gone = ::waitpid(pid_, &status, WNOHANG);
        if (gone == pid_) {
            status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            return status_;
        }
        auto left = left_until(deadline);
        if (left.count() == 0) return std::nullopt;
        if (process_descriptor_ >= 0) {
            readable(process_descriptor_, left);
        } else {
            std::this_thread::sleep_for(milliseconds(5));
        }
    }
}

bool Process::fill(milliseconds limit) {
    if (output_ < 0 || !readable(output_, limit)) return false;
    char buffer[4096];
    ssize_t count = ::read(output_, buffer, sizeof buffer);
    if (count <= 0) return false;
    unread_.append(buffer, static_cast<std::size_t>(count));
    return true;
}

std::optional<std::string> Process::take_line(milliseconds limit) {
    auto deadline = Clock::now() + limit;
    for (;;) {
        if (auto end = unread_.find('\n'); end != std::string::npos) {
            std::string line = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            return line;
        }
        if (!fill(left_until(deadline))) return std::nullopt;
    }
}

std::string Process::output(milliseconds limit) {
    auto deadline = Clock::now() + limit;
    while (fill(left_until(deadline))) {
    }
    return std::move(unread_);
}

std::string run(std::vector<std::string> words, bool unprivileged) {
    TemporaryFolder folder("run");
    auto log = folder.path() / "log";
    std::string name = words[0];
    Process process({.words = std::move(words),
                     .log = log,
                     .capture_output = true,
                     .unprivileged = unprivileged,
                     .environment = {}});
    std::string output = process.output(patience() * 3);
    auto status = process.wait();
    if (!status || *status != 0) {
        throw HarnessError(name + " failed (" + (status ? std::to_string(*status) : "no end") +
                           "): " + output + tail_of(log));
    }
    return output;
}

std::uint16_t free_port() {
    static std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<int> choice(15000, 31999);
    for (int attempt = 0; attempt < 200; ++attempt) {
        auto port = static_cast<std::uint16_t>(choice(random));
        int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        bool is_free = ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(probe);
        if (is_free) return port;
    }
    throw HarnessError("no free port on 127.0.0.1");
}

}  // namespace pgweir::integration
