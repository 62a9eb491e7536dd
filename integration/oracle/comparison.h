// SPDX-License-Identifier: PostgreSQL
// Two transcripts of one conversation: are they one, and if not, is the difference accepted?
// accepted.txt has a line for each difference that is:
//
//   title of the conversation | modes | first different line as through pgweir | reason
//
// A '*' in the title or at the end of the heard line stands for anything; modes are separated by
// blanks. "closed" and the like are lines, too; "end" is a transcript that ends there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "player.h"

namespace pgweir::integration::oracle {

// The index of the first line that differs. Rule "source place": the fields file, line and routine
// of an error are compared if both have them (pgweir's own errors have none).
std::optional<std::size_t> first_difference(const Transcript& direct, const Transcript& through);

// Both, side by side, around the first difference.
std::string side_by_side(const Transcript& direct, const Transcript& through, std::size_t at);

bool matches(std::string_view pattern, std::string_view text);

class AcceptedDifferences {
 public:
    explicit AcceptedDifferences(const std::filesystem::path& file);

    // True if a line of the file is about this difference; the line has then occurred.
    bool accepts(const std::string& title, const std::string& mode, const std::string& heard);
    // Lines about this mode that have not occurred, though a conversation of theirs was played.
    std::vector<std::string> unused(const std::string& mode,
                                    const std::vector<std::string>& titles) const;

 private:
    struct Line {
        std::string text;
        std::string title;
        std::vector<std::string> modes;
        std::string heard;
        std::vector<std::string> occurred_in;
    };
    std::vector<Line> lines_;
};

}  // namespace pgweir::integration::oracle
