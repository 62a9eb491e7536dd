// SPDX-License-Identifier: PostgreSQL
// TOML → Settings. The only file that knows the TOML library.
#include "pgweir/config/toml_reader.h"

#include <algorithm>

// The library asserts that a table header begins with a key, and then handles that it does not:
// "[.a]" must be an error, not the end of the process, in debug builds as in others.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>

#include "config/foreign_names.h"
#include "config/nearest.h"

namespace pgweir::config {
namespace {

using Names = std::vector<std::string_view>;

struct Entry {
    std::string_view key;
    const toml::node* value;
    unsigned line;
};

// In the order of the file, so that the first error is the one that is reported.
std::vector<Entry> entries_of(const toml::table& table) {
    std::vector<Entry> entries;
    for (const auto& [key, value] : table) {
        entries.push_back({key.str(), &value, static_cast<unsigned>(key.source().begin.line)});
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Entry& a, const Entry& b) { return a.line < b.line; });
    return entries;
}

std::string in_quotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

std::string suggestion(std::string_view wrong, const Names& names) {
    const auto close = nearest(wrong, names);
    return close ? "; did you mean " + in_quotes(*close) + "?" : std::string();
}

TextList texts_of(const toml::array& array) {
    TextList texts;
    for (const toml::node& item : array) {
        const auto* text = item.as_string();
        if (text == nullptr) throw ValueError("must be a list of texts only: [\"a\", \"b\"]");
        texts.push_back(text->get());
    }
    return texts;
}

RawValue raw_of(const toml::node& node) {
    if (const auto* value = node.as_boolean()) return value->get();
    if (const auto* value = node.as_integer()) return value->get();
    if (const auto* value = node.as_floating_point()) return value->get();
    if (const auto* value = node.as_string()) return value->get();
    if (const auto* value = node.as_array()) return texts_of(*value);
    throw ValueError(node.is_table() ? "is an option, not a section"
                                     : "must not be a date or a time");
}

class Reader {
 public:
    Reader(std::string_view file, Settings& settings) : file_(file), settings_(settings) {}

    void read(const toml::table& root) {
        for (const Entry& entry : entries_of(root)) read_top(entry);
    }

 private:
    [[noreturn]] void fail(unsigned line, const std::string& sentence) const {
        throw ConfigError(file_, line, sentence);
    }

    void read_top(const Entry& entry) {
        for (OptionGroup* section : settings_.sections()) {
            if (section->section() == entry.key) return read_section(entry, *section);
        }
        if (entry.key == "databases") return read_named(entry, &Settings::add_database);
        if (entry.key == "users") return read_named(entry, &Settings::add_user);
        if (entry.key == "hba") return read_hba(entry);
        fail_unknown_top(entry);
    }

    [[noreturn]] void fail_unknown_top(const Entry& entry) const {
        if (!entry.value->is_table() && !entry.value->is_array_of_tables()) {
            if (const OptionGroup* home = home_of(entry.key)) {
                fail(entry.line, in_quotes(entry.key) +
                                     " stands before the first section; write [" + home->section() +
                                     "] above it");
            }
            fail(entry.line, in_quotes(entry.key) +
                                 " stands before the first section, such as "
                                 "[pgweir]");
        }
        if (entry.key == "pgbouncer") {
            fail(entry.line,
                 "there is no section \"pgbouncer\"; what it holds is in [pgweir], "
                 "[limits], [timeouts], [tcp] and [tls] here");
        }
        Names names{"databases", "users", "hba"};
        for (const OptionGroup* section : settings_.sections()) names.push_back(section->section());
        fail(entry.line,
             "there is no section " + in_quotes(entry.key) + suggestion(entry.key, names));
    }

    const toml::table& table_of(const Entry& entry, std::string_view section) const {
        const toml::table* table = entry.value->as_table();
        if (table == nullptr) {
            fail(entry.line,
                 in_quotes(section) + " must be a section: [" + std::string(section) + "]");
        }
        return *table;
    }

    void read_section(const Entry& entry, OptionGroup& group) {
        for (const Entry& option : entries_of(table_of(entry, group.section()))) {
            read_option(option, group);
        }
    }

    template <typename Group>
    void read_named(const Entry& entry, Group& (Settings::*add)(std::string_view)) {
        for (const Entry& named : entries_of(table_of(entry, entry.key))) {
            const std::string section = std::string(entry.key) + "." + std::string(named.key);
            if (named.key.empty()) fail(named.line, "a name in [" + section + "] is empty");
            table_of(named, section);
            read_section(named, (settings_.*add)(named.key));
        }
    }

