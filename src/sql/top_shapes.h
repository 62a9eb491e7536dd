// SPDX-License-Identifier: PostgreSQL
// The shapes that are asked for most, with their texts: a bounded number of them, each shortened.
// A shape comes in once it was asked for more often than the rarest that is in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pgweir/sql/classifier.h"
#include "sql/shape_hash.h"

namespace pgweir::sql {

class TopShapes {
 public:
    static constexpr std::size_t kTextBytesMax = 200;
    static constexpr std::uint16_t kNone = 0xFFFF;

    // REQUIRES: shapes_max < kNone.
    explicit TopShapes(std::size_t shapes_max) : shapes_max_(shapes_max) {}

    // Whether place `i` is (still) this shape's.
    bool is_at(std::uint16_t i, ShapeKey key) const {
        return i < slots_.size() && slots_[i].key == key;
    }
    // REQUIRES: is_at(i, …).
    void count(std::uint16_t i) { ++slots_[i].shape.statements; }
    void count_retry(ShapeKey key, const Verdict& verdict);

    // Whether a shape that was asked for so often would come in.
    bool would_admit(std::uint64_t statements) const {
        return slots_.size() < shapes_max_ || statements > fewest_;
    }
    // Its place; kNone if there is none for it. `shape` is the shape's bytes.
    std::uint16_t admit(ShapeKey key, std::string_view shape, const Verdict& verdict,
                        std::uint64_t statements);

    std::vector<ShapeCount> top(std::size_t n) const;
    std::uint64_t bytes() const;

 private:
    struct Slot {
        ShapeKey key;
        ShapeCount shape;
    };

    std::size_t find(ShapeKey key) const;
    std::size_t rarest() const;

    std::size_t shapes_max_;
    std::vector<Slot> slots_;
    std::uint64_t fewest_ = 0;  // No slot has less; looked up anew with each that comes in.
};

}  // namespace pgweir::sql
