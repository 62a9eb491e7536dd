// SPDX-License-Identifier: PostgreSQL
#include "comparison.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "process.h"

namespace pgweir::integration::oracle {
namespace {

constexpr std::size_t kLinesBefore = 4;
constexpr std::size_t kLinesAfter = 5;
constexpr std::size_t kColumn = 76;

bool is_problem(const std::string& line) {
    const auto at = line.size() > 2 && line[1] == ' ' && line[2] != 'S' ? 2U : 0U;
    return line.compare(at, 4, "E S ") == 0 || line.compare(at, 4, "N S ") == 0;
}

std::string without_place(const std::string& line) {
    const auto place = line.find("|F ");
    return place == std::string::npos ? line : line.substr(0, place);
}

bool are_equal(const std::string& direct, const std::string& through) {
    if (direct == through) return true;
    if (!is_problem(direct) || through.find("|F ") != std::string::npos) return false;
    return without_place(direct) == through;
}

std::string line_at(const Transcript& lines, std::size_t i) {
    return i < lines.size() ? lines[i] : "end";
}

std::string fitted(const std::string& text) {
    if (text.size() > kColumn) return text.substr(0, kColumn - 1) + "~";
    return text + std::string(kColumn - text.size(), ' ');
}

std::string trimmed(const std::string& text) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string::npos) return "";
    return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

template <typename Values, typename Value>
bool has(const Values& values, const Value& value) {
    return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::optional<std::size_t> first_difference(const Transcript& direct, const Transcript& through) {
    for (std::size_t i = 0; i < std::max(direct.size(), through.size()); ++i) {
        if (!are_equal(line_at(direct, i), line_at(through, i))) return i;
    }
    return std::nullopt;
}

std::string side_by_side(const Transcript& direct, const Transcript& through, std::size_t at) {
    const std::size_t begin = at > kLinesBefore ? at - kLinesBefore : 0;
    const std::size_t end = std::min(at + kLinesAfter, std::max(direct.size(), through.size()) + 1);
    std::string text = "    " + fitted("PostgreSQL") + "  through pgweir\n";
    for (std::size_t i = begin; i < end; ++i) {
        const std::string left = line_at(direct, i);
        const std::string right = line_at(through, i);
        text += are_equal(left, right) ? "    " : " -> ";
        text += fitted(left) + "  " + trimmed(fitted(right)) + "\n";
    }
    const std::string left = line_at(direct, at);
    const std::string right = line_at(through, at);
    if (std::max(left.size(), right.size()) > kColumn) {
        text += "  PostgreSQL: " + left + "\n  pgweir:     " + right + "\n";
    }
    return text;
}

bool matches(std::string_view pattern, std::string_view text) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == text;
    if (text.substr(0, star) != pattern.substr(0, star)) return false;
    text.remove_prefix(star);
    pattern.remove_prefix(star + 1);
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (matches(pattern, text.substr(i))) return true;
    }
    return false;
}

AcceptedDifferences::AcceptedDifferences(const std::filesystem::path& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        const auto first = line.find(" | ");
        const auto second = line.find(" | ", first + 3);
        const auto last = line.rfind(" | ");
        if (first == std::string::npos || second == std::string::npos || last == second) {
            throw HarnessError("title | modes | heard | reason: " + line);
        }
        Line accepted;
        accepted.text = line;
        accepted.title = trimmed(line.substr(0, first));
        std::istringstream modes(line.substr(first + 3, second - first - 3));
        for (std::string mode; modes >> mode;) accepted.modes.push_back(mode);
        accepted.heard = trimmed(line.substr(second + 3, last - second - 3));
        lines_.push_back(accepted);
    }
}

bool AcceptedDifferences::accepts(const std::string& title, const std::string& mode,
                                  const std::string& heard) {
    for (Line& line : lines_) {
        if (!has(line.modes, mode) || !matches(line.title, title)) continue;
        if (!matches(line.heard, heard)) continue;
        line.occurred_in.push_back(mode);
        return true;
    }
    return false;
}

std::vector<std::string> AcceptedDifferences::unused(const std::string& mode,
                                                     const std::vector<std::string>& titles) const {
    std::vector<std::string> unused;
    for (const Line& line : lines_) {
        if (!has(line.modes, mode) || has(line.occurred_in, mode)) continue;
        const bool was_played = std::any_of(titles.begin(), titles.end(), [&](const auto& title) {
            return matches(line.title, title);
        });
        if (was_played) unused.push_back(line.text);
    }
    return unused;
}

}  // namespace pgweir::integration::oracle
