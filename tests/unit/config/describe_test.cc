// SPDX-License-Identifier: PostgreSQL
#include "pgweir/config/describe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "pgweir/config/toml_reader.h"

using namespace pgweir;
using namespace pgweir::config;

namespace {

std::string file_text(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE_MESSAGE(in.good(), path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

// The sample with every option set to what it shows.
std::string uncommented(const std::string& sample) {
    std::istringstream in(sample);
    std::string out;
    for (std::string line; std::getline(in, line);) {
        const bool is_prose = line.starts_with("# ") || line == "#";
        out += (line.starts_with("#") && !is_prose ? line.substr(1) : line) + "\n";
    }
    return out;
}

const ConfigRow& row_of(const std::vector<ConfigRow>& rows, const std::string& key) {
    const auto at =
        std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.key == key; });
    REQUIRE_MESSAGE(at != rows.end(), key);
    return *at;
}

}  // namespace

TEST_CASE("etc/pgweir.toml is what the options say (pgweir --sample > etc/pgweir.toml)") {
    CHECK(file_text(PGWEIR_TEST_DATA "/../../../etc/pgweir.toml") == sample_file());
}

TEST_CASE("the sample as it is changes nothing") {
    const auto settings = read_toml(sample_file(), "etc/pgweir.toml");
    CHECK(settings->databases().empty());
    CHECK(settings->users().empty());
    CHECK(settings->hba.empty());
    for (const OptionGroup* section : settings->sections()) {
        for (const OptionBase* option : section->options()) CHECK(!option->is_set());
    }
}

TEST_CASE("what the sample shows as a default is the default") {
    // Without the sections of the examples, whose options exclude each other.
    const std::string sample = sample_file();
    const std::string text = uncommented(sample.substr(0, sample.find("\n# One section for each")));
    const Settings defaults;
    auto settings = std::make_unique<Settings>();
    try {
        settings = read_toml(text, "sample");
    } catch (const ConfigError& error) {
        // auth_query without auth_user: read all the same, refused by the check at the end.
        CHECK(error.sentence() == "auth_query needs auth_user, as whom it runs");
        const std::string with_user =
            text.substr(0, text.find("auth_user = \"\"")) + "auth_user = \"a\"" +
            text.substr(text.find("auth_user = \"\"") + std::string("auth_user = \"\"").size());
        settings = read_toml(with_user, "sample");
    }
    const auto was = defaults.sections();
    const auto is = settings->sections();
    for (std::size_t i = 0; i < was.size(); ++i) {
        for (std::size_t k = 0; k < was[i]->options().size(); ++k) {
            const OptionBase& option = *is[i]->options()[k];
            CAPTURE(option.name());
            CHECK(option.is_set());
            if (option.name() != "auth_user") CHECK(option.same_as(*was[i]->options()[k]));
        }
    }
}

TEST_CASE("the sample's lines fit a screen") {
    std::istringstream in(sample_file());
    for (std::string line; std::getline(in, line);) {
        CAPTURE(line);
        const bool is_prose = line.starts_with("# ");
        if (is_prose) CHECK(line.size() <= 98);
        CHECK((line.empty() || line.back() != ' '));
    }
}

TEST_CASE("SHOW CONFIG says what holds, what the default is, and whether a reload changes it") {
    Settings settings;
    settings.limits.default_pool_size.assign(7);
    const auto rows = config_rows(settings);
    CHECK(row_of(rows, "default_pool_size").value == "7");
    CHECK(row_of(rows, "default_pool_size").fallback == "20");
    CHECK(row_of(rows, "default_pool_size").changeable == "yes");
    CHECK(row_of(rows, "listen").value == "127.0.0.1:6432");
    CHECK(row_of(rows, "listen").changeable == "no");
    CHECK(row_of(rows, "query_wait_timeout").value == "2min");
}

TEST_CASE("SHOW CONFIG has a row for each option of the whole process, and no secret") {
    Settings settings;
    settings.add_database("app").url.assign("postgres://u:hunter2@h/d");
    settings.add_user("alice").password.assign("hunter2");
    std::size_t options = 0;
    for (const OptionGroup* section : settings.sections()) options += section->options().size();
    const auto rows = config_rows(settings);
    CHECK(rows.size() == options);
    for (const ConfigRow& row : rows) {
        CHECK(row.value.find("hunter2") == std::string::npos);
        CHECK(row.fallback.find("hunter2") == std::string::npos);
    }
}
