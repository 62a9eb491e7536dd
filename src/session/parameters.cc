// SPDX-License-Identifier: PostgreSQL
#include "pgweir/session/parameters.h"

#include <algorithm>
#include <array>

#include "pgweir/session/statements.h"
#include "pgweir/sql/classifier.h"

namespace pgweir::session {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int compare_names(std::string_view a, std::string_view b) {
    const std::size_t common = std::min(a.size(), b.size());
    for (std::size_t i = 0; i < common; ++i) {
        const char x = lower(a[i]);
        const char y = lower(b[i]);
        if (x != y) return x < y ? -1 : 1;
    }
    if (a.size() == b.size()) return 0;
    return a.size() < b.size() ? -1 : 1;
}

// An escape string constant (E'…'): the same text whatever standard_conforming_strings says.
void append_literal(std::string& sql, std::string_view text) {
    sql += "E'";
    for (char c : text) {
        if (c == '\'' || c == '\\') sql += c;
        sql += c;
    }
    sql += '\'';
}

// set_config takes list-valued parameters (search_path) as one text, which SET does not.
void append_set(std::string& sql, const Parameter& parameter) {
    sql += "SELECT pg_catalog.set_config(";
    append_literal(sql, parameter.name);
    sql += ',';
    append_literal(sql, parameter.value);
    sql += ",false);";
}

void append_reset(std::string& sql, std::string_view name) {
    sql += "RESET \"";
    bool first_part = true;
    for (char c : name) {
        // A dotted name is two identifiers.
        if (c == '.' && first_part) {
            sql += "\".\"";
            first_part = false;
            continue;
        }
        if (c == '"') sql += '"';
        sql += c;
    }
    sql += "\";";
}

}  // namespace

bool same_parameter_name(std::string_view a, std::string_view b) {
    return compare_names(a, b) == 0;
}

bool is_fixed_parameter(std::string_view name) {
    static constexpr std::array<std::string_view, 7> kFixed = {
        "server_version",        "server_encoding", "integer_datetimes", "is_superuser",
        "session_authorization", "in_hot_standby",  "scram_iterations"};
    return std::any_of(kFixed.begin(), kFixed.end(),
                       [name](std::string_view fixed) { return same_parameter_name(fixed, name); });
}

const Parameter* ParameterSet::find(std::string_view name) const {
    auto at = std::lower_bound(
        parameters_.begin(), parameters_.end(), name,
        [](const Parameter& p, std::string_view n) { return compare_names(p.name, n) < 0; });
    return at != parameters_.end() && same_parameter_name(at->name, name) ? &*at : nullptr;
}

TextRules ParameterSet::find_text_rules() const {
    auto is = [this](std::string_view name, std::string_view value) {
        const Parameter* known = find(name);
        return known != nullptr && known->value == value;
    };
    const Parameter* encoding = find("client_encoding");
    return {.standard_conforming_strings = !is("standard_conforming_strings", "off"),
            .is_ascii_transparent =
                encoding == nullptr || sql::Classifier::is_ascii_transparent(encoding->value),
            .default_read_only = is("default_transaction_read_only", "on")};
}

void ParameterSet::put(std::string_view name, std::string_view value, bool is_reported) {
    text_rules_.reset();
    auto at = std::lower_bound(
        parameters_.begin(), parameters_.end(), name,
        [](const Parameter& p, std::string_view n) { return compare_names(p.name, n) < 0; });
    if (at != parameters_.end() && same_parameter_name(at->name, name)) {
        at->value = value;
        at->is_reported = at->is_reported || is_reported;
        return;
    }
    parameters_.insert(at, Parameter{std::string(name), std::string(value), is_reported});
}

void ParameterSet::remove(std::string_view name) {
    text_rules_.reset();
    std::erase_if(parameters_,
                  [name](const Parameter& p) { return same_parameter_name(p.name, name); });
}

void ParameterSet::doubt_own() {
    for (Parameter& parameter : parameters_) {
        // No value of PostgreSQL's has a zero byte.
        if (!parameter.is_reported) parameter.value.assign(1, '\0');
    }
}

std::uint64_t ParameterSet::hash() const {
    std::uint64_t hash = parameters_.size();
    for (const Parameter& parameter : parameters_) {
        hash = statement_hash(as_bytes(parameter.name), hash);
        hash = statement_hash(as_bytes(parameter.value), hash);
    }
    return hash;
}

ParameterDirectory::ParameterDirectory() : empty_(std::make_shared<const ParameterSet>()) {}

ParametersRef ParameterDirectory::intern(ParameterSet set) {
    if (set.empty()) return empty_;
    const std::uint64_t hash = set.hash();
    auto [first, last] = sets_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
        if (auto known = it->second.lock(); known != nullptr && *known == set) return known;
    }
    if (sets_.size() >= sweep_at_) {
        std::erase_if(sets_, [](const auto& entry) { return entry.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, sets_.size() * 2);
    }
    auto interned = std::make_shared<const ParameterSet>(std::move(set));
    sets_.emplace(hash, interned);
    return interned;
}

std::string settings_difference(const ParameterSet& actual, const ParameterSet& wanted) {
    std::string sql;
    const Parameter* encoding = wanted.find("client_encoding");
    if (encoding != nullptr) {
        const Parameter* now = actual.find("client_encoding");
        if (now == nullptr || now->value != encoding->value) append_set(sql, *encoding);
    }
    for (const Parameter& parameter : actual.all()) {
        if (!parameter.is_reported && wanted.find(parameter.name) == nullptr) {
            append_reset(sql, parameter.name);
        }
    }
    for (const Parameter& parameter : wanted.all()) {
        if (is_fixed_parameter(parameter.name) || &parameter == encoding) continue;
        const Parameter* now = actual.find(parameter.name);
        if (now == nullptr || now->value != parameter.value) append_set(sql, parameter);
    }
    return sql;
}

}  // namespace pgweir::session
