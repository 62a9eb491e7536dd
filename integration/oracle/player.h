// SPDX-License-Identifier: PostgreSQL
// Plays one conversation to whoever listens at a target, and writes down what it hears.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "script.h"
#include "test_cluster.h"

namespace pgweir::integration::oracle {

// Lines of answer_words.h, "closed" for an end; "A " or "B " in front if there are two clients.
using Transcript = std::vector<std::string>;

struct Listener {
    Target target;
    bool is_bytewise = false;  // Every byte is sent in a segment of its own.
    // Called when the only client is idle and about to speak.
    std::function<void()> before_unit = {};
    // The nodes behind it, for "wait".
    std::vector<Target> observers;
};

Transcript play(const Conversation& conversation, const Listener& listener);

}  // namespace pgweir::integration::oracle
