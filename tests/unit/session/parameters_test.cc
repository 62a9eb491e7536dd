// SPDX-License-Identifier: PostgreSQL
// What follows a client from server to server, and the SQL that brings it there.
#include "pgweir/session/parameters.h"

#include <doctest/doctest.h>

namespace pgweir::session {

namespace {
ParameterSet reported(std::initializer_list<std::pair<const char*, const char*>> list) {
    ParameterSet set;
    for (const auto& [name, value] : list) set.put(name, value, true);
    return set;
}
ParameterSet own(std::initializer_list<std::pair<const char*, const char*>> list) {
    ParameterSet set;
    for (const auto& [name, value] : list) set.put(name, value, false);
    return set;
}
}  // namespace

TEST_CASE("names are equal without regard to case") {
    CHECK(same_parameter_name("DateStyle", "datestyle"));
    CHECK_FALSE(same_parameter_name("datestyle", "datestyl"));
    ParameterSet set = reported({{"DateStyle", "ISO, MDY"}});
    set.put("datestyle", "German, DMY", false);
    REQUIRE(set.all().size() == 1);
    CHECK(set.find("DATESTYLE")->value == "German, DMY");
    CHECK(set.find("DATESTYLE")->is_reported);
    set.remove("dateStyle");
    CHECK(set.empty());
}

TEST_CASE("equal sets are one object, whatever the order in which they were made") {
    ParameterDirectory directory;
    const ParametersRef one = directory.intern(reported({{"a", "1"}, {"b", "2"}}));
    const ParametersRef same = directory.intern(reported({{"b", "2"}, {"a", "1"}}));
    const ParametersRef other = directory.intern(reported({{"a", "1"}, {"b", "3"}}));
    CHECK(one == same);
    CHECK(one != other);
    CHECK(directory.intern(ParameterSet{}) == directory.empty_set());
    // Who has set it is a part of the set: it decides who resets it.
    CHECK(directory.intern(own({{"a", "1"}, {"b", "2"}})) != one);
}

TEST_CASE("sets that nobody holds are forgotten") {
    ParameterDirectory directory;
    const ParametersRef kept = directory.intern(reported({{"a", "kept"}}));
    for (int i = 0; i < 1000; ++i) {
        directory.intern(reported({{"a", std::to_string(i).c_str()}}));
    }
    CHECK(directory.intern(reported({{"a", "kept"}})) == kept);
}

TEST_CASE("nothing is asked of a server that is as it should be") {
    CHECK(settings_difference({}, {}).empty());
    const ParameterSet set = reported({{"TimeZone", "UTC"}});
    CHECK(settings_difference(set, set).empty());
    // What the server is can't be set.
    CHECK(settings_difference(reported({{"server_version", "14"}, {"in_hot_standby", "on"}}),
                              reported({{"server_version", "15"}, {"in_hot_standby", "off"}}))
              .empty());
}

TEST_CASE("what differs is set, and only that") {
    CHECK(settings_difference(reported({{"TimeZone", "UTC"}, {"DateStyle", "ISO"}}),
                              reported({{"TimeZone", "Asia/Tokyo"}, {"DateStyle", "ISO"}})) ==
          "SELECT pg_catalog.set_config(E'TimeZone',E'Asia/Tokyo',false);");
}

TEST_CASE("what another client had set is reset, what the server reports is not") {
    CHECK(settings_difference(own({{"search_path", "evil"}}), {}) == "RESET \"search_path\";");
    CHECK(settings_difference(reported({{"application_name", "x"}}), {}).empty());
    CHECK(settings_difference(own({{"my.option", "1"}}), {}) == "RESET \"my\".\"option\";");
}

TEST_CASE("the encoding comes first, as the texts behind it are written in it") {
    const std::string sql =
        settings_difference(reported({{"application_name", "a"}, {"client_encoding", "UTF8"}}),
                            reported({{"application_name", "b"}, {"client_encoding", "LATIN1"}}));
    CHECK(sql ==
          "SELECT pg_catalog.set_config(E'client_encoding',E'LATIN1',false);"
          "SELECT pg_catalog.set_config(E'application_name',E'b',false);");
}

TEST_CASE("no value leaves its quotes") {
    struct Row {
        const char* value;
        const char* literal;
    };
    for (const Row& row : {Row{"it's", "E'it''s'"}, Row{"\\", "E'\\\\'"}, Row{"\\'", "E'\\\\'''"},
                           Row{"'; DROP TABLE t; --", "E'''; DROP TABLE t; --'"}, Row{"", "E''"},
                           Row{"\"$user\", public", "E'\"$user\", public'"}}) {
        CAPTURE(row.value);
        CHECK(settings_difference({}, own({{"x", row.value}})) ==
              std::string("SELECT pg_catalog.set_config(E'x',") + row.literal + ",false);");
    }
}

TEST_CASE("no name leaves its quotes") {
    CHECK(settings_difference({}, own({{"a');--", "1"}})) ==
          "SELECT pg_catalog.set_config(E'a'');--',E'1',false);");
    CHECK(settings_difference(own({{"a\"; DROP TABLE t; --", "1"}}), {}) ==
          "RESET \"a\"\"; DROP TABLE t; --\";");
}

}  // namespace pgweir::session
