// SPDX-License-Identifier: PostgreSQL
// The table of run-time parameters that the simulated PostgreSQL 15 knows.
#include "sim/pg_settings.h"

#include <algorithm>
#include <cctype>

namespace pgweir::sim {
namespace {

struct Known {
    std::string_view name;
    std::string_view fallback;
    bool reported;
    bool settable;
};

// Protocol, "Asynchronous Operations": the list of parameters that PostgreSQL 15 reports.
constexpr std::array<Known, PgSettings::kCount> kKnown{{
    {"server_version", "15.7", true, false},
    {"server_encoding", "UTF8", true, false},
    {"client_encoding", "UTF8", true, true},
    {"application_name", "", true, true},
    {"is_superuser", "off", true, false},
    {"session_authorization", "", true, false},
    {"DateStyle", "ISO, MDY", true, true},
    {"IntervalStyle", "postgres", true, true},
    {"TimeZone", "Etc/UTC", true, true},
    {"integer_datetimes", "on", true, false},
    {"standard_conforming_strings", "on", true, true},
    {"default_transaction_read_only", "off", true, true},
    {"in_hot_standby", "off", true, false},
    {"search_path", "\"$user\", public", false, true},
    {"statement_timeout", "0", false, true},
    {"work_mem", "4MB", false, true},
    {"extra_float_digits", "1", false, true},
    {"lock_timeout", "0", false, true},
    {"idle_in_transaction_session_timeout", "0", false, true},
}};

std::string folded(std::string_view text) {
    std::string lower(text);
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return lower;
}

std::optional<std::string> one_of(const std::string& value,
                                  std::initializer_list<std::string_view> allowed) {
    for (const std::string_view one : allowed) {
        if (folded(one) == value) return std::string(one);
    }
    return std::nullopt;
}

std::optional<std::string> boolean(const std::string& value) {
    if (value == "on" || value == "true" || value == "1" || value == "yes") return "on";
    if (value == "off" || value == "false" || value == "0" || value == "no") return "off";
    return std::nullopt;
}

std::optional<std::string> date_style(const std::string& value) {
    if (value == "iso" || value == "iso, mdy" || value == "iso,mdy") return "ISO, MDY";
    if (value == "iso, dmy" || value == "iso,dmy") return "ISO, DMY";
    if (value == "sql" || value == "sql, mdy") return "SQL, MDY";
    if (value == "german" || value == "german, dmy") return "German, DMY";
    return std::nullopt;
}

}  // namespace

PgSettings::PgSettings() {
    for (std::size_t i = 0; i < kCount; ++i) defaults_[i] = kKnown[i].fallback;
    now_ = session_ = at_start_ = defaults_;
}

std::optional<std::size_t> PgSettings::find(std::string_view name) {
    const auto same = [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) ==
               std::tolower(static_cast<unsigned char>(b));
    };
    for (std::size_t i = 0; i < kCount; ++i) {
        const std::string_view known = kKnown[i].name;
        if (known.size() == name.size() &&
            std::equal(known.begin(), known.end(), name.begin(), same)) {
            return i;
        }
    }
    return std::nullopt;
}

std::string_view PgSettings::proper_name(std::string_view name) {
    const auto index = find(name);
    return index ? kKnown[*index].name : name;
}

std::optional<std::string> PgSettings::canonical(std::size_t index, std::string_view value) {
    const std::string_view name = kKnown[index].name;
    const std::string lower = folded(value);
    if (name == "client_encoding") {
        if (lower == "utf-8" || lower == "unicode") return "UTF8";
        return one_of(lower, {"UTF8", "LATIN1", "SQL_ASCII", "WIN1252"});
    }
    if (name == "DateStyle") return date_style(lower);
    if (name == "IntervalStyle") {
        return one_of(lower, {"postgres", "postgres_verbose", "sql_standard", "iso_8601"});
    }
    if (name == "standard_conforming_strings" || name == "default_transaction_read_only") {
        return boolean(lower);
    }
    if (name == "TimeZone") {
        if (value.empty() || folded(value) == "nowhere") return std::nullopt;
        return std::string(value);
    }
    if (name == "application_name") return std::string(value.substr(0, 63));
    return std::string(value);
}

SettingVerdict PgSettings::start_with(std::string_view name, std::string_view value) {
    const auto index = find(name);
    if (!index) return SettingVerdict::Unknown;
    if (!kKnown[*index].settable && kKnown[*index].name != "session_authorization") {
        return SettingVerdict::ReadOnly;
    }
    const auto good = canonical(*index, value);
    if (!good) return SettingVerdict::Invalid;
    defaults_[*index] = now_[*index] = session_[*index] = at_start_[*index] = *good;
    return SettingVerdict::Ok;
}

SettingVerdict PgSettings::set(std::string_view name, std::string_view value) {
    const SettingVerdict verdict = set_local(name, value);
    if (verdict == SettingVerdict::Ok) session_[*find(name)] = now_[*find(name)];
    return verdict;
}

SettingVerdict PgSettings::set_local(std::string_view name, std::string_view value) {
    const auto index = find(name);
    if (!index) return SettingVerdict::Unknown;
    if (!kKnown[*index].settable) return SettingVerdict::ReadOnly;
    const auto good = canonical(*index, value);
    if (!good) return SettingVerdict::Invalid;
    now_[*index] = *good;
    return SettingVerdict::Ok;
}

SettingVerdict PgSettings::reset(std::string_view name) {
    const auto index = find(name);
    if (!index) return SettingVerdict::Unknown;
    if (!kKnown[*index].settable) return SettingVerdict::ReadOnly;
    now_[*index] = session_[*index] = defaults_[*index];
    return SettingVerdict::Ok;
}

void PgSettings::reset_all() {
    for (std::size_t i = 0; i < kCount; ++i) {
        if (kKnown[i].settable) now_[i] = session_[i] = defaults_[i];
    }
}

std::optional<std::string> PgSettings::show(std::string_view name) const {
    const auto index = find(name);
    if (!index) return std::nullopt;
    return now_[*index];
}

void PgSettings::set_hot_standby(bool is_standby) {
    static const std::size_t kIndex = *find("in_hot_standby");
    const std::string_view value = is_standby ? "on" : "off";
    if (now_[kIndex] == value) return;
    now_[kIndex] = session_[kIndex] = at_start_[kIndex] = defaults_[kIndex] = value;
}

bool PgSettings::defaults_to_read_only() const {
    static const std::size_t kIndex = *find("default_transaction_read_only");
    return now_[kIndex] == "on";
}

void PgSettings::report(Bytes& out) {
    for (std::size_t i = 0; i < kCount; ++i) {
        if (!kKnown[i].reported || (told_anything_ && told_[i] == now_[i])) continue;
        MessageWriter(out, 'S').text(kKnown[i].name).text(now_[i]);
        told_[i] = now_[i];
    }
    told_anything_ = true;
}

std::string_view PgSettings::told_wrong(const Values& told) const {
    for (std::size_t i = 0; i < kCount; ++i) {
        if (kKnown[i].reported && told[i] != now_[i]) return kKnown[i].name;
    }
    return {};
}

}  // namespace pgweir::sim
