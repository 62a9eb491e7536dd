// SPDX-License-Identifier: PostgreSQL
// The keyed hash of a shape: two polynomials over the field of 2^61 - 1, at two secret points.
//
// Why no client can make two shapes collide: the bytes are coefficients (seven to a coefficient,
// the length last), so two different texts are two different polynomials, and these agree at no
// more points than their degree. Of 2^61 secret points a pair of texts of 64 KiB agrees at fewer
// than 2^14, at both points by chance of less than 2^-94; that holds for every pair of texts, and
// nothing that a client sees depends on the points.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace pgweir::sql {

struct ShapeKey {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    bool operator==(const ShapeKey&) const = default;
};

class ShapeHash {
 public:
    // Secret, from a good source of chance.
    ShapeHash(std::uint64_t point, std::uint64_t other_point)
        : point_(point % kPrime), other_point_(other_point % kPrime) {}

    ShapeKey of(std::string_view bytes) const {
        ShapeKey sum{1, 1};
        const char* at = bytes.data();
        std::size_t left = bytes.size();
        for (; left >= 8; left -= kStep, at += kStep) {
            std::uint64_t word;
            std::memcpy(&word, at, sizeof(word));
            add(sum, word & kStepMask);
        }
        std::uint64_t word = 0;
        std::memcpy(&word, at, left);
        add(sum, word);
        add(sum, bytes.size());
        return {whole(sum.first), whole(sum.second)};
    }

    // The key of the same shape under one more number. REQUIRES: number < 2^60.
    ShapeKey with(ShapeKey key, std::uint64_t number) const {
        add(key, number);
        return {whole(key.first), whole(key.second)};
    }

 private:
    __extension__ typedef unsigned __int128 Wide;
    static constexpr std::uint64_t kPrime = (1ULL << 61) - 1;
    static constexpr std::size_t kStep = 7;
    static constexpr std::uint64_t kStepMask = (1ULL << 56) - 1;

    // `sum` stays below 2^62: 2^61 is 1 in this field, so the upper bits are added to the lower.
    static std::uint64_t step(std::uint64_t sum, std::uint64_t point, std::uint64_t coefficient) {
        const Wide product = static_cast<Wide>(sum) * point;
        const std::uint64_t folded = (static_cast<std::uint64_t>(product) & kPrime) +
                                     static_cast<std::uint64_t>(product >> 61) + coefficient;
        return (folded & kPrime) + (folded >> 61);
    }
    static std::uint64_t whole(std::uint64_t sum) { return sum % kPrime; }

    void add(ShapeKey& sum, std::uint64_t coefficient) const {
        sum.first = step(sum.first, point_, coefficient);
        sum.second = step(sum.second, other_point_, coefficient);
    }

    std::uint64_t point_;
    std::uint64_t other_point_;
};

}  // namespace pgweir::sql
