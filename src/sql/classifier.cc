// SPDX-License-Identifier: PostgreSQL
#include "pgweir/sql/classifier.h"

#include <algorithm>

#include "pgweir/base/random.h"
#include "sql/characters.h"
#include "sql/grammar.h"
#include "sql/shape.h"
#include "sql/shape_cache.h"
#include "sql/shape_hash.h"
#include "sql/shape_text.h"
#include "sql/statement_walk.h"
#include "sql/top_shapes.h"

namespace pgweir::sql {
namespace {

// What the grammar is asked for at most: it takes about a microsecond and, nested as badly as can
// be, 150 bytes of stack a token.
constexpr std::uint32_t kTokensMax = 5000;
// Longer texts are lists that fold; the grammar reads their shape instead.
constexpr std::size_t kParsedBytesMax = 4096;

constexpr std::size_t kTopShapesMax = 200;

// PostgreSQL reads a text up to its first zero byte.
std::string_view until_zero(std::string_view text) {
    return text.substr(0, text.find('\0'));
}

ShapeHash make_hash(std::uint64_t seed) {
    Random random(seed);
    const std::uint64_t point = random.next();
    return {point, random.next()};
}

std::size_t top_shapes_max(std::uint64_t bytes_max) {
    constexpr std::uint64_t kBytesEach = 512;
    return std::min<std::uint64_t>(kTopShapesMax, bytes_max / 4 / kBytesEach + 1);
}

bool is_parsable(const Shape& shape) {
    return !shape.is_odd && shape.tokens <= kTokensMax;
}

bool parse_own_set(const Shape& shape, SyntaxTree& tree) {
    const std::string own_set = own_set_of_shape(shape.bytes);
    return !own_set.empty() && parse(own_set, tree);
}

bool parse_shape(std::string_view text, const Shape& shape, SyntaxTree& tree) {
    if (!is_parsable(shape)) return false;
    const bool is_short = text.size() <= kParsedBytesMax;
    if (parse(is_short ? std::string(text) : sql_of_shape(shape.bytes), tree)) return true;
    return parse_own_set(shape, tree);
}

// Whether a word of a text that could not be parsed begins a command that may change the schema.
bool may_change_schema(std::string_view text) {
    static constexpr std::string_view kWords[] = {"create", "alter", "drop",
                                                  "import", "do",    "call"};
    std::string word;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const char c = i < text.size() ? lower(text[i]) : ' ';
        if (is_letter(c)) {
            if (word.size() < 8) word += c;
            continue;
        }
        if (std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords)) return true;
        word.clear();
    }
    return false;
}

Verdict refused(std::string_view text) {
    Verdict verdict = not_parsed();
    verdict.may_change_schema = may_change_schema(text);
    return verdict;
}

Verdict empty(const Hints& hints) {
    Verdict verdict;
    verdict.is_read = true;
    verdict.reason = Reason::Empty;
    verdict.hints = hints;
    return verdict;
}

}  // namespace

struct Classifier::Impl {
    Impl(ClassifierLimits its_limits, std::uint64_t seed)
        : limits(its_limits),
          hash(make_hash(seed)),
          top(top_shapes_max(limits.cache_bytes_max)),
          cache(limits.cache_bytes_max - limits.cache_bytes_max / 4) {}

    static ShapeReader::Options options(const Question& question) {
        return {.standard_conforming_strings = question.standard_conforming_strings,
                .is_ascii_transparent = question.is_ascii_transparent};
    }
    static std::uint64_t generation(const Question& question) {
        return question.catalog ? question.catalog->generation() : 0;
    }

    Verdict classify(const Question& question);
    void count(ShapeCache::Entry& entry, ShapeKey key, std::string_view shape);
    void learn_write(const Question& question);
    void add_what_was_learned(const Question& question, const Shape& shape,
                              Explanation& explanation);

    const ClassifierLimits limits;
    const ShapeHash hash;
    ShapeReader reader;
    TopShapes top;
    ShapeCache cache;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
};

// What the grammar refuses is not remembered: its shape may be that of a text which it takes.
Verdict Classifier::Impl::classify(const Question& question) {
    const std::string_view text = until_zero(question.text);
    if (text.size() > limits.text_bytes_max) return not_parsed();
    const Shape shape = reader.read(text, options(question));
    const auto with_hints = [&](Verdict verdict) {
        verdict.hints = shape.hints;
        return verdict;
    };
    if (shape.is_odd) return with_hints(refused(text));
    if (shape.is_empty()) return empty(shape.hints);
    const ShapeKey shape_key = hash.of(shape.bytes);
    const ShapeKey key = hash.with(shape_key, generation(question));
    if (ShapeCache::Entry* entry = cache.find(key)) {
        ++hits;
        count(*entry, shape_key, shape.bytes);
        return with_hints(entry->verdict);
    }
    ++misses;
    SyntaxTree tree;
    if (!parse_shape(text, shape, tree)) return with_hints(refused(text));
    const Verdict verdict = judge(tree, question.catalog, nullptr);
    if (verdict.reason == Reason::NotParsed) return with_hints(verdict);
    count(cache.insert(key, verdict), shape_key, shape.bytes);
    return with_hints(verdict);
}

