// SPDX-License-Identifier: PostgreSQL
#include "style/source_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace pgweir::style {

namespace fs = std::filesystem;

namespace {

bool is_foreign(const fs::path& folder) {
    const std::string name = folder.filename().string();
    return name == "node_modules" || name == "__pycache__" || name == "target" ||
           name.starts_with(".") || name.starts_with("build");
}

bool ends_with_one_of(const std::string& name, const std::vector<std::string>& suffixes) {
    return std::any_of(suffixes.begin(), suffixes.end(),
                       [&name](const std::string& suffix) { return name.ends_with(suffix); });
}

SourceFile read(const fs::path& root, const fs::path& path) {
    SourceFile file{fs::relative(path, root).string(), {}};
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) file.lines.push_back(line);
    return file;
}

}  // namespace

std::vector<SourceFile> files_under(const std::vector<std::string>& folders,
                                    const std::vector<std::string>& suffixes) {
    const fs::path root = PGWEIR_ROOT;
    std::vector<SourceFile> files;
    for (const std::string& folder : folders) {
        if (!fs::exists(root / folder)) continue;
        fs::recursive_directory_iterator at(root / folder);
        for (; at != fs::recursive_directory_iterator(); ++at) {
            if (at->is_directory() && is_foreign(at->path())) at.disable_recursion_pending();
            if (!at->is_regular_file()) continue;
            if (!ends_with_one_of(at->path().filename().string(), suffixes)) continue;
            files.push_back(read(root, at->path()));
        }
    }
    std::sort(files.begin(), files.end(),
              [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    return files;
}

std::string code_of(std::string_view line) {
    std::string code;
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quote != 0) {
            if (c == '\\') ++i;
            if (c == quote) quote = 0;
            if (quote != 0) continue;
        } else if (c == '"' || (c == '\'' && (i == 0 || !std::isalnum(line[i - 1])))) {
            quote = c;
        } else if (c == '/' && i + 1 < line.size() && line[i + 1] == '/') {
            break;
        }
        code.push_back(c);
    }
    return code;
}

std::string Report::text() const {
    std::string text;
    for (const std::string& violation : violations_) text += "\n  " + violation;
    return text;
}

}  // namespace pgweir::style
