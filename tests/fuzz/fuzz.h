// SPDX-License-Identifier: PostgreSQL
// The entry point of a fuzz target, as libFuzzer and replay_test.cc call it.
#pragma once

#include <cstddef>
#include <cstdint>

// May end in an assertion or a sanitizer's report; everything else is survival.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
