// SPDX-License-Identifier: PostgreSQL
// A configuration that can't be used: where, and what to do about it. Thrown in config and io,
// caught in two places: main and reload.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace pgweir::config {

class ConfigError : public std::runtime_error {
 public:
    // `line` 0: the sentence is about the whole file, or about no file at all.
    ConfigError(std::string_view file, unsigned line, std::string_view sentence)
        : std::runtime_error(place(file, line) + std::string(sentence)),
          file_(file),
          line_(line),
          sentence_(sentence) {}

    const std::string& file() const { return file_; }
    unsigned line() const { return line_; }
    const std::string& sentence() const { return sentence_; }

 private:
    static std::string place(std::string_view file, unsigned line) {
        if (file.empty()) return {};
        if (line == 0) return std::string(file) + ": ";
        return std::string(file) + ":" + std::to_string(line) + ": ";
    }

    std::string file_;
    unsigned line_;
    std::string sentence_;
};

}  // namespace pgweir::config
