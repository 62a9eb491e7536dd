// SPDX-License-Identifier: PostgreSQL
// The small values: Result, Instant and Duration, numbers in bytes.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "pgweir/base/bytes.h"
#include "pgweir/base/instant.h"
#include "pgweir/base/result.h"

using namespace pgweir;

namespace {
Result<int, std::string> half(int n) {
    if (n % 2 != 0) return failure(std::string("odd"));
    return n / 2;
}
}  // namespace

TEST_CASE("a result is a value or an error") {
    const auto good = half(4);
    CHECK(good.ok());
    CHECK(*good == 2);
    const auto bad = half(3);
    CHECK_FALSE(bad);
    CHECK(bad.error() == "odd");
}

TEST_CASE("a result may be of one type twice, and of a type that only moves") {
    const Result<std::string, std::string> error = failure(std::string("e"));
    CHECK_FALSE(error.ok());
    Result<std::unique_ptr<int>, int> owner = std::make_unique<int>(5);
    REQUIRE(owner.ok());
    const std::unique_ptr<int> taken = std::move(*owner);
    CHECK(*taken == 5);
}

TEST_CASE("never is later than everything, and stays never") {
    const Instant now{1000};
    CHECK(now < Instant::never());
    CHECK((Instant::never() + Duration::seconds(1)).is_never());
    CHECK(now + Duration::milliseconds(2) == Instant{3000});
    CHECK(Instant{3000} - now == Duration::microseconds(2000));
}

TEST_CASE("a timeout of zero sets no deadline") {
    CHECK(deadline_after(Instant{5}, Duration{}).is_never());
    CHECK(deadline_after(Instant{5}, Duration::seconds(1)) == Instant{1'000'005});
}

TEST_CASE("numbers in bytes are big-endian, with every bit") {
    Byte bytes[4];
    for (const std::uint32_t value : {0U, 1U, 0x01020304U, 0x80000000U, 0xffffffffU}) {
        store_u32(bytes, value);
        CHECK(load_u32(bytes) == value);
    }
    store_u32(bytes, 0x01020304U);
    CHECK(bytes[0] == 1);
    CHECK(bytes[3] == 4);
    for (const int number : {0, 1, 0x0102, 0x8000, 0xffff}) {
        const auto value = static_cast<std::uint16_t>(number);
        store_u16(bytes, value);
        CHECK(load_u16(bytes) == value);
    }
    store_u16(bytes, 0x0102);
    CHECK(bytes[0] == 1);
}

TEST_CASE("bytes and text are views of each other") {
    const std::string text("a\0b", 3);
    CHECK(as_text(as_bytes(text)) == text);
    CHECK(to_string(as_bytes(text)) == text);
}
