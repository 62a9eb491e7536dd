// SPDX-License-Identifier: PostgreSQL
// Settings as people see them.
#include "pgweir/config/describe.h"

#include <algorithm>

namespace pgweir::config {
namespace {

constexpr std::string_view kHidden = "****";

std::string shown(const OptionBase& option) {
    if (option.is_secret() && option.is_set()) return std::string(kHidden);
    return option.show();
}

// `text` as comment lines of at most 98 characters.
void write_comment(std::string& out, std::string_view text) {
    constexpr std::size_t kWidth = 96;
    while (!text.empty()) {
        std::size_t length = text.size();
        if (length > kWidth) {
            length = text.rfind(' ', kWidth);
            if (length == std::string_view::npos) length = std::min(text.find(' '), text.size());
        }
        out += "# ";
        out += text.substr(0, length);
        out += '\n';
        text.remove_prefix(std::min(length + 1, text.size()));
    }
}

void write_option(std::string& out, const OptionBase& option, std::string_view value) {
    std::string comment(option.doc());
    if (const std::string limits = option.show_limits(); !limits.empty()) {
        comment += " Allowed: " + limits + ".";
    }
    if (option.reload() == Reload::Restart) comment += " A change takes a restart.";
    out += '\n';
    write_comment(out, comment);
    out += "#";
    out += option.name();
    out += " = ";
    out += value;
    out += '\n';
}

void write_section(std::string& out, const OptionGroup& section) {
    out += "\n[" + section.section() + "]\n";
    for (const OptionBase* option : section.options()) {
        write_option(out, *option, option->write_default());
    }
}

// The default of an option that overrides one for the whole process is that one's.
std::string inherited_default(const OptionBase& option, const Settings& defaults) {
    const std::string_view name =
        option.name() == "pool_size" ? std::string_view("default_pool_size") : option.name();
    for (const OptionGroup* section : defaults.sections()) {
        for (const OptionBase* general : section->options()) {
            if (general->name() == name) return general->write_default();
        }
    }
    return option.write_default();
}

void write_example(std::string& out, const OptionGroup& group, const Settings& defaults) {
    out += "#[" + group.section() + "]\n";
    for (const OptionBase* option : group.options()) {
        write_option(out, *option, inherited_default(*option, defaults));
    }
}

constexpr std::string_view kHead =
    "# pgweir.toml: every option there is, with its default. Made by pgweir --sample; a line\n"
    "# without \"#\" changes an option. Durations are seconds, or texts such as \"100ms\", \"5s\" "
    "or\n"
    "# \"2min\"; sizes are bytes, or texts such as \"64KiB\". SIGHUP or the console's RELOAD "
    "reads\n"
    "# the file again.\n";

constexpr std::string_view kDatabasesHead =
    "\n# One section for each database that clients may ask for; \"*\" stands for every other "
    "one.\n"
    "# What is not written here is as in the sections above.\n#\n";

constexpr std::string_view kUsersHead =
    "\n# One section for each user. What is not written here is as in the database's section.\n#\n";

constexpr std::string_view kNodesHead =
    "\n# What can't be observed of a node, where it matters.\n#\n";

constexpr std::string_view kHbaHead =
    "\n# Who may come from where, and how: as in pg_hba.conf, the first rule that fits decides, "
    "and\n"
    "# a client that fits none is rejected. Without any rule, auth_type decides for everybody.\n"
    "# type: local, host, hostssl or hostnossl. database, user: \"all\", a name, or a list of "
    "names.\n"
    "# address: \"all\", an address, or address/bits. method: as auth_type.\n"
    "#\n"
    "#[[hba]]\n"
    "#type = \"hostssl\"\n"
    "#database = \"all\"\n"
    "#user = \"all\"\n"
    "#address = \"10.0.0.0/8\"\n"
    "#method = \"scram-sha-256\"\n";

}  // namespace

std::vector<ConfigRow> config_rows(const Settings& settings) {
    std::vector<ConfigRow> rows;
    for (const OptionGroup* section : settings.sections()) {
        for (const OptionBase* option : section->options()) {
            rows.push_back({.key = section->name_among_all(*option),
                            .value = shown(*option),
                            .fallback = option->show_default(),
                            .changeable = option->reload() == Reload::Live ? "yes" : "no"});
        }
    }
    return rows;
}

std::string sample_file() {
    const Settings defaults;
    std::string out(kHead);
    for (const OptionGroup* section : defaults.sections()) write_section(out, *section);
    out += kDatabasesHead;
    write_example(out, DatabaseSettings("example"), defaults);
    out += kUsersHead;
    write_example(out, UserSettings("example"), defaults);
    out += kNodesHead;
    write_example(out, NodeSettings("127.0.0.1:5432"), defaults);
    out += kHbaHead;
    return out;
}

}  // namespace pgweir::config
