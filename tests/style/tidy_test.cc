// SPDX-License-Identifier: PostgreSQL
// The look of the files: what clang-format does not see.
#include <doctest/doctest.h>

#include <algorithm>

#include "style/source_files.h"

using namespace pgweir::style;

namespace {

constexpr std::size_t kColumnsMax = 100;
constexpr std::size_t kLinesMax = 500;
const std::vector<std::string> kFolders = {"src", "include", "tests", "integration"};
const std::string kLicence = "SPDX-License-Identifier: PostgreSQL";

std::vector<SourceFile> cpp_files() {
    return files_under(kFolders, {".h", ".cc"});
}

// Columns of a line of UTF-8: bytes that begin a character.
std::size_t columns(const std::string& line) {
    return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

// Fails with every line of which `violation` (a text, or nothing) says something.
template <typename Violation>
void check_lines(const std::vector<SourceFile>& files, Violation violation) {
    Report report;
    REQUIRE(files.size() > 20);
    for (const SourceFile& file : files) {
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            const std::string text = violation(file.lines[i]);
            if (!text.empty()) report.add(file.at(i) + " " + text);
        }
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}

}  // namespace

TEST_CASE("no line is longer than 100 columns") {
    check_lines(cpp_files(), [](const std::string& line) -> std::string {
        if (columns(line) <= kColumnsMax) return "";
        return "has " + std::to_string(columns(line)) +
               " columns: run clang-format -i, and break "
               "comments by hand";
    });
}

TEST_CASE("no line has a tab, a carriage return or a blank at its end") {
    check_lines(cpp_files(), [](const std::string& line) -> std::string {
        if (line.find('\t') != std::string::npos) return "has a tab: write spaces";
        if (line.ends_with('\r')) return "ends in a carriage return: end lines in a line feed";
        if (line.ends_with(' ')) return "ends in a blank: run clang-format -i";
        return "";
    });
}

TEST_CASE("nothing is left for later in a comment") {
    // Spelled in two parts, so that this file may be read too.
    const std::vector<std::string> words = {
        "TO"
        "DO",
        "FIX"
        "ME",
        "XX"
        "X:",
        "HA"
        "CK"};
    check_lines(cpp_files(), [&words](const std::string& line) -> std::string {
        for (const std::string& word : words) {
            if (line.find(word) != std::string::npos) {
                return "says " + word + ": do it, or open an issue";
            }
        }
        return "";
    });
}

TEST_CASE("no file is longer than 500 lines") {
    Report report;
    for (const SourceFile& file : cpp_files()) {
        if (file.lines.size() <= kLinesMax) continue;
        report.add(file.path + " has " + std::to_string(file.lines.size()) +
                   " lines: it is about two things, give each its file");
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}

TEST_CASE("every file opens with its licence") {
    Report report;
    for (const SourceFile& file : files_under(kFolders, {".h", ".cc", "CMakeLists.txt", ".cmake",
                                                         ".sh", ".py", ".js", ".mutants"})) {
        // Behind the interpreter's name, where there is one.
        const std::size_t first = !file.lines.empty() && file.lines[0].starts_with("#!") ? 1 : 0;
        if (file.lines.size() > first && file.lines[first].ends_with(kLicence)) continue;
        report.add(file.at(first) + " must say: " +
                   (file.is_cpp() || file.path.ends_with(".js") ? "// " : "# ") + kLicence);
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}

TEST_CASE("every header guards itself, and says what it is for") {
    Report report;
    for (const SourceFile& file : cpp_files()) {
        if (!file.is_header()) continue;
        if (std::find(file.lines.begin(), file.lines.end(), "#pragma once") == file.lines.end()) {
            report.add(file.path + " has no #pragma once");
        }
        if (file.lines.size() < 2 || !file.lines[1].starts_with("// ")) {
            report.add(file.at(1) + " must be a comment: what the header is for");
        }
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}