    void read_option(const Entry& entry, OptionGroup& group) {
        OptionBase* option = group.find(entry.key);
        if (option == nullptr) fail_unknown_option(entry, group);
        try {
            option->read(raw_of(*entry.value), entry.line);
        } catch (const ValueError& error) {
            fail(entry.line, std::string(entry.key) + " " + error.what());
        }
    }

    [[noreturn]] void fail_unknown_option(const Entry& entry, const OptionGroup& group) const {
        std::string sentence =
            "there is no option " + in_quotes(entry.key) + " in [" + group.section() + "]";
        if (const OptionGroup* home = home_of(entry.key)) {
            fail(entry.line, sentence + "; it belongs to [" + home->section() + "]");
        }
        for (const ForeignName& foreign : kForeignNames) {
            if (foreign.name == entry.key) {
                fail(entry.line, sentence + ": " + std::string(foreign.answer));
            }
        }
        Names names;
        for (const OptionBase* option : group.options()) names.push_back(option->name());
        sentence += suggestion(entry.key, names);
        if (sentence.back() != '?') sentence += suggestion_elsewhere(entry.key);
        fail(entry.line, sentence);
    }

    std::string suggestion_elsewhere(std::string_view wrong) const {
        for (const OptionGroup* section : settings_.sections()) {
            Names names;
            for (const OptionBase* option : section->options()) names.push_back(option->name());
            const auto close = nearest(wrong, names);
            if (close) {
                return "; did you mean " + in_quotes(*close) + " in [" + section->section() + "]?";
            }
        }
        return {};
    }

    // The section for the whole process that has an option of that name.
    OptionGroup* home_of(std::string_view name) const {
        for (OptionGroup* section : settings_.sections()) {
            if (section->find(name) != nullptr) return section;
        }
        return nullptr;
    }

    void read_hba(const Entry& entry) {
        const toml::array* rules = entry.value->as_array();
        if (rules == nullptr) fail(entry.line, "\"hba\" must be a list of rules: [[hba]]");
        for (const toml::node& rule : *rules) {
            const auto line = static_cast<unsigned>(rule.source().begin.line);
            if (!rule.is_table()) fail(line, "\"hba\" must be a list of rules: [[hba]]");
            settings_.hba.push_back(read_rule(*rule.as_table(), line));
        }
    }

    HbaRule read_rule(const toml::table& table, unsigned line) const {
        HbaRule rule;
        rule.line = line;
        bool has_address = false;
        for (const Entry& entry : entries_of(table)) {
            try {
                read_rule_field(entry, rule);
            } catch (const ValueError& error) {
                fail(entry.line, std::string(entry.key) + " " + error.what());
            }
            has_address = has_address || entry.key == "address";
        }
        for (const std::string_view needed : {"type", "method"}) {
            if (!table.contains(needed)) fail(line, "this rule has no " + std::string(needed));
        }
        if (has_address && rule.type == HbaRule::Type::Local) {
            fail(line, "a rule of type \"local\" is for Unix sockets and has no address");
        }
        return rule;
    }

    void read_rule_field(const Entry& entry, HbaRule& rule) const {
        const RawValue raw = raw_of(*entry.value);
        if (entry.key == "type") {
            rule.type = read_value<HbaRule::Type>(raw);
        } else if (entry.key == "database") {
            rule.databases = read_value<TextList>(raw);
        } else if (entry.key == "user") {
            rule.users = read_value<TextList>(raw);
        } else if (entry.key == "address") {
            rule.address = read_value<std::string>(raw);
        } else if (entry.key == "method") {
            rule.method = read_value<AuthMethod>(raw);
        } else {
            fail(entry.line,
                 "a rule has no " + in_quotes(entry.key) +
                     suggestion(entry.key, {"type", "database", "user", "address", "method"}));
        }
    }

    std::string_view file_;
    Settings& settings_;
};

// The library says "Error while parsing table header: cannot redefine existing table 'limits'".
std::string sentence_of(const toml::parse_error& error) {
    std::string text(error.description());
    constexpr std::string_view kPrefix = "Error while parsing ";
    if (text.starts_with(kPrefix)) text = "in this " + text.substr(kPrefix.size());
    return text;
}

}  // namespace

std::unique_ptr<Settings> read_toml(std::string_view text, std::string_view file_name) {
    auto settings = std::make_unique<Settings>();
    try {
        const toml::table root = toml::parse(text);
        Reader(file_name, *settings).read(root);
    } catch (const toml::parse_error& error) {
        throw ConfigError(file_name, static_cast<unsigned>(error.source().begin.line),
                          sentence_of(error));
    }
    settings->check(file_name);
    return settings;
}

}  // namespace pgweir::config
