// SPDX-License-Identifier: PostgreSQL
// The files behind the settings: the configuration itself, the list of users, keys and
// certificates. Read at the start, and again for every reload.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/tls_context.h"
#include "pgweir/config/settings.h"

namespace pgweir::io {

// All that one reading brought; checked, so that it can be applied without a failure.
struct LoadedConfiguration {
    std::shared_ptr<const config::Settings> settings;
    std::shared_ptr<const TlsContexts> tls;
    std::vector<std::string> warnings;
};

class ConfigFiles {
 public:
    // Makes settings from what the file holds (nothing, if there is no file).
    using Make = std::function<std::unique_ptr<config::Settings>(std::string_view text)>;

    // `file` may be empty: then all is in `make`. `make` is called on any thread.
    ConfigFiles(std::string file, Make make) : file_(std::move(file)), make_(std::move(make)) {}

    const std::string& file() const { return file_; }
    // Throws config::ConfigError.
    LoadedConfiguration load() const;

 private:
    std::string file_;
    Make make_;
};

// Throws config::ConfigError; `line` is where the configuration names the file.
std::string read_whole_file(const std::string& path, std::string_view named_by, unsigned line);

}  // namespace pgweir::io
