// SPDX-License-Identifier: PostgreSQL
// The classifier survives every text, and a shape decides about a verdict: the statement that is
// made from a shape has the same shape and the same verdict as the text it was taken from.
//   input = options:u8 text
// What the grammar takes of the one and refuses of the other is told apart: a list that folds may
// stand where only one literal may (LIMIT 1, 2).
#include <string>

#include "pgweir/base/assert.h"
#include "pgweir/sql/classifier.h"
#include "sql/shape.h"
#include "sql/shape_text.h"
#include "unit/sql/sample_catalog.h"

using namespace pgweir::sql;

namespace {

// Hints are comments, which a shape has lost.
bool is_same(const Verdict& a, const Verdict& b) {
    return a.is_read == b.is_read && a.reason == b.reason && a.transaction == b.transaction &&
           a.access == b.access && a.is_serializable == b.is_serializable &&
           a.may_change_transaction == b.may_change_transaction &&
           a.leaves_state == b.leaves_state && a.is_plain_set == b.is_plain_set &&
           a.discards_state == b.discards_state && a.may_change_schema == b.may_change_schema &&
           a.own == b.own;
}

void check_shape(const std::string& text, const Classifier::Question& question) {
    ShapeReader reader;
    const Shape shape =
        reader.read(text, {.standard_conforming_strings = question.standard_conforming_strings,
                           .is_ascii_transparent = question.is_ascii_transparent});
    if (shape.is_odd) return;
    const std::string bytes(shape.bytes);
    const std::string sql = sql_of_shape(bytes);
    PGWEIR_ASSERT(reader.read(sql, {}).bytes == bytes);
    PGWEIR_ASSERT(text_of_shape(bytes, 50).size() <= 50);

    // Not by the cache: each is judged by its own tree.
    Classifier fresh({.cache_bytes_max = 0}, 1);
    const Verdict of_text = fresh.explain(question).verdict;
    const Verdict of_shape = fresh.explain({.text = sql, .catalog = question.catalog}).verdict;
    const bool are_parsed =
        of_text.reason != Reason::NotParsed && of_shape.reason != Reason::NotParsed;
    if (are_parsed) PGWEIR_ASSERT(is_same(of_text, of_shape));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Catalog catalog(1, sample_rows());
    static Classifier classifier({.cache_bytes_max = 256U << 10}, 1);
    if (size == 0) return 0;
    std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    text.resize(text.find('\0') == std::string::npos ? text.size() : text.find('\0'));
    const Classifier::Question question{.text = text,
                                        .catalog = (data[0] & 1U) != 0 ? nullptr : &catalog,
                                        .standard_conforming_strings = (data[0] & 2U) == 0,
                                        .is_ascii_transparent = (data[0] & 4U) == 0};
    const Verdict verdict = classifier.classify(question);
    PGWEIR_ASSERT(verdict.is_read ==
                  (verdict.reason == Reason::None || verdict.reason == Reason::Empty));
    PGWEIR_ASSERT(is_same(classifier.classify(question), verdict) ||
                  verdict.reason == Reason::NotParsed);
    if (verdict.own != OwnCommand::None) Classifier::own_setting(text);
    check_shape(text, question);
    return 0;
}
