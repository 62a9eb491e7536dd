// SPDX-License-Identifier: PostgreSQL
#include "sql/judgement.h"

#include "sql/known_names.h"

namespace pgweir::sql {
namespace {

using Node = SyntaxTree::Node;

// A constant of the grammar: {"A_Const": {"sval": {"sval": "x"}}}.
Node constant(Node wrapped, std::string_view kind) {
    return wrapped["A_Const"][kind];
}

Node argument(Node arguments, unsigned position) {
    Node at = arguments.first();
    for (; position > 0 && at.exists(); --position) at = at.next();
    return at;
}

constexpr std::string_view kNoCatalog = ", and the catalog is not known";

}  // namespace

void Judgement::because(Reason reason, std::string_view verb, std::string_view name,
                        std::string_view why) {
    if (verdict.reason == Reason::None || reason < verdict.reason) verdict.reason = reason;
    if (!words_) return;
    std::string words(verb);
    if (!name.empty()) words.append(" ").append(name);
    words.append(why);
    words_->push_back(std::move(words));
}

void Judgement::function(std::string_view name, Node arguments) {
    if (name == "set_config") return set_config(arguments);
    if (name == "current_setting") current_setting(arguments);
    judge_function(name, words_ ? std::string(name) + "()" : std::string());
}

void Judgement::judge_function(std::string_view name, std::string_view call) {
    if (matches(local_functions(), name)) {
        because(Reason::LocalFunction, "calls", call, ", which is about the node it runs on");
        verdict.leaves_state |= matches(stateful_functions(), name);
        return;
    }
    if (!catalog_) return unknown_function(name, call);
    switch (catalog_->function(name)) {
        case Standing::Harmless:
            if (!is_built_in_function(name)) verdict.calls_own_function = true;
            return;
        case Standing::Unsafe:
            return unsafe_function(name, call);
        case Standing::Local:
        case Standing::Unknown:
            return unknown_function(name, call);
    }
}

// Whatever a function does that is not PostgreSQL's own may stay in the session.
void Judgement::unsafe_function(std::string_view name, std::string_view call) {
    if (matches(outside_functions(), name)) {
        because(Reason::OutsideEffect, "calls", call, ", which acts outside of the database");
    } else {
        because(Reason::VolatileFunction, "calls", call, ", which is volatile");
    }
    verdict.leaves_state |=
        matches(stateful_functions(), name) || !matches(stateless_functions(), name);
}

void Judgement::unknown_function(std::string_view name, std::string_view call) {
    if (matches(outside_functions(), name)) return unsafe_function(name, call);
    if (catalog_) {
        because(Reason::UnknownFunction, "calls", call, ", which the catalog does not know");
    } else {
        because(Reason::NoCatalog, "calls", call, kNoCatalog);
        if (is_built_in_function(name)) return;
    }
    verdict.leaves_state |=
        matches(stateful_functions(), name) || !matches(stateless_functions(), name);
}

// set_config(name, value, true) is SET LOCAL.
void Judgement::set_config(Node arguments) {
    because(Reason::SessionState, "calls set_config()");
    const bool is_local = constant(argument(arguments, 2), "boolval")["boolval"].is_true();
    if (!is_local) verdict.leaves_state = true;
}

void Judgement::current_setting(Node arguments) {
    const std::string_view name = constant(argument(arguments, 0), "sval")["sval"].text();
    if (!name.empty() && is_shared_parameter(name)) return;
    because(Reason::LocalFunction, "calls current_setting()", {},
            " of a parameter that nodes may differ in");
}

void Judgement::attribute(std::string_view name) {
    if (!catalog_ || catalog_->function(name) != Standing::Unsafe) return;
    unsafe_function(name, words_ ? std::string(name) + "()" : std::string());
}

void Judgement::op(std::string_view name) {
    if (!catalog_) return because(Reason::NoCatalog, "uses operator", name, kNoCatalog);
    switch (catalog_->op(name)) {
        case Standing::Harmless:
            return;
        case Standing::Unknown:
            return because(Reason::UnknownFunction, "uses operator", name,
                           ", which the catalog does not know");
        case Standing::Local:
        case Standing::Unsafe:
            break;
    }
    because(Reason::VolatileOperator, "uses operator", name, ", whose function is volatile");
    verdict.leaves_state = true;
}

void Judgement::type(std::string_view name) {
    if (!catalog_) return because(Reason::NoCatalog, "uses type", name, kNoCatalog);
    switch (catalog_->type(name)) {
        case Standing::Harmless:
            return;
        case Standing::Unknown:
            return because(Reason::UnknownFunction, "uses type", name,
                           ", which the catalog does not know");
        case Standing::Local:
        case Standing::Unsafe:
            break;
    }
    because(Reason::VolatileFunction, "uses type", name, ", which calls a volatile function");
    verdict.leaves_state = true;
}

void Judgement::relation(std::string_view name) {
    if (matches(local_relations(), name)) {
        return because(Reason::LocalRelation, "reads", name, ", which is about the node");
    }
    if (!catalog_) return because(Reason::NoCatalog, "reads", name, kNoCatalog);
    switch (catalog_->relation(name)) {
        case Standing::Harmless:
            return;
        case Standing::Unknown:
            return because(Reason::UnknownRelation, "reads", name,
                           ", which the catalog does not know");
        case Standing::Local:
        case Standing::Unsafe:
            break;
    }
    because(Reason::UnsafeRelation, "reads", name,
            ", which is not on every node or does more than read");
}

}  // namespace pgweir::sql
