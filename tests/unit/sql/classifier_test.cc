// SPDX-License-Identifier: PostgreSQL
// The cache around the verdicts: what it keeps, for how long, and what hostile texts do to it.
#include "pgweir/sql/classifier.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "sample_catalog.h"
#include "sql/shape.h"
#include "sql/shape_text.h"

namespace pgweir::sql {
namespace {

constexpr std::uint64_t kSeed = 7;

struct Fixture {
    Catalog catalog{1, sample_rows()};
    Classifier classifier{{}, kSeed};

    Verdict classify(const std::string& text) {
        return classifier.classify({.text = text, .catalog = &catalog});
    }
};

std::string repeated(const std::string& text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

}  // namespace

TEST_CASE("a thousand lists of five hundred literals are one entry") {
    Fixture f;
    for (int i = 0; i < 1000; ++i) {
        std::string text = "SELECT * FROM t WHERE (a, b) IN (";
        for (int k = 0; k < 500 + i % 7; ++k) {
            text += (k ? ", (" : "(") + std::to_string(i * 1000 - k * 37) + ", '" +
                    std::to_string(k) + "')";
        }
        CHECK(f.classify(text + ")").is_read);
    }
    CHECK(f.classifier.cache_size() <= 2);
    CHECK(f.classifier.hits() >= 998);
}

TEST_CASE("a shape is asked of the grammar once") {
    Fixture f;
    CHECK(f.classify("SELECT 1").is_read);
    CHECK(f.classify("select 2").is_read);
    CHECK(f.classifier.misses() == 1);
    CHECK(f.classifier.hits() == 1);
}

TEST_CASE("hints reach the verdict, known shape or not, and decide about nothing") {
    Fixture f;
    CHECK(f.classify("select 1").hints == Hints{});
    const Verdict primary = f.classify("/* pgweir: primary */ select 2");
    CHECK(primary.hints.route == RouteHint::Primary);
    CHECK(primary.is_read);
    CHECK(f.classifier.misses() == 1);
    CHECK(f.classify("select 3").hints == Hints{});
    const Verdict write = f.classify("/* pgweir: replica */ delete from t");
    CHECK(write.hints.route == RouteHint::Replica);
    CHECK_FALSE(write.is_read);
    CHECK(f.classify("/* pgweir: nonsense */ select 1").hints.is_wrong);
    CHECK(f.classify("/* pgweir: primary */ ;").hints.route == RouteHint::Primary);
    CHECK(f.classify("/* pgweir: primary */ select '").hints.route == RouteHint::Primary);
}

TEST_CASE("a verdict is of one snapshot of the catalog") {
    Fixture f;
    const std::string text = "SELECT discount(1)";
    CHECK(f.classify(text).is_read);
    auto rows = sample_rows();
    rows.push_back({'f', "discount", false});
    const Catalog later(2, rows);
    CHECK(f.classifier.classify({.text = text, .catalog = &later}).reason ==
          Reason::VolatileFunction);
    CHECK(f.classifier.classify({.text = text}).reason == Reason::NoCatalog);
    // Another database's snapshot, used by turns.
    CHECK(f.classify(text).is_read);
    CHECK(f.classifier.misses() == 3);
}

TEST_CASE("what a standby refused is no read until the catalog changes") {
    Fixture f;
    const Classifier::Question question{.text = "SELECT stable_fn(1)", .catalog = &f.catalog};
    CHECK(f.classifier.classify(question).is_read);
    f.classifier.learn_write(question);
    const Verdict learned = f.classify("select stable_fn(2)");
    CHECK_FALSE(learned.is_read);
    CHECK(learned.reason == Reason::Learned);
    CHECK(f.classifier.explain(question).verdict.reason == Reason::Learned);
    CHECK(f.classifier.explain(question).words.size() == 1);
    REQUIRE(f.classifier.top_shapes(10).size() == 1);
    CHECK(f.classifier.top_shapes(10)[0].retries == 1);
    const Catalog later(2, sample_rows());
    CHECK(f.classifier.classify({.text = "SELECT stable_fn(1)", .catalog = &later}).is_read);
    // What was never asked can be learned, too; what can't be remembered is not.
    f.classifier.learn_write({.text = "SELECT upper('x')", .catalog = &f.catalog});
    CHECK(f.classify("SELECT upper('y')").reason == Reason::Learned);
    f.classifier.learn_write({.text = "", .catalog = &f.catalog});
    f.classifier.learn_write({.text = "select '", .catalog = &f.catalog});
    CHECK(f.classify("").reason == Reason::Empty);
}

TEST_CASE("without a catalog only what is not PostgreSQL's own may leave state") {
    Classifier classifier({}, kSeed);
    const auto leaves_state = [&](const char* text) {
        return classifier.classify({.text = text}).leaves_state;
    };
    CHECK_FALSE(leaves_state("SELECT lower(a), count(*), now(), random() FROM t"));
    CHECK_FALSE(leaves_state("SELECT pg_backend_pid(), currval('s')"));
    CHECK(leaves_state("SELECT my_function(1)"));
    CHECK(leaves_state("SELECT nextval('s')"));
    CHECK(leaves_state("SELECT pg_advisory_lock(1)"));
}

TEST_CASE("a text ends at its first zero byte") {
    Fixture f;
    CHECK(f.classify(std::string("SELECT 1\0; DELETE FROM t", 24)).is_read);
    CHECK(f.classify(std::string("SELECT '\0'", 10)).reason == Reason::NotParsed);
    CHECK(f.classify(std::string("\0DELETE FROM t", 14)).reason == Reason::Empty);
}

TEST_CASE("the cache stays within its bytes, and what is used stays in it") {
    Catalog catalog(1, sample_rows());
    const ClassifierLimits limits{.cache_bytes_max = 64U << 10};
    Classifier classifier(limits, kSeed);
    const Classifier::Question used{.text = "SELECT a FROM t", .catalog = &catalog};
    for (int i = 0; i < 5000; ++i) {
        const std::string text = "SELECT column_" + std::to_string(i) + " FROM t";
        CHECK(classifier.classify({.text = text, .catalog = &catalog}).is_read);
        classifier.classify(used);
    }
    CHECK(classifier.cache_bytes() <= limits.cache_bytes_max);
    CHECK(classifier.cache_size() > 500);
    CHECK(classifier.cache_size() < 5000);
    // Evictions of its neighbours now and then take it, too.
    CHECK(classifier.hits() > 4900);
}

TEST_CASE("a cache without room still gives verdicts") {
    Catalog catalog(1, sample_rows());
    Classifier classifier({.cache_bytes_max = 0}, kSeed);
    for (int i = 0; i < 100; ++i) {
        const std::string text = "SELECT column_" + std::to_string(i) + " FROM t";
        CHECK(classifier.classify({.text = text, .catalog = &catalog}).is_read);
    }
    CHECK(classifier.cache_size() <= 8);
}

TEST_CASE("the busiest shapes are known by their texts") {
    Fixture f;
    for (int i = 0; i < 1000; ++i) {
        f.classify("SELECT column_" + std::to_string(i) + " FROM t");
        f.classify("SELECT a FROM t WHERE b = " + std::to_string(i));
        if (i % 2 == 0) f.classify("DELETE FROM t WHERE b = " + std::to_string(i));
    }
    const auto top = f.classifier.top_shapes(2);
    REQUIRE(top.size() == 2);
    CHECK(top[0].shape == "select a from t where b = ?");
    CHECK(top[0].statements == 1000);
    CHECK(top[0].verdict.is_read);
    CHECK(top[1].shape == "delete from t where b = ?");
    CHECK(top[1].statements == 500);
    CHECK(top[1].verdict.reason == Reason::DataModification);
    CHECK(f.classifier.top_shapes(1000).size() == 200);
    CHECK(f.classifier.top_shapes(0).empty());
    // One that comes late comes in all the same.
    for (int i = 0; i < 2000; ++i) f.classify("SELECT late FROM t");
    CHECK(f.classifier.top_shapes(1)[0].shape == "select late from t");
    for (const ShapeCount& it : f.classifier.top_shapes(1000)) CHECK(it.shape.size() <= 200);
}

TEST_CASE("an explanation says why, for people") {
    Fixture f;
    const Explanation it = f.classifier.explain(
        {.text = "SELECT nextval('seq'), * FROM nowhere FOR UPDATE", .catalog = &f.catalog});
    CHECK(it.shape == "select nextval(?), * from nowhere for update");
    CHECK(it.words == std::vector<std::string>{"calls nextval(), which is volatile",
                                               "reads nowhere, which the catalog does not know",
                                               "locks rows"});
    CHECK(it.verdict.reason == Reason::RowLock);
    CHECK(f.classifier.explain({.text = "selec"}).words ==
          std::vector<std::string>{"PostgreSQL's grammar does not take it"});
    CHECK(f.classifier.explain({.text = "select f()"}).words ==
          std::vector<std::string>{"calls f(), and the catalog is not known"});
    CHECK(f.classifier.cache_size() == 0);
}

TEST_CASE("what is said to pgweir is read from the text") {
    struct Case {
        const char* text;
        OwnSetting setting;
    };
    const Case cases[] = {
        {"SET pgweir.consistency = 'strong'", {OwnCommand::Set, "consistency", "strong", false}},
        {"set PGWEIR.Consistency to Strong;", {OwnCommand::Set, "consistency", "strong", false}},
        {"SET LOCAL pgweir.route = primary", {OwnCommand::Set, "route", "primary", true}},
        {"SET SESSION pgweir.token = '0/1A''b'", {OwnCommand::Set, "token", "0/1A'b", false}},
        {"SET pgweir.x = E'a\\nb'", {OwnCommand::Set, "x", "a\nb", false}},
        {"SET pgweir.x = $$a$$", {OwnCommand::Set, "x", "a", false}},
        {"SET pgweir.x = 12, 'b', -1.5, on, true",
         {OwnCommand::Set, "x", "12, b, -1.5, on, true", false}},
        {"SET pgweir.x = 0", {OwnCommand::Set, "x", "0", false}},
        {"SET pgweir.x = ''", {OwnCommand::Set, "x", "", false}},
        {"SET pgweir.x TO DEFAULT", {OwnCommand::Reset, "x", "", false}},
        {"RESET pgweir.x", {OwnCommand::Reset, "x", "", false}},
        {"SHOW pgweir.x", {OwnCommand::Show, "x", "", false}},
        {"SET search_path = a", {}},
        {"SELECT 1", {}},
        {"SET pgweir.x = 1; SELECT 1", {}},
        {"SET 'pgweir.x' = 1", {}},
        {"", {}},
        {"'", {}},
    };
    Classifier classifier({}, kSeed);
    for (const Case& it : cases) {
        CAPTURE(it.text);
        const OwnSetting setting = Classifier::own_setting(it.text);
        CHECK(setting.command == it.setting.command);
        CHECK(setting.name == it.setting.name);
        CHECK(setting.value == it.setting.value);
        CHECK(setting.is_local == it.setting.is_local);
        CHECK(classifier.classify({.text = it.text}).own == it.setting.command);
    }
}

TEST_CASE("encodings in which a byte may look like ASCII are told apart") {
    for (const char* name : {"UTF8", "SQL_ASCII", "LATIN1", "EUC_JP", "WIN1252", ""}) {
        CHECK(Classifier::is_ascii_transparent(name));
    }
    for (const char* name : {"SJIS", "sjis", "Shift_JIS", "BIG5", "GBK", "GB18030", "UHC", "JOHAB",
                             "SHIFT_JIS_2004"}) {
        CHECK_FALSE(Classifier::is_ascii_transparent(name));
    }
}

TEST_CASE("no text crashes or takes long") {
    Fixture f;
    for (const std::string& text : {
             repeated("(", 65536),
             "select " + repeated("(", 30000) + "1" + repeated(")", 30000),
             "select " + repeated("(", 700) + "1" + repeated(")", 700),
             "select " + repeated("(select ", 2000) + "1" + repeated(")", 2000),
             "select 1" + repeated("+1", 30000),
             "select " + repeated("- ", 4900) + "a",
             "select " + repeated("not ", 4900) + "a",
             "select " + repeated("not ", 60000) + "a",
             "select a" + repeated("::b", 2000),
             "select a" + repeated(" union table t", 4000),
             "select * from t" + repeated(" join u on a", 1200),
             "select " + repeated("case when a then ", 1000) + "1" + repeated(" end", 1000),
             repeated("select 1;", 7000),
             repeated(";", 1000000),
             repeated("/*", 500000),
             repeated("'", 65535),
             repeated("$a$b", 16000),
             repeated("\xff\xfe", 30000),
             "select '" + repeated("\xff", 30000) + "'",
             "select \"" + repeated("\xc3\x28", 100) + "\"",
             repeated("x", 2000000),
             "select " + repeated("a.", 2400) + "b",
         }) {
        CAPTURE(text.substr(0, 40));
        const Verdict verdict = f.classify(text);
        if (!verdict.is_read) CHECK(verdict.reason != Reason::None);
        f.classifier.explain({.text = text, .catalog = &f.catalog});
        Classifier::own_setting(text.substr(0, 5000));
    }
    CHECK(f.classify("select " + repeated("not ", 4900) + "a").reason == Reason::NotParsed);
    CHECK(f.classify("select " + repeated("not ", 400) + "a").is_read);
}

TEST_CASE("a long text of short shape has its shape's verdict") {
    Fixture f;
    const std::string rows = repeated("(1, 'abc', NULL), ", 40000) + "(2, 'x', 3)";
    CHECK(f.classify("INSERT INTO t VALUES " + rows).reason == Reason::DataModification);
    CHECK(f.classify("VALUES " + rows).is_read);
    CHECK(f.classify("SELECT * FROM t WHERE a IN (" + repeated("'x', ", 20000) + "'y')").is_read);
    CHECK(f.classify("SELECT '" + repeated("x", 100000) + "', nextval('seq')").reason ==
          Reason::VolatileFunction);
    const std::string too_long = "SELECT '" + repeated("x", 1U << 20) + "'";
    CHECK(f.classify(too_long).reason == Reason::NotParsed);
    CHECK(f.classifier.explain({.text = too_long}).words ==
          std::vector<std::string>{"is too long to look at"});
}

TEST_CASE("several threads, each with a classifier of its own, come to the same verdicts") {
    const Catalog catalog(1, sample_rows());
    std::vector<int> reads(4);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < reads.size(); ++i) {
        threads.emplace_back([&, i] {
            Classifier classifier({}, i);
            for (int k = 0; k < 500; ++k) {
                const std::string column = "column_" + std::to_string(k);
                const std::string texts[] = {"SELECT " + column + " FROM t",
                                             "SELECT " + column + " FROM t FOR UPDATE",
                                             "SELECT FROM WHERE " + column};
                for (const std::string& text : texts) {
                    if (classifier.classify({.text = text, .catalog = &catalog}).is_read) {
                        ++reads[i];
                    }
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (const int n : reads) CHECK(n == 500);
}

TEST_CASE("the catalog knows names by kind, and one unsafe of a name is enough") {
    const Catalog catalog(3, sample_rows());
    CHECK(catalog.generation() == 3);
    CHECK(catalog.size() == sample_rows().size());
    CHECK(catalog.function("lower") == Standing::Harmless);
    CHECK(catalog.function("Lower") == Standing::Unknown);
    CHECK(catalog.function("nextval") == Standing::Unsafe);
    CHECK(catalog.function("overloaded") == Standing::Unsafe);
    CHECK(catalog.function("pg_backend_pid") == Standing::Local);
    CHECK(catalog.function("t") == Standing::Unknown);
    CHECK(catalog.relation("t") == Standing::Harmless);
    CHECK(catalog.relation("unlogged") == Standing::Unsafe);
    CHECK(catalog.relation("pg_stat_activity") == Standing::Local);
    CHECK(catalog.relation("lower") == Standing::Unknown);
    CHECK(catalog.op("=") == Standing::Harmless);
    CHECK(catalog.op("<->!") == Standing::Unsafe);
    CHECK(catalog.op("") == Standing::Unknown);
    CHECK(catalog.type("text") == Standing::Harmless);
    CHECK(catalog.type("bad_domain") == Standing::Unsafe);
    CHECK(catalog.bytes() < 40 * catalog.size());
    CHECK(Catalog(1, {}).function("lower") == Standing::Unknown);
}

TEST_CASE("the catalog's query does not depend on anybody's search_path") {
    const std::string query(catalog_query());
    for (const char* unqualified : {" = ", " || ", " ~ ", " && ", " >= ", " in (", "using ("}) {
        CHECK(query.find(unqualified) == std::string::npos);
    }
    CHECK(query.find('$') == query.find("$libdir"));
    CHECK(query.back() != ';');
}

}  // namespace pgweir::sql
