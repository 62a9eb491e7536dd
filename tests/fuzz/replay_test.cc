// SPDX-License-Identifier: PostgreSQL
// Runs a fuzz target without libFuzzer: over its corpus, over every corpus file cut at every
// position, and over copies that are damaged by chance, always the same.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/fuzz.h"
#include "pgweir/base/bytes.h"
#include "pgweir/base/random.h"

using namespace pgweir;

namespace {

constexpr std::size_t kCutsMax = 2000;
constexpr int kDamagedCopies = 500;
// Values on which lengths and counts break.
constexpr std::uint32_t kNastyNumbers[] = {0,          1,          4,          0x7fffffff,
                                           0x80000000, 0xfffffffe, 0xffffffff, 10000};

std::vector<Bytes> corpus() {
    std::vector<std::filesystem::path> paths;
    if (std::filesystem::exists(PGWEIR_CORPUS)) {
        for (const auto& entry : std::filesystem::directory_iterator(PGWEIR_CORPUS)) {
            if (entry.is_regular_file()) paths.push_back(entry.path());
        }
    }
    std::sort(paths.begin(), paths.end());
    std::vector<Bytes> files;
    for (const auto& path : paths) {
        std::ifstream in(path, std::ios::binary);
        files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return files;
}

// In memory of exactly its size, so that the address sanitizer sees a read behind the end.
void run(ByteView input) {
    const Bytes copy(input.begin(), input.end());
    LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

void damage(Bytes& bytes, Random& random) {
    const std::uint64_t changes = 1 + random.below(4);
    for (std::uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
        const std::size_t at = random.below(bytes.size());
        switch (random.below(5)) {
            case 0:
                bytes[at] = static_cast<Byte>(random.next());
                break;
            case 1:
                bytes[at] ^= static_cast<Byte>(1U << random.below(8));
                break;
            case 2:
                bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
                break;
            case 3:
                bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes[at]);
                break;
            default:
                if (bytes.size() - at < 4) break;
                store_u32(bytes.data() + at, kNastyNumbers[random.below(std::size(kNastyNumbers))]);
        }
    }
}

}  // namespace

TEST_CASE("the corpus is there") {
    CHECK_MESSAGE(!corpus().empty(), "no file in " PGWEIR_CORPUS);
}

TEST_CASE("the target survives its corpus, whole and cut at every position") {
    run({});
    for (const Bytes& file : corpus()) {
        run(file);
        for (std::size_t n = 0; n < std::min(file.size(), kCutsMax); ++n) {
            run(ByteView(file).first(n));
        }
    }
}

TEST_CASE("the target survives damaged copies of its corpus") {
    Random random(20260101);
    for (const Bytes& file : corpus()) {
        for (int i = 0; i < kDamagedCopies; ++i) {
            Bytes copy = file;
            damage(copy, random);
            run(copy);
        }
    }
}

TEST_CASE("the target survives noise") {
    Random random(1);
    for (int i = 0; i < kDamagedCopies; ++i) {
        Bytes noise(random.below(300));
        random.fill(noise);
        run(noise);
    }
}
