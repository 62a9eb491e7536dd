// SPDX-License-Identifier: PostgreSQL
#include "io/config_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "io/socket.h"
#include "io/unique_fd.h"
#include "pgweir/auth/hba.h"
#include "pgweir/auth/user_directory.h"

namespace pgweir::io {

namespace {

using config::ConfigError;
using config::Settings;

// A file of a million users is 100 MB; more than this is a mistake, such as a device.
constexpr std::size_t kFileBytesMax = std::size_t{256} * 1024 * 1024;

// Paths in a file are meant from where the file lies, whatever the working directory.
void resolve_paths(Settings& settings, const std::string& file) {
    const std::filesystem::path folder = std::filesystem::path(file).parent_path();
    config::TlsSettings& tls = settings.tls;
    for (config::Option<std::string>* option :
         {&settings.general.auth_file, &settings.general.log_file, &settings.general.pidfile,
          &tls.client_tls_cert_file, &tls.client_tls_key_file, &tls.client_tls_ca_file,
          &tls.server_tls_cert_file, &tls.server_tls_key_file, &tls.server_tls_ca_file}) {
        const std::filesystem::path path = (*option)();
        if (path.empty() || path.is_absolute()) continue;
        option->assign((folder / path).string(), option->line());
    }
}

bool is_readable_by_all(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

bool has_secrets(const Settings& settings) {
    for (const config::OptionGroup* group : settings.all_groups()) {
        for (const config::OptionBase* option : group->options()) {
            if (option->is_secret() && option->is_set()) return true;
        }
    }
    return false;
}

void read_users(Settings& settings, std::string_view file) {
    const auto& option = settings.general.auth_file;
    if (option().empty()) return;
    settings.auth_file_text = read_whole_file(option(), file, option.line());
    const auto users = auth::parse_userlist(settings.auth_file_text);
    if (users.ok()) return;
    throw ConfigError(option(), static_cast<unsigned>(users.error().line), users.error().text);
}

std::vector<std::string> warnings_about(const Settings& settings, const std::string& file) {
    std::vector<std::string> warnings;
    const auto warn = [&](const std::string& path) {
        warnings.push_back(path + " holds secrets and every user of this machine can read it: " +
                           "its permissions should be 0640 or 0600");
    };
    if (!file.empty() && has_secrets(settings) && is_readable_by_all(file)) warn(file);
    const std::string& users = settings.general.auth_file();
    if (!users.empty() && is_readable_by_all(users)) warn(users);
    return warnings;
}

}  // namespace

std::string read_whole_file(const std::string& path, std::string_view named_by, unsigned line) {
    const auto refuse = [&](const std::string& why) {
        throw ConfigError(named_by, line, "can't read \"" + path + "\": " + why);
    };
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) refuse(system_error_text(errno));
    std::string text;
    std::array<char, 16 * 1024> piece;
    while (true) {
        const ssize_t n = ::read(fd.get(), piece.data(), piece.size());
        if (n == 0) return text;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) refuse(system_error_text(errno));
        text.append(piece.data(), static_cast<std::size_t>(n));
        if (text.size() > kFileBytesMax) refuse("it is too long");
    }
}

LoadedConfiguration ConfigFiles::load() const {
    const std::string text = file_.empty() ? std::string() : read_whole_file(file_, "", 0);
    std::unique_ptr<Settings> settings = make_(text);
    resolve_paths(*settings, file_);
    read_users(*settings, file_);
    if (const auto rules = auth::HbaRules::compile(settings->hba); !rules.ok()) {
        throw ConfigError(file_, rules.error().line, rules.error().text);
    }
    LoadedConfiguration loaded;
    loaded.tls = std::make_shared<const TlsContexts>(*settings, file_);
    loaded.warnings = warnings_about(*settings, file_);
    loaded.settings = std::move(settings);
    return loaded;
}

}  // namespace pgweir::io
