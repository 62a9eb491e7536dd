// SPDX-License-Identifier: PostgreSQL
// Objects found by id in a few instructions: an id is generation:u32 worker:u8 slot:u24, the slot
// indexes an array and the generation tells an old id from a new one.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "pgweir/base/assert.h"
#include "pgweir/base/ids.h"

namespace pgweir {

constexpr std::uint32_t kSlotBits = 24;
constexpr std::uint32_t kSlotsMax = 1U << kSlotBits;

template <typename IdType>
std::uint32_t slot_of(IdType id) {
    return static_cast<std::uint32_t>(id.value) & (kSlotsMax - 1);
}

template <typename IdType>
WorkerIndex worker_of(IdType id) {
    return (static_cast<std::uint32_t>(id.value) >> kSlotBits) & 0xff;
}

// Hands out ids; the owner of an id gives it back when nothing names it any more.
template <typename IdType>
class IdAllocator {
 public:
    explicit IdAllocator(WorkerIndex worker) : worker_(worker) {}

    IdType allocate() {
        std::uint32_t slot = 0;
        if (!free_.empty()) {
            slot = free_.back();
            free_.pop_back();
        } else {
            slot = static_cast<std::uint32_t>(generations_.size());
            PGWEIR_ASSERT(slot < kSlotsMax);
            generations_.push_back(0);
        }
        const std::uint64_t generation = ++generations_[slot];
        return IdType{(generation << 32) | (std::uint64_t{worker_} << kSlotBits) | slot};
    }
    void give_back(IdType id) { free_.push_back(slot_of(id)); }

 private:
    WorkerIndex worker_;
    std::vector<std::uint32_t> generations_;
    std::vector<std::uint32_t> free_;
};

// Owns objects by id. Addresses are stable.
template <typename IdType, typename T>
class SlotTable {
 public:
    // REQUIRES: no object lives in the id's slot.
    T& insert(IdType id, std::unique_ptr<T> object) {
        const std::uint32_t slot = slot_of(id);
        if (slot >= entries_.size()) entries_.resize(slot + 1);
        PGWEIR_ASSERT(entries_[slot].object == nullptr);
        entries_[slot] = {id, std::move(object)};
        ++size_;
        return *entries_[slot].object;
    }
    T* find(IdType id) {
        const std::uint32_t slot = slot_of(id);
        if (slot >= entries_.size() || entries_[slot].id != id) return nullptr;
        return entries_[slot].object.get();
    }
    const T* find(IdType id) const { return const_cast<SlotTable*>(this)->find(id); }
    std::unique_ptr<T> remove(IdType id) {
        if (find(id) == nullptr) return nullptr;
        Entry& entry = entries_[slot_of(id)];
        entry.id = IdType{};
        --size_;
        return std::move(entry.object);
    }
    std::size_t size() const { return size_; }

    // In order of slots. `visit` may remove the object it is given, and no other.
    template <typename Visit>
    void for_each(Visit visit) {
        for (std::size_t slot = 0; slot < entries_.size(); ++slot) {
            if (entries_[slot].object != nullptr) visit(entries_[slot].id, *entries_[slot].object);
        }
    }

 private:
    struct Entry {
        IdType id;
        std::unique_ptr<T> object;
    };
    std::vector<Entry> entries_;
    std::size_t size_ = 0;
};

}  // namespace pgweir
