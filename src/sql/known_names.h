// SPDX-License-Identifier: PostgreSQL
// What is known of PostgreSQL's own names and can't be read from its catalogs: which functions,
// relations and parameters speak of the node they run on, which volatile functions do no harm,
// what leaves state in a session. Names of PostgreSQL 12 to 18.
#pragma once

#include <span>
#include <string_view>

namespace pgweir::sql {

// A name, or with a '*' at its end all that begin so.
using Pattern = std::string_view;

// Their answer, or their effect, is the node's own.
std::span<const Pattern> local_functions();
std::span<const Pattern> local_relations();
// pg_catalog's functions that are declared volatile and may run on any node all the same.
std::span<const Pattern> harmless_volatile_functions();
// Not declared volatile, but they run the text of a statement, or read any table they like.
std::span<const Pattern> functions_that_run_texts();
// They act outside of the database, before they could fail.
std::span<const Pattern> outside_functions();
// Volatile, but nothing of them is left in the session.
std::span<const Pattern> stateless_functions();
// Something of them is left in the session.
std::span<const Pattern> stateful_functions();

// A name of a function of pg_catalog that leaves no state in a session. Others may have made one of
// that name: it is for want of a catalog that says so.
bool is_built_in_function(std::string_view name);

bool matches(std::span<const Pattern> patterns, std::string_view name);

// A parameter whose value a session may ask any node for: it is the session's own, or the same
// everywhere. `name` in any case. What comes from a node's configuration is not among them.
bool is_shared_parameter(std::string_view name);

}  // namespace pgweir::sql
