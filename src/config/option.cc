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

}  // namespace pgweir::config
