// SPDX-License-Identifier: PostgreSQL
// What it costs to judge a statement whose shape is known, and one whose shape is not. A report,
// no test. In processor time: other programs may run.
//   ninja micro_classify && tests/bench/micro_classify [NAME]      (one sample only, for perf)
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "pgweir/sql/classifier.h"
#include "unit/sql/sample_catalog.h"

using namespace pgweir::sql;

namespace {

struct Sample {
    const char* name;
    std::string text;
};

std::vector<Sample> samples() {
    std::string list = "SELECT * FROM t WHERE id IN (0";
    for (int i = 1; i < 500; ++i) list += ", " + std::to_string(i * 7919);
    std::string rows = "INSERT INTO t (a, b, c) VALUES (1, 'x', NULL)";
    for (int i = 1; i < 500; ++i) rows += ", (" + std::to_string(i) + ", 'value', NULL)";
    return {
        {"begin", "BEGIN"},
        {"by key", "SELECT * FROM orders WHERE id = 4711"},
        {"typical",
         "SELECT o.id, o.total, l.article FROM orders o JOIN lines l ON l.order_id = o.id "
         "WHERE o.customer = $1 AND o.state IN ('new', 'paid') LIMIT 20"},
        {"update",
         "UPDATE t SET state = 'done', changed = now() WHERE id = 12345 AND state <> 'done'"},
        {"hint", "/* pgweir: consistency=strong */ SELECT * FROM orders WHERE id = 4711"},
        {"500 literals", list + ")"},
        {"500 rows", rows},
    };
}

double nanoseconds_each(Classifier& classifier, const Classifier::Question& question, int times) {
    const std::clock_t begin = std::clock();
    bool all = true;
    for (int i = 0; i < times; ++i) all &= classifier.classify(question).is_read;
    const double took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    [[maybe_unused]] static volatile bool sink;
    sink = all;
    return took * 1e9 / times;
}

// By classifiers that see it for the first time: they ask the grammar.
double nanoseconds_when_new(const Classifier::Question& question) {
    constexpr int kTimes = 300;
    std::vector<std::unique_ptr<Classifier>> classifiers;
    for (int i = 0; i < kTimes; ++i) {
        classifiers.push_back(std::make_unique<Classifier>(ClassifierLimits{}, 1));
    }
    const std::clock_t begin = std::clock();
    for (const auto& classifier : classifiers) classifier->classify(question);
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC * 1e9 / kTimes;
}

}  // namespace

int main(int argc, char** argv) {
    const Catalog catalog(1, sample_rows());
    std::printf("%-14s %7s %12s %12s %12s\n", "statement", "bytes", "known ns", "ns/byte",
                "new ns");
    for (const Sample& sample : samples()) {
        if (argc > 1 && std::string(argv[1]) != sample.name) continue;
        const Classifier::Question question{.text = sample.text, .catalog = &catalog};
        Classifier classifier({}, 1);
        nanoseconds_each(classifier, question, 1);
        const int times = static_cast<int>(20'000'000 / (sample.text.size() + 50));
        double known = 1e18;
        for (int i = 0; i < 5; ++i) {
            known = std::min(known, nanoseconds_each(classifier, question, times));
        }
        const double fresh = nanoseconds_when_new(question);
        const auto bytes = static_cast<double>(sample.text.size());
        std::printf("%-14s %7zu %12.1f %12.2f %12.0f\n", sample.name, sample.text.size(), known,
                    known / bytes, fresh);
    }
}
