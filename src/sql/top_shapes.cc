// SPDX-License-Identifier: PostgreSQL
#include "sql/top_shapes.h"

#include <algorithm>

#include "sql/shape_text.h"

namespace pgweir::sql {

std::size_t TopShapes::find(ShapeKey key) const {
    const auto found = std::find_if(slots_.begin(), slots_.end(),
                                    [&](const Slot& slot) { return slot.key == key; });
    return static_cast<std::size_t>(found - slots_.begin());
}

std::size_t TopShapes::rarest() const {
    const auto found = std::min_element(
        slots_.begin(), slots_.end(),
        [](const auto& a, const auto& b) { return a.shape.statements < b.shape.statements; });
    return static_cast<std::size_t>(found - slots_.begin());
}

std::uint16_t TopShapes::admit(ShapeKey key, std::string_view shape, const Verdict& verdict,
                               std::uint64_t statements) {
    std::size_t i = find(key);
    if (i != slots_.size()) {
        slots_[i].shape.verdict = verdict;
        slots_[i].shape.statements += statements;
        return static_cast<std::uint16_t>(i);
    }
    if (slots_.size() < shapes_max_) {
        slots_.emplace_back();
    } else {
        i = rarest();
        if (i == slots_.size()) return kNone;
        fewest_ = slots_[i].shape.statements;
        if (statements <= fewest_) return kNone;
    }
    slots_[i] = {key,
                 {.shape = text_of_shape(shape, kTextBytesMax),
                  .verdict = verdict,
                  .statements = statements}};
    return static_cast<std::uint16_t>(i);
}

void TopShapes::count_retry(ShapeKey key, const Verdict& verdict) {
    const std::size_t i = find(key);
    if (i == slots_.size()) return;
    ++slots_[i].shape.retries;
    slots_[i].shape.verdict = verdict;
}

std::vector<ShapeCount> TopShapes::top(std::size_t n) const {
    std::vector<ShapeCount> shapes;
    shapes.reserve(slots_.size());
    for (const Slot& slot : slots_) shapes.push_back(slot.shape);
    std::stable_sort(shapes.begin(), shapes.end(), [](const ShapeCount& a, const ShapeCount& b) {
        return a.statements > b.statements;
    });
    if (shapes.size() > n) shapes.resize(n);
    return shapes;
}

std::uint64_t TopShapes::bytes() const {
    std::uint64_t sum = slots_.capacity() * sizeof(Slot);
    for (const Slot& slot : slots_) sum += slot.shape.shape.capacity();
    return sum;
}

}  // namespace pgweir::sql
