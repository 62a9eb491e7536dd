// SPDX-License-Identifier: PostgreSQL
// A file that holds the process ID while the process runs.
#pragma once

#include <string>

namespace pgweir::io {

class PidFile {
 public:
    // Throws config::ConfigError if it can't be written, or if the process it names still runs.
    explicit PidFile(std::string path);
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;
    ~PidFile();

 private:
    std::string path_;
};

}  // namespace pgweir::io
