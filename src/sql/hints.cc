// SPDX-License-Identifier: PostgreSQL
#include "sql/hints.h"

#include <optional>

#include "sql/characters.h"

namespace pgweir::sql {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

// `word` is in lower case.
bool is_word(std::string_view text, std::string_view word) {
    if (text.size() != word.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (lower(text[i]) != word[i]) return false;
    }
    return true;
}

std::optional<Consistency> consistency_of(std::string_view text) {
    if (is_word(text, "eventual")) return Consistency::Eventual;
    if (is_word(text, "session")) return Consistency::Session;
    if (is_word(text, "strong")) return Consistency::Strong;
    if (is_word(text, "primary")) return Consistency::Primary;
    return std::nullopt;
}

void add_route(RouteHint route, Hints& hints) {
    if (hints.route != RouteHint::None && hints.route != route) hints.is_wrong = true;
    hints.route = route;
}

void add_consistency(Consistency consistency, Hints& hints) {
    if (hints.has_consistency && hints.consistency != consistency) hints.is_wrong = true;
    hints.has_consistency = true;
    hints.consistency = consistency;
}

void add(std::string_view item, Hints& hints) {
    if (is_word(item, "primary")) return add_route(RouteHint::Primary, hints);
    if (is_word(item, "replica")) return add_route(RouteHint::Replica, hints);
    const std::size_t equals = item.find('=');
    if (equals != std::string_view::npos &&
        is_word(trimmed(item.substr(0, equals)), "consistency")) {
        if (const auto consistency = consistency_of(trimmed(item.substr(equals + 1)))) {
            return add_consistency(*consistency, hints);
        }
    }
    hints.is_wrong = true;
}

bool contradicts_itself(const Hints& hints) {
    return hints.route == RouteHint::Replica && hints.has_consistency &&
           hints.consistency == Consistency::Primary;
}

}  // namespace

void read_hints(std::string_view comment, Hints& hints) {
    constexpr std::string_view kMark = "pgweir:";
    comment = trimmed(comment);
    if (!is_word(comment.substr(0, kMark.size()), kMark)) return;
    std::string_view rest = comment.substr(kMark.size());
    while (true) {
        const std::size_t comma = rest.find(',');
        add(trimmed(rest.substr(0, comma)), hints);
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    if (hints.is_wrong || contradicts_itself(hints)) hints = Hints{.is_wrong = true};
}

}  // namespace pgweir::sql
