// SPDX-License-Identifier: PostgreSQL
// Constructs and wires: command line, settings, log, limits, workers.
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "command_line.h"
#include "io/config_files.h"
#include "io/log_sink.h"
#include "io/pid_file.h"
#include "io/probe_login.h"
#include "io/process.h"
#include "io/service_manager.h"
#include "io/system_entropy.h"
#include "pgweir/pool/limits.h"
#include "pgweir/proxy/proxy.h"

namespace pgweir {
namespace {

// Descriptors beside those of clients and servers: listeners, the log, the loops, files being read.
constexpr rlim_t kOtherDescriptors = 64;

// What all workers share to answer unknown users alike.
using ProcessSecret = std::array<std::uint8_t, 32>;

std::int64_t unix_time_us() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// proxy::Proxy as the edge drives it, with what belongs to one worker.
class ProxyCore final : public io::Core {
 public:
    ProxyCore(const io::CoreParts& parts, pool::Limits& limits, const ProcessSecret& secret)
        : proxy_(proxy::ProxyParts{.worker = parts.worker,
                                   .workers = parts.workers,
                                   .settings = parts.settings,
                                   .limits = limits,
                                   .entropy = entropy_,
                                   .secret = secret,
                                   .seed = seed(),
                                   .origin_unix_us = unix_time_us() - io::clock_now().us,
                                   .log_level = parts.settings->general.log_level()},
                 io::clock_now()) {}

    void handle(Event&& event, Instant now, EffectList& effects) override {
        proxy_.handle(std::move(event), now, effects);
    }
    Instant next_deadline() override { return proxy_.next_deadline(); }

 private:
    std::uint64_t seed() {
        std::array<std::uint8_t, sizeof(std::uint64_t)> bytes;
        entropy_.fill(bytes);
        return std::bit_cast<std::uint64_t>(bytes);
    }

    io::SystemEntropy entropy_;
    proxy::Proxy proxy_;
};

WorkerIndex worker_count(const config::Settings& settings) {
    const unsigned wanted = settings.general.workers();
    const unsigned count = wanted != 0 ? wanted : std::max(1U, std::thread::hardware_concurrency());
    return std::min<WorkerIndex>(count, pool::kWorkersMax);
}

// Passwords and keys must not end up in a core file, nor be read by other processes of this user.
void forbid_dumps() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

// Empty, or what the administrator should know.
std::string raise_descriptor_limit(const config::Settings& settings) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t clients = settings.limits.max_client_conn();
    rlim_t others = kOtherDescriptors;
    if (!settings.http.listen().empty()) others += settings.http.max_connections();
    if (limit.rlim_cur == RLIM_INFINITY || clients + others <= limit.rlim_cur) return {};
    return "max_client_conn = " + std::to_string(clients) + " does not fit into the limit of " +
           std::to_string(limit.rlim_cur) + " open files: raise the limit, or lower the option";
}

void print_ready_line(const io::Process& process) {
    for (const std::string& address : process.addresses()) {
        std::printf("pgweir is ready: listening on %s\n", address.c_str());
    }
    for (const std::string& address : process.http_addresses()) {
        std::printf("pgweir is ready: HTTP on %s\n", address.c_str());
    }
    std::fflush(stdout);
}

int serve(const io::ConfigFiles& files, io::LoadedConfiguration configuration) {
    const config::Settings& settings = *configuration.settings;
    io::forget_libpq_environment();
    if (!settings.general.core_dumps()) forbid_dumps();
    const std::string warning = raise_descriptor_limit(settings);
    std::optional<io::PidFile> pid_file;
    if (!settings.general.pidfile().empty()) pid_file.emplace(settings.general.pidfile());

    io::LogSink log({.file = settings.general.log_file(), .level = settings.general.log_level()});
    for (const std::string& each : configuration.warnings) log.write(LogLevel::Warning, each);
    if (!warning.empty()) log.write(LogLevel::Warning, warning);

    const char* notify_socket = std::getenv("NOTIFY_SOCKET");
    const io::ServiceManager services(notify_socket != nullptr ? notify_socket : "");
    pool::Limits limits;
    ProcessSecret secret{};
    io::SystemEntropy().fill(secret);
    io::Process process({.files = files,
                         .configuration = configuration,
                         .log = log,
                         .services = services,
                         .workers = worker_count(settings),
                         .make_core = [&limits, &secret](const io::CoreParts& parts) {
                             return std::make_unique<ProxyCore>(parts, limits, secret);
                         }});
    process.bind();
    process.run([&process] { print_ready_line(process); });
    log.write(LogLevel::Info, "pgweir has stopped");
    return EXIT_SUCCESS;
}

int run(int argc, char** argv) {
    CommandLine command_line = parse_command_line(argc, argv);
    if (command_line.action == CommandLine::Action::Print) {
        std::fputs(command_line.output.c_str(), command_line.exit_code == 0 ? stdout : stderr);
        return command_line.exit_code;
    }
    if (const char* password = std::getenv("PGPASSWORD")) command_line.password = password;
    const io::ConfigFiles files(command_line.config_file, [&](std::string_view text) {
        return make_settings(command_line, text);
    });
    io::LoadedConfiguration configuration = files.load();
    if (command_line.action == CommandLine::Action::Run) {
        return serve(files, std::move(configuration));
    }
    for (const std::string& warning : configuration.warnings) {
        std::fprintf(stderr, "pgweir: %s\n", warning.c_str());
    }
    std::puts("pgweir: the configuration is right");
    return EXIT_SUCCESS;
}

}  // namespace
}  // namespace pgweir

int main(int argc, char** argv) {
    try {
        return pgweir::run(argc, argv);
    } catch (const pgweir::config::ConfigError& error) {
        std::fprintf(stderr, "pgweir: %s\n", error.what());
        return EXIT_FAILURE;
    }
}
