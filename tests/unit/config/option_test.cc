// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/option.h"

#include <doctest/doctest.h>

using namespace pgweir;
using namespace pgweir::config;

namespace {

struct Group : OptionGroup {
    Group() : OptionGroup("group") {}

    Option<Count> size{this, {.name = "size", .fallback = 20, .min = 1, .max = 100, .doc = "A."}};
    Option<std::string> secret{
        this, {.name = "secret", .reload = Reload::Restart, .secret = true, .doc = "B."}};
    Option<Duration> wait{this, {.name = "wait", .min = Duration::seconds(1), .doc = "C."}};
};

}  // namespace

TEST_CASE("an option describes itself, and its group knows it in order of declaration") {
    Group group;
    REQUIRE(group.options().size() == 3);
    CHECK(group.options()[0]->name() == "size");
    CHECK(group.options()[0]->show_default() == "20");
    CHECK(group.options()[0]->show_limits() == "1 to 100");
    CHECK(group.options()[1]->is_secret());
    CHECK(group.options()[1]->reload() == Reload::Restart);
    CHECK(group.options()[2]->doc() == "C.");
    CHECK(group.options()[2]->show_limits() == "at least 1s");
    CHECK(group.find("secret") == &group.secret);
    CHECK(group.find("sizes") == nullptr);
}

TEST_CASE("an option that is not set has its default") {
    Group group;
    CHECK(group.size() == 20);
    CHECK(!group.size.is_set());
    CHECK(group.size.value_or(7) == 7);
    group.size.read(RawValue(std::int64_t{20}), 12);
    CHECK(group.size.is_set());
    CHECK(group.size.line() == 12);
    CHECK(group.size.value_or(7) == 20);
}

TEST_CASE("a value out of range is refused and changes nothing") {
    Group group;
    CHECK_THROWS_WITH_AS(group.size.assign(0), "can't be 0: it must be 1 to 100", ValueError);
    CHECK_THROWS_WITH_AS(group.size.read(RawValue(std::int64_t{101}), 3),
                         "can't be 101: it must be 1 to 100", ValueError);
    CHECK_THROWS_WITH_AS(group.wait.read(RawValue(0.5), 3),
                         "can't be 500ms: it must be at least 1s", ValueError);
    CHECK(group.size() == 20);
    CHECK(!group.size.is_set());
}

TEST_CASE("the limits themselves are allowed") {
    Group group;
    group.size.assign(1);
    CHECK(group.size() == 1);
    group.size.assign(100);
    CHECK(group.size() == 100);
}

TEST_CASE("the same option of two groups can be compared") {
    Group a;
    Group b;
    CHECK(a.size.same_as(b.size));
    b.size.assign(21);
    CHECK(!a.size.same_as(b.size));
    a.size.assign(21);
    CHECK(a.size.same_as(b.size));
}