void Classifier::Impl::count(ShapeCache::Entry& entry, ShapeKey key, std::string_view shape) {
    if (top.is_at(entry.top, key)) return top.count(entry.top);
    ++entry.count;
    if (!top.would_admit(entry.count)) return;
    entry.top = top.admit(key, shape, entry.verdict, entry.count);
    if (entry.top != TopShapes::kNone) entry.count = 0;
}

void Classifier::Impl::learn_write(const Question& question) {
    const std::string_view text = until_zero(question.text);
    if (text.size() > limits.text_bytes_max) return;
    const Shape shape = reader.read(text, options(question));
    if (shape.is_odd || shape.is_empty()) return;
    const ShapeKey shape_key = hash.of(shape.bytes);
    const ShapeKey key = hash.with(shape_key, generation(question));
    ShapeCache::Entry* entry = cache.find(key);
    if (!entry) entry = &cache.insert(key, Verdict{});
    entry->verdict.is_read = false;
    entry->verdict.reason = Reason::Learned;
    top.count_retry(shape_key, entry->verdict);
}

void Classifier::Impl::add_what_was_learned(const Question& question, const Shape& shape,
                                            Explanation& explanation) {
    const ShapeCache::Entry* entry =
        cache.find(hash.with(hash.of(shape.bytes), generation(question)));
    if (!entry || entry->verdict.reason != Reason::Learned) return;
    explanation.verdict.is_read = false;
    explanation.verdict.reason = Reason::Learned;
    explanation.words.push_back("a standby refused it before");
}

Classifier::Classifier(ClassifierLimits limits, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(limits, seed)) {}

Classifier::~Classifier() = default;

Verdict Classifier::classify(const Question& question) {
    return impl_->classify(question);
}

void Classifier::learn_write(const Question& question) {
    impl_->learn_write(question);
}

Explanation Classifier::explain(const Question& question) const {
    constexpr std::size_t kShapeBytesMax = 4096;
    const std::string_view text = until_zero(question.text);
    Explanation explanation{.verdict = not_parsed(), .shape = {}, .words = {}};
    if (text.size() > impl_->limits.text_bytes_max) {
        explanation.words.push_back("is too long to look at");
        return explanation;
    }
    ShapeReader reader;
    const Shape shape = reader.read(text, Impl::options(question));
    explanation.shape = text_of_shape(shape.bytes, kShapeBytesMax);
    SyntaxTree tree;
    if (!shape.is_odd && shape.is_empty()) {
        explanation.verdict = empty(shape.hints);
        explanation.words.push_back("is empty");
    } else if (!parse_shape(text, shape, tree)) {
        explanation.verdict = refused(text);
        explanation.words.push_back("PostgreSQL's grammar does not take it");
    } else {
        explanation.verdict = judge(tree, question.catalog, &explanation.words);
        impl_->add_what_was_learned(question, shape, explanation);
    }
    explanation.verdict.hints = shape.hints;
    return explanation;
}

OwnSetting Classifier::own_setting(std::string_view text) {
    text = until_zero(text);
    ShapeReader reader;
    const Shape shape = reader.read(text, {});
    SyntaxTree tree;
    if (!is_parsable(shape)) return {};
    // The value is a literal, which the shape has lost: the text itself is read here.
    if (!parse(std::string(text), tree) && !parse_own_set(shape, tree)) return {};
    return own_setting_of(tree);
}

// PostgreSQL takes these as encodings of clients only ("Character Set Support" in the manual).
bool Classifier::is_ascii_transparent(std::string_view client_encoding) {
    std::string name;
    for (const char c : client_encoding) {
        if (is_letter(c) || is_digit(c)) name += lower(c);
    }
    std::erase(name, '_');
    static constexpr std::string_view kOthers[] = {
        "big5",       "win950",     "windows950",   "gb18030", "gbk",       "win936",
        "windows936", "johab",      "shiftjis2004", "sjis",    "mskanji",   "shiftjis",
        "win932",     "windows932", "uhc",          "win949",  "windows949"};
    return std::find(std::begin(kOthers), std::end(kOthers), name) == std::end(kOthers);
}

std::vector<ShapeCount> Classifier::top_shapes(std::size_t n) const {
    return impl_->top.top(n);
}

std::uint64_t Classifier::cache_bytes() const {
    return impl_->cache.bytes() + impl_->top.bytes() + impl_->reader.bytes();
}

std::size_t Classifier::cache_size() const {
    return impl_->cache.size();
}

std::uint64_t Classifier::hits() const {
    return impl_->hits;
}

std::uint64_t Classifier::misses() const {
    return impl_->misses;
}

}  // namespace pgweir::sql
