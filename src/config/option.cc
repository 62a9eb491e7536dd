// SPDX-License-Identifier: PostgreSQL
// An option that describes itself.
#include "pgweir/config/option.h"

namespace pgweir::config {

OptionBase* OptionGroup::find(std::string_view name) {
    for (OptionBase* option : options_) {
        if (option->name() == name) return option;
    }
    return nullptr;
}

std::string OptionGroup::name_among_all(const OptionBase& option) const {
    return std::string(prefix_) + std::string(option.name());
}

}  // namespace pgweir::config
