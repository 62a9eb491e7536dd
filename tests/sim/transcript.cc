// SPDX-License-Identifier: PostgreSQL
// The trace hash and the printable end of a run.
#include "sim/transcript.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

namespace pgweir::sim {

void Transcript::mix(std::uint64_t value) {
    hash_ ^= value;
    hash_ *= 0x100000001b3ULL;
    hash_ ^= hash_ >> 29;
}

void Transcript::mix(ByteView bytes) {
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, 8);
        mix(word);
    }
    for (; at < bytes.size(); ++at) mix(bytes[at]);
}

void Transcript::note(const char* what, std::uint64_t a, std::uint64_t b, ByteView bytes) {
    mix(static_cast<std::uint64_t>(agenda_.now().us));
    mix(as_bytes(what));
    mix(a);
    mix(b);
    mix(bytes);
    Line& line = lines_[next_line_++ % lines_.size()];
    line.when = agenda_.now();
    line.what = what;
    line.a = a;
    line.b = b;
    line.size = bytes.size();
    const std::size_t kept = std::min(bytes.size(), kSnippet);
    if (kept > 0) std::memcpy(line.snippet.data(), bytes.data(), kept);
}

void Transcript::fault(const char* what, std::uint64_t a, std::uint64_t b) {
    ++faults_[what];
    note(what, a, b);
}

void Transcript::violation(std::string text) {
    note("VIOLATION", violations_.size(), 0, as_bytes(text));
    violations_.push_back(std::move(text));
}

std::string Transcript::last_lines(std::size_t count) const {
    std::string text;
    count = std::min({count, next_line_, lines_.size()});
    for (std::size_t i = next_line_ - count; i < next_line_; ++i) {
        const Line& line = lines_[i % lines_.size()];
        char head[160];
        std::snprintf(head, sizeof head, "%12.6f  %-26s %6llu %6llu ",
                      static_cast<double>(line.when.us) / 1e6, line.what,
                      static_cast<unsigned long long>(line.a),
                      static_cast<unsigned long long>(line.b));
        text += head;
        if (line.size > 0) text += "[" + std::to_string(line.size) + "] ";
        for (std::size_t at = 0; at < std::min(line.size, kSnippet); ++at) {
            const Byte byte = line.snippet[at];
            text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.';
        }
        text += '\n';
    }
    return text;
}

}  // namespace pgweir::sim
