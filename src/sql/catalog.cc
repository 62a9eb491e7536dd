// SPDX-License-Identifier: PostgreSQL
#include "pgweir/sql/catalog.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "pgweir/base/assert.h"
#include "sql/known_names.h"

namespace pgweir::sql {

Catalog::Catalog(std::uint64_t generation, const std::vector<Row>& rows) : generation_(generation) {
    PGWEIR_ASSERT(generation > 0 && generation < 1ULL << 60);
    entries_.reserve(rows.size());
    for (const Row& row : rows) {
        // PostgreSQL's names have 63 bytes at most.
        if (row.name.size() > std::numeric_limits<std::uint16_t>::max()) continue;
        entries_.push_back({.offset = static_cast<std::uint32_t>(names_.size()),
                            .size = static_cast<std::uint16_t>(row.name.size()),
                            .kind = row.kind,
                            .is_harmless = row.is_harmless});
        names_ += row.name;
    }
    // What is not harmless comes first of its name, and is found.
    const auto key = [this](const Entry& entry) {
        return std::tuple(entry.kind, name_of(entry), entry.is_harmless);
    };
    std::sort(entries_.begin(), entries_.end(),
              [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
    names_.shrink_to_fit();
}

Standing Catalog::standing(char kind, std::string_view name) const {
    const auto found = std::lower_bound(entries_.begin(), entries_.end(), std::tuple(kind, name),
                                        [this](const Entry& entry, const auto& wanted) {
                                            return std::tuple(entry.kind, name_of(entry)) < wanted;
                                        });
    if (found == entries_.end() || found->kind != kind || name_of(*found) != name) {
        return Standing::Unknown;
    }
    return found->is_harmless ? Standing::Harmless : Standing::Unsafe;
}

Standing Catalog::function(std::string_view name) const {
    return matches(local_functions(), name) ? Standing::Local : standing('f', name);
}

Standing Catalog::relation(std::string_view name) const {
    return matches(local_relations(), name) ? Standing::Local : standing('r', name);
}

Standing Catalog::op(std::string_view name) const {
    return standing('o', name);
}

Standing Catalog::type(std::string_view name) const {
    return standing('t', name);
}

std::size_t Catalog::bytes() const {
    return names_.capacity() + entries_.capacity() * sizeof(Entry);
}

}  // namespace pgweir::sql
