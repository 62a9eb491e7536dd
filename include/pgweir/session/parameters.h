// SPDX-License-Identifier: PostgreSQL
// Run-time parameters that follow a client from server to server: those that PostgreSQL reports
// (ParameterStatus) and those of the client's startup message. Sets are immutable and shared: ten
// thousand clients of one application hold one set, and equal sets are the same object.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pgweir/base/bytes.h"

namespace pgweir::session {

struct Parameter {
    std::string name;
    std::string value;
    // PostgreSQL reports it by ParameterStatus; else it is one that pgweir has set by itself.
    bool is_reported = false;
    bool operator==(const Parameter&) const = default;
};

// What parameters say of how statements are to be read.
struct TextRules {
    bool standard_conforming_strings = true;
    bool is_ascii_transparent = true;  // Of client_encoding.
    bool default_read_only = false;    // default_transaction_read_only
};

// Sorted by name without regard to case, as PostgreSQL compares parameter names.
class ParameterSet {
 public:
    const Parameter* find(std::string_view name) const;
    void put(std::string_view name, std::string_view value, bool is_reported);
    void remove(std::string_view name);
    // What pgweir has set by itself may have been reset since: it equals no value, and is still to
    // be reset for whoever does not want it.
    void doubt_own();
    const std::vector<Parameter>& all() const { return parameters_; }
    bool empty() const { return parameters_.empty(); }
    bool operator==(const ParameterSet& other) const { return parameters_ == other.parameters_; }
    std::uint64_t hash() const;
    // Asked for with every statement: found once for each set.
    const TextRules& text_rules() const {
        if (!text_rules_) text_rules_ = find_text_rules();
        return *text_rules_;
    }

 private:
    TextRules find_text_rules() const;

    std::vector<Parameter> parameters_;
    mutable std::optional<TextRules> text_rules_;
};

using ParametersRef = std::shared_ptr<const ParameterSet>;

bool same_parameter_name(std::string_view a, std::string_view b);

// A reported parameter that a session can't set to a value by itself (server_version, …): it says
// what the server is, not what the client wants.
bool is_fixed_parameter(std::string_view name);

// Makes equal sets one object.
class ParameterDirectory {
 public:
    ParameterDirectory();
    ParametersRef intern(ParameterSet set);
    const ParametersRef& empty_set() const { return empty_; }

 private:
    std::unordered_multimap<std::uint64_t, std::weak_ptr<const ParameterSet>> sets_;
    std::size_t sweep_at_ = 64;
    ParametersRef empty_;
};

// The SQL that brings a server from `actual` to `wanted`; empty if nothing differs. Parameters
// that pgweir set for another client are reset; fixed ones are left out. One text for one Query
// message. client_encoding comes first, as the texts that follow are in the client's encoding.
std::string settings_difference(const ParameterSet& actual, const ParameterSet& wanted);

}  // namespace pgweir::session
