// SPDX-License-Identifier: PostgreSQL
// The files of this repository, as the style tests read them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::style {

struct SourceFile {
    std::string path;  // From the root of the repository.
    std::vector<std::string> lines;

    // "path:7", for messages; lines count from 1.
    std::string at(std::size_t index) const { return path + ":" + std::to_string(index + 1); }
    bool is_header() const { return path.ends_with(".h"); }
    bool is_cpp() const { return is_header() || path.ends_with(".cc"); }
};

// The files under these folders of the root whose names end so, in order of their paths. Folders
// of other people's code (node_modules and the like) are passed over.
std::vector<SourceFile> files_under(const std::vector<std::string>& folders,
                                    const std::vector<std::string>& suffixes);

// A line of C++ without its comment and without the contents of its string literals.
std::string code_of(std::string_view line);

// The violations of one rule; the test prints them all and fails if there are any.
class Report {
 public:
    void add(std::string violation) { violations_.push_back(std::move(violation)); }
    // All of them, one per line; empty if there are none.
    std::string text() const;

 private:
    std::vector<std::string> violations_;
};

}  // namespace pgweir::style
