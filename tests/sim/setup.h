// SPDX-License-Identifier: PostgreSQL
// The worlds of the stories.
#pragma once

#include <initializer_list>
#include <string>

#include "sim/story.h"

namespace pgweir::sim {

struct Setup {
    std::string mode = "transaction";
    unsigned pool_size = 1;
    std::uint32_t workers = 1;
    std::string limits{};    // More lines of [limits].
    std::string timeouts{};  // Of [timeouts].
    std::string general{};   // Of [pgweir].
};

inline WorldOptions with(const Setup& setup) {
    WorldOptions options;
    options.workers = setup.workers;
    options.ceilings.pool = setup.pool_size;
    options.settings =
        "[pgweir]\nauth_type = \"any\"\nlisten = [\"127.0.0.1:6432\"]\npool_mode = \"" +
        setup.mode + "\"\nworkers = " + std::to_string(setup.workers) + "\n" + setup.general +
        "[limits]\ndefault_pool_size = " + std::to_string(setup.pool_size) + "\n" + setup.limits +
        "[timeouts]\n" + setup.timeouts + "[databases.app]\nhost = \"n1\"\n";
    return options;
}

// A client that may be told of these errors.
inline ClientOptions ready_for(std::initializer_list<const char*> errors) {
    ClientOptions options;
    for (const char* error : errors) options.tolerance.errors.insert(error);
    options.tolerance.may_close = true;
    return options;
}

}  // namespace pgweir::sim
