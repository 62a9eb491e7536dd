// SPDX-License-Identifier: PostgreSQL
// pgweir as a child process, with a configuration that a test writes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test_cluster.h"

namespace pgweir::integration {

// pgweir.toml in the making. Values are TOML as it is written: "\"5s\"", "20", "true".
class PgweirConfig {
 public:
    // One worker, any free port, transaction mode, everybody may log in, databases "app" and
    // "other" on that node, "owner" is an admin.
    PgweirConfig(const std::string& host, std::uint16_t port);
    explicit PgweirConfig(const TestCluster& node);

    PgweirConfig& set(const std::string& section, const std::string& name,
                      const std::string& value);
    PgweirConfig& general(const std::string& name, const std::string& value) {
        return set("pgweir", name, value);
    }
    PgweirConfig& limit(const std::string& name, int value) {
        return set("limits", name, std::to_string(value));
    }
    // As "500ms", "2s".
    PgweirConfig& timeout(const std::string& name, const std::string& duration) {
        return set("timeouts", name, "\"" + duration + "\"");
    }
    PgweirConfig& tls(const std::string& name, const std::string& text) {
        return set("tls", name, "\"" + text + "\"");
    }
    PgweirConfig& database(const std::string& database, const std::string& name,
                           const std::string& value) {
        return set("databases." + database, name, value);
    }
    PgweirConfig& user(const std::string& user, const std::string& name, const std::string& value) {
        return set("users." + user, name, value);
    }
    // The lines of one [[hba]] entry; with the first one, auth_type no longer matters.
    PgweirConfig& hba(const std::string& lines);

    std::string text() const;

 private:
    std::map<std::string, std::map<std::string, std::string>> sections_;
    std::string rules_;
};

std::string pgweir_binary();

class PgweirProcess {
 public:
    // Starts it and waits for its ready line.
    explicit PgweirProcess(const PgweirConfig& config, std::vector<std::string> arguments = {});
    PgweirProcess(const PgweirProcess&) = delete;
    PgweirProcess& operator=(const PgweirProcess&) = delete;
    // Ends it if a test has not: by SIGTERM, and an exit status other than 0 is a failure.
    ~PgweirProcess();

    Target target() const { return {.port = port_}; }
    Target console() const { return target().with_user("owner").with_database("pgweir"); }
    std::uint16_t port() const { return port_; }
    pid_t pid() const { return process_->pid(); }
    Process& process() { return *process_; }

    void rewrite(const PgweirConfig& config);  // The file; nothing happens before a reload.
    std::filesystem::path folder() const { return folder_.path(); }
    std::string log() const;

    // Open descriptors and resident memory, from /proc. Sanitizers keep what was freed: with them
    // there is no telling, and the answer is always 0.
    std::size_t open_files() const;
    std::size_t resident_kib() const;

    // SIGTERM, and its exit status.
    int stop();

    // How many ended otherwise than well: the test program's main looks.
    static int& failures();

 private:
    TemporaryFolder folder_{"pgweir"};
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> process_;
    bool is_stopped_ = false;
};

}  // namespace pgweir::integration
