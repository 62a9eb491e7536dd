// SPDX-License-Identifier: PostgreSQL
// The deliberate bugs of tests/mutants must still fit the source: whether they are found is another
// matter, and tests/mutants/run takes its time for it.
#include <doctest/doctest.h>

#include <map>
#include <regex>
#include <set>

#include "style/source_files.h"

using namespace pgweir::style;

namespace {

struct Mutant {
    std::string where;
    std::map<std::string, std::string> parts;  // name, bug, file, finder, old, new
};

// "bug    a text" → {"bug", "a text"}
std::pair<std::string, std::string> field_of(const std::string& line) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::size_t value = std::min(line.find_first_not_of(' ', end), line.size());
    return {line.substr(0, end), line.substr(value)};
}

void read(const SourceFile& file, std::vector<Mutant>& mutants) {
    std::string part;  // "old" or "new", if the line is a part of that text.
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
        const std::string& line = file.lines[i];
        if (line.starts_with("mutant ")) mutants.push_back({file.at(i), {}});
        if (mutants.empty()) continue;
        auto& parts = mutants.back().parts;
        if (line.starts_with("--- ")) {
            part = line.substr(4) == "end" ? "" : line.substr(4);
            if (!part.empty()) parts[part];
        } else if (!part.empty()) {
            if (!parts[part].empty()) parts[part] += '\n';
            parts[part] += line;
        } else if (!line.empty() && line[0] != '#') {
            parts.insert(field_of(line));
        }
    }
}

std::vector<Mutant> all_mutants() {
    std::vector<Mutant> mutants;
    for (const SourceFile& file : files_under({"tests/mutants"}, {".mutants"})) read(file, mutants);
    return mutants;
}

std::size_t occurrences(const std::string& text, const std::string& wanted) {
    std::size_t count = 0;
    for (std::size_t at = text.find(wanted); at != text.npos; at = text.find(wanted, at + 1)) {
        ++count;
    }
    return count;
}

std::map<std::string, std::string> product_texts() {
    std::map<std::string, std::string> texts;
    for (const SourceFile& file : files_under({"src", "include"}, {".h", ".cc"})) {
        std::string& text = texts[file.path];
        for (const std::string& line : file.lines) text += line + '\n';
    }
    return texts;
}

}  // namespace

TEST_CASE("every mutant still fits the source, and says who must find it") {
    const auto texts = product_texts();
    const std::regex finder("swarm (any|single|cluster|failover) [1-9][0-9]*|(unit|sim)_[a-z_]+");
    std::set<std::string> names;
    Report report;
    auto mutants = all_mutants();
    CHECK(mutants.size() >= 30);
    for (Mutant& mutant : mutants) {
        auto& parts = mutant.parts;
        const std::string name = mutant.where + " " + parts["mutant"];
        if (!names.insert(parts["mutant"]).second) report.add(name + " is there twice");
        if (parts["bug"].empty()) report.add(name + " does not say what its bug is");
        if (!std::regex_match(parts["finder"], finder)) report.add(name + " names no finder");
        if (parts["old"] == parts["new"]) report.add(name + " changes nothing");
        const auto text = texts.find(parts["file"]);
        const std::size_t count = text == texts.end() || parts["old"].empty()
                                      ? 0
                                      : occurrences(text->second, parts["old"]);
        if (count == 1) continue;
        report.add(name + ": its old text is " + std::to_string(count) + " times in " +
                   parts["file"] + " and must be there once");
    }
    CHECK_MESSAGE(report.text().empty(), report.text());
}
