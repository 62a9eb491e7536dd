// SPDX-License-Identifier: PostgreSQL
// PostgreSQL is the oracle: what a client hears through pgweir, in every mode, is what it hears
// from PostgreSQL, message by message, but for the differences of accepted.txt.
//
//   PGWEIR_ORACLE='*copy*'   only conversations whose title matches
//   PGWEIR_ORACLE_SHOW=1     PostgreSQL's answers, to see what a new conversation comes to
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>

#include "comparison.h"
#include "shared.h"
#include "stage.h"

using namespace pgweir::integration;
using namespace pgweir::integration::oracle;

namespace {

const std::filesystem::path kFolder = PGWEIR_ORACLE_FOLDER;

// All that is wanted, with PostgreSQL's answers: it is asked once.
struct Known {
    Conversation conversation;
    oracle::Transcript direct;
};

struct Oracle {
    Stage stage;
    AcceptedDifferences accepted{kFolder / "accepted.txt"};
    std::vector<Known> known;

    Oracle() {
        const char* wanted = std::getenv("PGWEIR_ORACLE");
        for (auto& conversation : read_conversations(kFolder / "conversations")) {
            if (wanted != nullptr && !matches(wanted, conversation.title)) continue;
            known.push_back({conversation, stage.play_directly(conversation)});
        }
    }
};

Oracle& the_oracle() {
    static bool has_failed = false;
    if (has_failed) throw HarnessError("the first attempt to set the stage up has failed");
    has_failed = true;
    static Oracle oracle;
    has_failed = false;
    return oracle;
}

bool is_set(const char* name) {
    return std::getenv(name) != nullptr;
}

void compare(Mode mode) {
    Oracle& oracle = the_oracle();
    std::vector<std::string> titles;
    for (const auto& [conversation, direct] : oracle.known) {
        if (!makes_sense(conversation, mode)) continue;
        titles.push_back(conversation.title);
        const auto through = oracle.stage.play(conversation, mode);
        CHECK_MESSAGE(oracle.stage.serves(mode), conversation.title);
        const auto at = first_difference(direct, through);
        if (!at) continue;
        const std::string heard = *at < through.size() ? through[*at] : "end";
        const bool is_accepted = oracle.accepted.accepts(conversation.title, name_of(mode), heard);
        CHECK_MESSAGE(is_accepted, conversation.place, ": ", conversation.title, " (",
                      name_of(mode), " mode)\n", side_by_side(direct, through, *at));
    }
    for (const auto& line : oracle.accepted.unused(name_of(mode), titles)) {
        FAIL_CHECK("accepted, but there is no such difference in " << name_of(mode)
                                                                   << " mode: " << line);
    }
}

}  // namespace

TEST_CASE("the conversations have titles of their own, and PostgreSQL answers all of them") {
    std::map<std::string, int> titles;
    for (const auto& [conversation, direct] : the_oracle().known) {
        CHECK_MESSAGE(++titles[conversation.title] == 1, conversation.title);
        INFO(conversation.place, ": ", conversation.title, joined(direct));
        CHECK(!direct.empty());
        CHECK(!direct.back().starts_with("stuck"));
        if (is_set("PGWEIR_ORACLE_SHOW")) MESSAGE(conversation.title, joined(direct));
    }
    if (!is_set("PGWEIR_ORACLE")) CHECK(titles.size() > 300);
}

TEST_CASE("session mode") {
    compare(Mode::Session);
}

TEST_CASE("transaction mode") {
    compare(Mode::Transaction);
}

TEST_CASE("statement mode") {
    compare(Mode::Statement);
}

TEST_CASE("transaction mode, every unit on another server") {
    compare(Mode::Moved);
}

TEST_CASE("transaction mode, every byte alone") {
    compare(Mode::Bytewise);
}

TEST_CASE("transaction mode, reads on the standby") {
    compare(Mode::Split);
}

TEST_CASE("pgweir ends well in every mode") {
    the_oracle().stage.end();
    CHECK(PgweirProcess::failures() == 0);
}
