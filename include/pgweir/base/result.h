// SPDX-License-Identifier: PostgreSQL
// What others can make fail returns a Result (std::expected is C++23). Never an exception on the
// data path.
#pragma once

#include <utility>
#include <variant>

#include "pgweir/base/assert.h"

namespace pgweir {

template <typename E>
struct Failure {
    E error;
};

template <typename E>
Failure<std::decay_t<E>> failure(E&& error) {
    return {std::forward<E>(error)};
}

template <typename T, typename E>
class [[nodiscard]] Result {
 public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Failure<E> failed) : state_(std::in_place_index<1>, std::move(failed.error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    // REQUIRES: ok().
    T& value() {
        PGWEIR_ASSERT(ok());
        return *std::get_if<0>(&state_);
    }
    const T& value() const {
        PGWEIR_ASSERT(ok());
        return *std::get_if<0>(&state_);
    }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    // REQUIRES: !ok().
    const E& error() const {
        PGWEIR_ASSERT(!ok());
        return *std::get_if<1>(&state_);
    }

 private:
    std::variant<T, E> state_;
};

}  // namespace pgweir
