// SPDX-License-Identifier: PostgreSQL
// What the primary's catalogs say about one database, as far as it decides what is a read. An
// immutable snapshot; workers share nothing, each reads its own.
//
// Names are looked up without a schema: whatever search_path may find under a name has to be
// harmless for the name to be harmless. That is safe for every search_path and every overload, and
// needs no knowledge of either.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

enum class Standing : std::uint8_t {
    Unknown,   // Nothing of that name.
    Harmless,  // Everything of that name.
    Unsafe,    // Something of that name: volatile, or built on something volatile.
    Local,     // Something of that name speaks of the node it runs on.
};

class Catalog {
 public:
    // One row of catalog_query(): kind ('f' function, 'r' relation, 'o' operator, 't' type), name,
    // and whether everything of that name is harmless.
    struct Row {
        char kind = 'f';
        std::string name;
        bool is_harmless = false;
    };

    // Numbers grow with each snapshot of a process, so that a verdict can tell which one it was
    // judged by. Several rows of one kind and name are harmless if all are.
    // REQUIRES: 0 < generation < 2^60.
    Catalog(std::uint64_t generation, const std::vector<Row>& rows);

    std::uint64_t generation() const { return generation_; }
    // `name` as the catalogs spell it (folded to lower case unless it was quoted).
    Standing function(std::string_view name) const;
    Standing relation(std::string_view name) const;
    Standing op(std::string_view name) const;
    Standing type(std::string_view name) const;
    std::size_t size() const { return entries_.size(); }
    // Memory, in bytes: about 30 for each name.
    std::size_t bytes() const;

 private:
    struct Entry {
        std::uint32_t offset = 0;
        std::uint16_t size = 0;
        char kind = 'f';
        bool is_harmless = false;
    };

    std::string_view name_of(const Entry& entry) const {
        return std::string_view(names_).substr(entry.offset, entry.size);
    }
    Standing standing(char kind, std::string_view name) const;

    std::uint64_t generation_;
    std::string names_;
    std::vector<Entry> entries_;  // By kind and name.
};

using CatalogRef = std::shared_ptr<const Catalog>;

// The SQL that reads a Catalog: three text columns as in Catalog::Row ('t' or 'f' in the last).
// Schema-qualified throughout; readable by any role; works on PostgreSQL 12 and later; any user's
// search_path is harmless to it. Ends with no semicolon. About 3,400 rows in an empty database.
std::string_view catalog_query();

}  // namespace pgweir::sql
