// SPDX-License-Identifier: PostgreSQL
// Streams by id, found in a few instructions; see base/slot_table.h for what an id is.
#pragma once

#include <utility>
#include <vector>

#include "pgweir/base/assert.h"
#include "pgweir/base/slot_table.h"

namespace pgweir::io {

class Stream;

template <typename IdType>
class StreamTable {
 public:
    // A null stream reserves the id: it is contained, but has no stream yet.
    void set(IdType id, Stream* stream) {
        const std::uint32_t slot = slot_of(id);
        if (slot >= entries_.size()) entries_.resize(slot + 1);
        PGWEIR_ASSERT(!entries_[slot].id || entries_[slot].id == id);
        entries_[slot] = {id, stream};
    }
    bool contains(IdType id) const {
        const std::uint32_t slot = slot_of(id);
        return slot < entries_.size() && id && entries_[slot].id == id;
    }
    // Null if there is none (any more, or yet).
    Stream* find(IdType id) const { return contains(id) ? entries_[slot_of(id)].stream : nullptr; }
    Stream* remove(IdType id) {
        if (!contains(id)) return nullptr;
        Entry& entry = entries_[slot_of(id)];
        entry.id = IdType{};
        return std::exchange(entry.stream, nullptr);
    }
    template <typename Visit>
    void for_each(Visit visit) {
        for (const Entry& entry : entries_) {
            if (entry.stream != nullptr) visit(*entry.stream);
        }
    }

 private:
    struct Entry {
        IdType id;
        Stream* stream = nullptr;
    };
    std::vector<Entry> entries_;
};

}  // namespace pgweir::io
