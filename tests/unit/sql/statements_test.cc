// SPDX-License-Identifier: PostgreSQL
// Every SQL command of PostgreSQL 15's reference, and every place in a query where something may
// hide: statements.txt says what is what.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "pgweir/sql/classifier.h"
#include "sample_catalog.h"

namespace pgweir::sql {
namespace {

void add(std::string& words, bool holds, const char* word) {
    if (holds) words.append(words.empty() ? "" : " ").append(word);
}

// A verdict as statements.txt writes it, with its words in one fixed order.
std::string in_words(const Verdict& verdict) {
    std::string words(name_of(verdict.reason));
    add(words, verdict.transaction == TransactionStep::Begin, "begin");
    add(words, verdict.transaction == TransactionStep::Commit, "commit");
    add(words, verdict.transaction == TransactionStep::Rollback, "rollback");
    add(words, verdict.transaction == TransactionStep::SetModes, "modes");
    add(words, verdict.transaction == TransactionStep::Other, "other");
    add(words, verdict.access == TransactionAccess::ReadOnly, "ro");
    add(words, verdict.access == TransactionAccess::ReadWrite, "rw");
    add(words, verdict.is_serializable, "serializable");
    add(words, verdict.leaves_state, "state");
    add(words, verdict.is_plain_set, "plain");
    add(words, verdict.discards_state, "discards");
    add(words, verdict.may_change_transaction, "may");
    add(words, verdict.may_change_schema, "schema");
    add(words, verdict.own == OwnCommand::Set, "set");
    add(words, verdict.own == OwnCommand::Reset, "reset");
    add(words, verdict.own == OwnCommand::Show, "show");
    return words;
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> words;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (end > at) words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

std::string sorted(const std::string& text) {
    std::vector<std::string> words = split(text);
    if (!words.empty()) std::sort(words.begin() + 1, words.end());
    std::string joined;
    for (const std::string& word : words) joined += word + " ";
    return joined;
}

struct Statement {
    std::string verdict;
    std::string text;
};

std::vector<Statement> statements() {
    std::ifstream file(PGWEIR_TEST_DATA "/statements.txt");
    std::vector<Statement> found;
    std::string line;
    while (std::getline(file, line)) {
        const std::size_t tab = line.find('\t');
        if (line.starts_with('#') || tab == std::string::npos) continue;
        found.push_back({line.substr(0, tab), line.substr(tab + 1)});
    }
    return found;
}

}  // namespace

TEST_CASE("each statement of the table has its verdict, known or not, explained or not") {
    const Catalog catalog(1, sample_rows());
    Classifier classifier({}, 42);
    const std::vector<Statement> all = statements();
    REQUIRE(all.size() > 400);
    for (const Statement& it : all) {
        CAPTURE(it.text);
        const Classifier::Question question{.text = it.text, .catalog = &catalog};
        const Verdict verdict = classifier.classify(question);
        CHECK(sorted(in_words(verdict)) == sorted(it.verdict));
        CHECK(verdict.is_read ==
              (verdict.reason == Reason::None || verdict.reason == Reason::Empty));
        CHECK(in_words(classifier.classify(question)) == in_words(verdict));
        const Explanation explanation = classifier.explain(question);
        CHECK(in_words(explanation.verdict) == in_words(verdict));
        CHECK(explanation.words.empty() == (verdict.reason == Reason::None));
    }
}

TEST_CASE("without a catalog nothing that needs one is a read") {
    Classifier classifier({}, 42);
    for (const Statement& it : statements()) {
        CAPTURE(it.text);
        const Verdict verdict = classifier.classify({.text = it.text});
        const bool was_read = it.verdict == "read" || it.verdict == "empty";
        if (!was_read) CHECK_FALSE(verdict.is_read);
        if (was_read && !verdict.is_read) CHECK(verdict.reason == Reason::NoCatalog);
    }
    CHECK(classifier.classify({.text = "SELECT 1"}).is_read);
    CHECK(classifier.classify({.text = "SELECT a"}).is_read);
    CHECK(classifier.classify({.text = "SELECT lower(a)"}).reason == Reason::NoCatalog);
    CHECK(classifier.classify({.text = "SELECT 1 + 1"}).reason == Reason::NoCatalog);
    CHECK(classifier.classify({.text = "TABLE t"}).reason == Reason::NoCatalog);
    CHECK(classifier.classify({.text = "SELECT '1'::int"}).reason == Reason::NoCatalog);
}

}  // namespace pgweir::sql
