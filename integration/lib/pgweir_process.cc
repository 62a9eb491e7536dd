// SPDX-License-Identifier: PostgreSQL
// pgweir as a child process.
#include "pgweir_process.h"

#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

namespace pgweir::integration {
namespace {

std::uint16_t port_of(const std::string& ready_line) {
    static const std::string kReady = "pgweir is ready: listening on ";
    if (ready_line.rfind(kReady, 0) != 0) return 0;
    auto end = ready_line.find(',');  // The first of several addresses.
    std::string address = ready_line.substr(kReady.size(), end - kReady.size());
    auto colon = address.rfind(':');
    if (colon == std::string::npos) return 0;
    return static_cast<std::uint16_t>(std::strtoul(address.c_str() + colon + 1, nullptr, 10));
}

}  // namespace

int& PgweirProcess::failures() {
    static int count = 0;
    return count;
}

PgweirConfig::PgweirConfig(const std::string& host, std::uint16_t port) {
    general("listen", "[\"127.0.0.1:0\"]");
    general("auth_type", "\"any\"");
    general("admin_users", "[\"owner\"]");
    for (const char* name : {"app", "other"}) {
        database(name, "host", "\"" + host + "\"");
        database(name, "port", std::to_string(port));
    }
    tls("server_tls_sslmode", "disable");
}

PgweirConfig::PgweirConfig(const TestCluster& node) : PgweirConfig("127.0.0.1", node.port()) {}

PgweirConfig& PgweirConfig::set(const std::string& section, const std::string& name,
                                const std::string& value) {
    sections_[section][name] = value;
    return *this;
}

PgweirConfig& PgweirConfig::hba(const std::string& lines) {
    rules_ += "[[hba]]\n" + lines + "\n";
    return *this;
}

std::string PgweirConfig::text() const {
    std::string text;
    for (const auto& [section, options] : sections_) {
        text += "[" + section + "]\n";
        for (const auto& [name, value] : options) text += name + " = " + value + "\n";
        text += "\n";
    }
    return text + rules_;
}

std::string pgweir_binary() {
    if (const char* path = std::getenv("PGWEIR_BINARY")) return path;
    return PGWEIR_DEFAULT_BINARY;
}

PgweirProcess::PgweirProcess(const PgweirConfig& config, std::vector<std::string> arguments) {
    rewrite(config);
    std::vector<std::string> words{pgweir_binary(), "-c", (folder() / "pgweir.toml").string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    process_ = std::make_unique<Process>(Command{.words = std::move(words),
                                                 .log = folder() / "pgweir.log",
                                                 .capture_output = true,
                                                 .unprivileged = false,
                                                 .environment = {}});
    auto line = process_->take_line();
    port_ = line ? port_of(*line) : std::uint16_t{0};
    if (port_ == 0) {
        is_stopped_ = true;
        throw HarnessError("pgweir says no port (" + line.value_or("nothing") + "): " + log());
    }
}

PgweirProcess::~PgweirProcess() {
    if (is_stopped_) return;
    // Clients that a test has left may be in a transaction: nothing is waited for.
    process_->signal(SIGQUIT);
    auto status = process_->wait();
    if (status == 0) return;
    std::cerr << "pgweir ended with " << status.value_or(-1) << " (-1: not at all); its log:\n"
              << log() << "\n";
    failures() += 1;
}

void PgweirProcess::rewrite(const PgweirConfig& config) {
    auto path = folder() / "pgweir.toml";
    write_file(path, config.text());
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    hand_over(path);
}

std::string PgweirProcess::log() const {
    return tail_of(folder() / "pgweir.log", 20000);
}

std::size_t PgweirProcess::open_files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid()) + "/fd")) {
        ++count;
    }
    return count;
}

std::size_t PgweirProcess::resident_kib() const {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#endif
    std::ifstream status("/proc/" + std::to_string(pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.rfind("VmRSS:", 0) == 0) return std::strtoul(line.c_str() + 6, nullptr, 10);
    }
    return 0;
}

int PgweirProcess::stop() {
    is_stopped_ = true;
    process_->signal(SIGTERM);
    auto status = process_->wait();
    if (!status) throw HarnessError("pgweir does not stop: " + log());
    return *status;
}

}  // namespace pgweir::integration
