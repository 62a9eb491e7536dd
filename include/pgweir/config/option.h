// SPDX-License-Identifier: PostgreSQL
// An option that describes itself. It is declared once, as a member of its group; the TOML reader,
// SHOW CONFIG, etc/pgweir.toml and the option chapter walk the group in declaration order. Reading
// is `group.pool_size()`: a load, no lookup.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgweir/config/option_value.h"

namespace pgweir::config {

enum class Reload : std::uint8_t {
    Live,     // A reload applies it.
    Restart,  // A reload reports that it differs, and leaves it.
};

class OptionBase;

// Options of one section. Options hold their place in the group, so a group is never copied.
class OptionGroup {
 public:
    // `prefix` sets its names apart from those of other sections where all stand in one list.
    explicit OptionGroup(std::string section, std::string_view prefix = {})
        : section_(std::move(section)), prefix_(prefix) {}
    OptionGroup(const OptionGroup&) = delete;
    OptionGroup& operator=(const OptionGroup&) = delete;

    // As in the file: "limits", "databases.app".
    const std::string& section() const { return section_; }
    const std::vector<OptionBase*>& options() { return options_; }
    const std::vector<const OptionBase*>& options() const { return const_options_; }
    OptionBase* find(std::string_view name);
    // As SHOW CONFIG and a reload call it: "default_pool_size", "http_listen".
    std::string name_among_all(const OptionBase& option) const;

 protected:
    ~OptionGroup() = default;

 private:
    friend class OptionBase;
    std::string section_;
    std::string_view prefix_;
    std::vector<OptionBase*> options_;
    std::vector<const OptionBase*> const_options_;
};

class OptionBase {
 public:
    OptionBase(OptionGroup* group, std::string_view name) : name_(name) {
        group->options_.push_back(this);
        group->const_options_.push_back(this);
    }
    OptionBase(const OptionBase&) = delete;
    OptionBase& operator=(const OptionBase&) = delete;
    virtual ~OptionBase() = default;

    std::string_view name() const { return name_; }
    virtual std::string_view doc() const = 0;
    virtual Reload reload() const = 0;
    virtual bool is_secret() const = 0;

    // Throws ValueError; the value is then as before. `line` is where it stands in the file.
    virtual void read(const RawValue& raw, unsigned line) = 0;
    // False while the value is the default.
    bool is_set() const { return is_set_; }
    unsigned line() const { return line_; }

    virtual std::string show() const = 0;
    virtual std::string show_default() const = 0;
    virtual std::string write_default() const = 0;
    // The limits of its value as text: "1 to 100", "at least 1"; empty if there are none.
    virtual std::string show_limits() const = 0;
    // REQUIRES: the same option of another Settings.
    virtual bool same_as(const OptionBase& other) const = 0;

 protected:
    void mark_set(unsigned line) {
        is_set_ = true;
        line_ = line;
    }

 private:
    std::string_view name_;
    unsigned line_ = 0;
    bool is_set_ = false;
};

// "out of range" as a ValueError, in the option's own words.
[[noreturn]] void throw_out_of_range(const std::string& value, const std::string& limits);
std::string limits_text(const std::optional<std::string>& min,
                        const std::optional<std::string>& max);

template <typename T>
struct OptionSpec {
    std::string_view name = "";
    std::optional<T> fallback = std::nullopt;  // Without one: 0, empty, the first.
    std::optional<T> min = std::nullopt;
    std::optional<T> max = std::nullopt;
    Reload reload = Reload::Live;
    bool secret = false;
    std::string_view doc = "";  // One sentence, for etc/pgweir.toml and the option chapter.
};

template <typename T>
class Option final : public OptionBase {
 public:
    Option(OptionGroup* group, OptionSpec<T> spec)
        : OptionBase(group, spec.name),
          value_(spec.fallback.value_or(T())),
          spec_(std::move(spec)) {}

    const T& operator()() const { return value_; }
    // For options that override another one where they are set.
    const T& value_or(const T& otherwise) const { return is_set() ? value_ : otherwise; }
    // Throws ValueError if `value` is out of range.
    void assign(T value, unsigned line = 0) {
        if ((spec_.min && value < *spec_.min) || (spec_.max && *spec_.max < value)) {
            throw_out_of_range(show_value(value), show_limits());
        }
        value_ = std::move(value);
        mark_set(line);
    }

    std::string_view doc() const override { return spec_.doc; }
    Reload reload() const override { return spec_.reload; }
    bool is_secret() const override { return spec_.secret; }
    void read(const RawValue& raw, unsigned line) override { assign(read_value<T>(raw), line); }
    std::string show() const override { return show_value(value_); }
    std::string show_default() const override { return show_value(spec_.fallback.value_or(T())); }
    std::string write_default() const override { return write_value(spec_.fallback.value_or(T())); }
    std::string show_limits() const override {
        return limits_text(spec_.min ? std::optional(show_value(*spec_.min)) : std::nullopt,
                           spec_.max ? std::optional(show_value(*spec_.max)) : std::nullopt);
    }
    bool same_as(const OptionBase& other) const override {
        return value_ == static_cast<const Option&>(other).value_;
    }

 private:
    T value_;
    OptionSpec<T> spec_;
};

}  // namespace pgweir::config
